"""What a model answers, how good that is, and what each single row contributes to it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perennial.config import ModelConfig
from perennial.preprocessing import as_text

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

HIGHER_IS_BETTER = {
    "accuracy": True,
    "balanced_accuracy": True,
    "f1_macro": True,
    "log_loss": False,
    "r2": True,
    "mae": False,
    "rmse": False,
}
_SMALLEST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Answers:
    """What a model said of n rows: `predicted` (n,), and for classifiers that know them `probabilities`
    (n, k) of the k `classes`."""

    predicted: Values
    probabilities: Floats | None = None
    classes: Values | None = None

    def of(self, rows: Mask) -> "Answers":
        """The same of some of the rows."""
        probabilities = self.probabilities[rows] if self.probabilities is not None else None
        return Answers(self.predicted[rows], probabilities, self.classes)


def labels_of(frame: pd.DataFrame, config: ModelConfig) -> Values:
    """The labels as estimators take them: float64 where the label is a number, else plain strings.

    Rows without a label must have been dropped.
    """
    column = frame[config.label]
    if config.columns[config.label].type == "number":
        return pd.to_numeric(column).to_numpy(np.float64)
    return as_text(column, missing="")


def ask(model: Any, frame: pd.DataFrame, config: ModelConfig) -> Answers:
    """Let a fitted model answer every row once."""
    features = frame[config.features]
    predicted = np.asarray(model.predict(features)).reshape(len(frame))
    if config.task == "regression" or not hasattr(model, "predict_proba"):
        return Answers(predicted)
    # Asked apart: where a threshold or calibration is in the model, the likeliest class is not its answer.
    return Answers(predicted, np.asarray(model.predict_proba(features)), np.asarray(model.classes_))


def scores(labels: Values, answers: Answers, task: str) -> dict[str, float]:
    """Every metric of the task, by name; none for no rows."""
    if not len(labels):
        return {}
    if task == "regression":
        return _regression(labels, answers.predicted.astype(np.float64))
    found = _classification(labels, answers.predicted)
    if answers.probabilities is not None and answers.classes is not None:
        found["log_loss"] = _log_loss(labels, answers.probabilities, answers.classes)
    return found


def contributions(metric: str, labels: Values, answers: Answers) -> Floats:
    """What each row adds to a metric, higher being better: two models differ in the metric as the means of
    these differ (for r2 and rmse, up to a constant factor, in the squared error)."""
    if metric == "accuracy":
        return np.asarray(answers.predicted == labels, dtype=np.float64)
    if metric == "balanced_accuracy":
        _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
        weights = len(labels) / (len(counts) * counts[codes])
        return np.asarray((answers.predicted == labels) * weights, dtype=np.float64)
    errors = labels.astype(np.float64) - answers.predicted.astype(np.float64)
    losses: Floats = np.abs(errors) if metric == "mae" else errors**2
    return -losses


def _classification(labels: Values, predicted: Values) -> dict[str, float]:
    right = predicted == labels
    recalls, f1 = [], []
    for level in np.unique(np.concatenate([labels, predicted])):
        hits = float(np.sum(right & (labels == level)))
        actual, claimed = float(np.sum(labels == level)), float(np.sum(predicted == level))
        if actual:
            recalls.append(hits / actual)
        f1.append(2 * hits / (actual + claimed))
    return {
        "accuracy": float(np.mean(right)),
        "balanced_accuracy": float(np.mean(recalls)),
        "f1_macro": float(np.mean(f1)),
    }


def _log_loss(labels: Values, probabilities: Floats, classes: Values) -> float:
    """Mean of -ln p(label); a label that the model does not know counts as the smallest probability."""
    known = labels[:, None] == classes[None, :]
    given = np.where(known, probabilities, 0.0).sum(axis=1)
    return float(np.mean(-np.log(np.clip(given, _SMALLEST, 1.0))))


def _regression(labels: Values, predicted: Floats) -> dict[str, float]:
    errors = labels - predicted
    spread = float(np.sum((labels - labels.mean()) ** 2))
    squared = float(np.sum(errors**2))
    perfect_or_not = 1.0 if squared == 0 else 0.0  # scikit-learn's convention where all labels are equal
    return {
        "r2": 1.0 - squared / spread if spread else perfect_or_not,
        "mae": float(np.mean(np.abs(errors))),
        "rmse": float(np.sqrt(np.mean(errors**2))),
    }
