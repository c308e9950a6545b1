"""What a model answers, how good that is, and what each single row contributes to it."""

from perennial.metric_names import HIGHER_IS_BETTER
from perennial.metrics.answers import Answers, Floats, Mask, Values, ask, labels_of
from perennial.metrics.chosen import Metric, all_scores, metric_of, row_scores
from perennial.metrics.scores import contributions, scores

__all__ = [
    "HIGHER_IS_BETTER",
    "Answers",
    "Floats",
    "Mask",
    "Metric",
    "Values",
    "all_scores",
    "ask",
    "contributions",
    "labels_of",
    "metric_of",
    "row_scores",
    "scores",
]
