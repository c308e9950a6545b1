"""A model's answers to labelled rows."""

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

# Their predict() is the likeliest class of predict_proba() and nothing else: asking once is enough.
_LIKELIEST = {
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.ensemble._forest.ExtraTreesClassifier",
    "sklearn.tree._classes.DecisionTreeClassifier",
    "sklearn.tree._classes.ExtraTreeClassifier",
    "perennial.training.calibration.Calibrated",
}


@dataclass(frozen=True)
class Answers:
    """What a model said of n rows: `predicted` (n,), and for classifiers that know them `probabilities`
    (n, k) of the k `classes`."""

    predicted: Values
    probabilities: Floats | None = None
    classes: Values | None = None

    def of(self, rows: Values) -> "Answers":
        """The same of some of the rows: a mask (n,), or places."""
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
    features: Any = frame[config.features]
    last = model
    if type(model).__name__ == "Pipeline" and len(model.steps) > 1:
        features, last = model[:-1].transform(features), model.steps[-1][1]
    if config.task == "regression" or not hasattr(last, "predict_proba"):
        return Answers(np.asarray(last.predict(features)).reshape(len(frame)))
    probabilities, classes = np.asarray(last.predict_proba(features)), np.asarray(last.classes_)
    kind = type(last)
    if f"{kind.__module__}.{kind.__qualname__}" in _LIKELIEST:
        return Answers(classes[probabilities.argmax(axis=1)], probabilities, classes)
    # Asked apart: where a threshold or calibration is in the model, the likeliest class is not its answer.
    return Answers(np.asarray(last.predict(features)).reshape(len(frame)), probabilities, classes)
