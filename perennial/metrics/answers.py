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

# Their predict() is the likeliest class of predict_proba(), but where two are equally likely: asking once is
# enough. Left out is what has a threshold or a calibration of its own, such as SVC(probability=True).
LIKELIEST = {
    "perennial.training.calibration.Calibrated",
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis",
    "sklearn.ensemble._bagging.BaggingClassifier",
    "sklearn.ensemble._forest.ExtraTreesClassifier",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.ensemble._gb.GradientBoostingClassifier",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
    "sklearn.ensemble._weight_boosting.AdaBoostClassifier",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.naive_bayes.GaussianNB",
    "sklearn.neighbors._classification.KNeighborsClassifier",
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
    "sklearn.tree._classes.DecisionTreeClassifier",
    "sklearn.tree._classes.ExtraTreeClassifier",
}
_TIED = 1e-9  # closer than this, rounding decides which of two classes is the likelier


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
    if f"{kind.__module__}.{kind.__qualname__}" in LIKELIEST:
        return Answers(_likeliest(last, features, probabilities, classes), probabilities, classes)
    # Asked apart: where a threshold or calibration is in the model, the likeliest class is not its answer.
    return Answers(np.asarray(last.predict(features)).reshape(len(frame)), probabilities, classes)


def _likeliest(model: Any, features: Any, probabilities: Floats, classes: Values) -> Values:
    """The class of the highest probability of each row; where two are as high, the model is asked."""
    predicted = classes[probabilities.argmax(axis=1)]
    if len(classes) == 1:
        return np.asarray(predicted)
    second, first = np.partition(probabilities, -2, axis=1)[:, -2:].T
    tied = ~(first - second > _TIED)
    if tied.any():
        predicted[tied] = model.predict(features[tied])
    return np.asarray(predicted)
