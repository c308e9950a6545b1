"""The best answer without looking at the features."""

import numpy as np
import pandas as pd

from perennial.config import ModelConfig
from perennial.metrics import Answers, Values, metric_of


def naive(labels: Values, config: ModelConfig) -> Answers:
    """Classification: the most frequent class, or the cheapest where the metric is a cost, and the shares of
    the classes as probabilities. Regression: the mean label; the median where the metric is of absolute
    errors, the quantile for pinball loss. The labels are those it is asked of, which flatters it a little.
    """
    if config.task == "regression":
        quantiles = {"mae": 0.5, "mape": 0.5, "pinball": config.evaluation.quantile}
        wanted = quantiles.get(config.metric)
        return Answers(np.full(len(labels), labels.mean() if wanted is None else np.quantile(labels, wanted)))
    codes, levels = pd.factorize(labels, sort=True)
    counts = np.bincount(codes)
    probabilities = np.tile(counts / len(labels), (len(labels), 1))

    def always(level: object) -> Answers:
        return Answers(np.full(len(labels), level, dtype=object), probabilities, levels)

    if config.metric != "cost":
        return always(levels[counts.argmax()])
    return min(map(always, levels), key=lambda answers: metric_of(config).score(labels, answers))
