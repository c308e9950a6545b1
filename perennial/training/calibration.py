"""A classifier whose probabilities mean what they say: of rows given 0.8, eight in ten are of that class.

Every part of the rows is scored by a model that learnt from other rows, earlier ones where times are known;
a map from scores to probabilities is fitted on these (sigmoid: Platt, Advances in Large Margin Classifiers,
1999; isotonic: Zadrozny & Elkan, KDD 2002), and stands behind the model that learnt from all rows.

Class weights shape the model and not the map: the probabilities are those of the rows as they come.
Every stored pipeline names the classes in here: moving one breaks the versions before.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from perennial.errors import NoTrainingData
from perennial.metrics import Floats, Values
from perennial.training.folds import Fold, make_folds
from perennial.training.rows import Times, Weights
from perennial.training.weighting import by_class, fit_weighted


class Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that is given another one's scores in place of rows, and says just these."""

    def fit(self, X: Any, y: Values, sample_weight: Any = None) -> Self:  # noqa: ARG002
        """Only the names of the classes are learnt."""
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X: Floats) -> Floats:
        """The scores (n,), or (n, k) of k > 2 classes."""
        return X[:, 0] if X.shape[1] == 1 else X

    def predict(self, X: Floats) -> Values:
        """The class of the highest score."""
        best = (X[:, 0] > 0).astype(int) if X.shape[1] == 1 else X.argmax(axis=1)
        return np.asarray(self.classes_[best])


class Calibrated(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """`estimator`, calibrated by `method` on predictions over `folds` folds; see the module."""

    def __init__(
        self,
        estimator: Any = None,
        *,
        method: str = "sigmoid",
        folds: int = 5,
        class_weight: Any = None,
        seed: int = 0,
    ) -> None:
        self.estimator, self.method, self.folds = estimator, method, folds
        self.class_weight, self.seed = class_weight, seed

    def fit(
        self, X: Any, y: Values, sample_weight: Weights | None = None, times: Times | None = None
    ) -> Self:
        """Fit model and map on n rows. Raises NoTrainingData where a class has fewer than two rows to ask."""
        self.classes_ = np.unique(y)
        scores = np.full((len(y), len(self.classes_) if len(self.classes_) > 2 else 1), np.nan)
        for learn, ask in self._folds(y, times):
            model = self._fitted(_safe_indexing(X, learn), y[learn], _of(sample_weight, learn))
            scores[ask] = _scores(model, _safe_indexing(X, ask))
        asked = ~np.isnan(scores).any(axis=1)
        everything = np.arange(int(asked.sum()))
        self.calibrator_ = CalibratedClassifierCV(
            Scores(), method=self.method, cv=[(everything, everything)], ensemble=False
        ).fit(scores[asked], y[asked], sample_weight=_of(sample_weight, asked))
        self.estimator_ = self._fitted(X, y, sample_weight)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities (n, k) of `classes_`."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.calibrator_.predict_proba(_scores(self.estimator_, X)))

    def predict(self, X: Any) -> Values:
        """The likeliest class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def _fitted(self, X: Any, y: Values, weights: Weights | None) -> Any:
        return fit_weighted(clone(self.estimator), X, y, by_class(y, weights, self.class_weight), self.seed)

    def _folds(self, y: Values, times: Times | None) -> list[Fold]:
        """By time where every fold learns from all classes and the asked rows have them all, else drawn."""
        for ordered in (times, None):
            found = make_folds(y, ordered, self.folds, self.seed, "classification")
            learnt = all(len(np.unique(y[learn])) == len(self.classes_) for learn, _ in found)
            asked = np.concatenate([y[ask] for _, ask in found])
            if learnt and len(np.unique(asked)) == len(self.classes_):
                return found
        rarest = self.classes_[np.unique(y, return_counts=True)[1].argmin()]
        raise NoTrainingData(f"calibration expected at least 2 rows of every class, {rarest!r} has fewer")


def _of(weights: Weights | None, rows: Any) -> Weights | None:
    return None if weights is None else weights[rows]


def _scores(model: Any, X: Any) -> Floats:
    """What the model says of n rows: (n, 1) for two classes, else (n, k)."""
    if hasattr(model, "decision_function"):
        said = np.asarray(model.decision_function(X))
        return said.reshape(-1, 1) if said.ndim == 1 else said
    probabilities = np.asarray(model.predict_proba(X))
    return probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities
