"""Every built-in metric: for which task, which direction is better, in what units a margin is.

No numbers here, so that reading a model file needs no numpy.
"""

from dataclasses import dataclass
from typing import Literal

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class MetricKind:
    """`relative`: a margin is a share of the value compared with, not a number in the metric's units."""

    task: Task
    higher_is_better: bool
    relative: bool = False
    needs_probabilities: bool = False
    words: str = ""


METRICS = {
    "accuracy": MetricKind("classification", True),
    "balanced_accuracy": MetricKind("classification", True),
    "f1_macro": MetricKind("classification", True, words="macro F1"),
    "log_loss": MetricKind("classification", False, needs_probabilities=True),
    "roc_auc": MetricKind("classification", True, needs_probabilities=True, words="ROC AUC"),
    "brier": MetricKind("classification", False, needs_probabilities=True, words="Brier score"),
    "calibration_error": MetricKind("classification", False, needs_probabilities=True),
    "cost": MetricKind("classification", False, relative=True, words="mean cost"),
    "r2": MetricKind("regression", True, words="R²"),
    "mae": MetricKind("regression", False, relative=True, words="mean absolute error"),
    "rmse": MetricKind("regression", False, relative=True, words="root mean squared error"),
    "mape": MetricKind("regression", False, words="mean absolute percentage error"),
    "pinball": MetricKind("regression", False, relative=True, words="pinball loss"),
}
HIGHER_IS_BETTER = {name: kind.higher_is_better for name, kind in METRICS.items()}


def in_words(metric: str) -> str:
    """How a sentence calls it.

    >>> in_words("balanced_accuracy"), in_words("r2")
    ('balanced accuracy', 'R²')
    """
    kind = METRICS.get(metric)
    return kind.words if kind and kind.words else metric.replace("_", " ")


def allowed(metric: str, value: float, margin: float) -> float:
    """By how much a metric of this value may be worse, in its own units; a user's own is never relative.

    >>> allowed("accuracy", 0.9, 0.02), allowed("mae", 200.0, 0.02)
    (0.02, 4.0)
    """
    kind = METRICS.get(metric)
    return margin * abs(value) if kind and kind.relative else margin
