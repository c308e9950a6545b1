"""Rows that count more than others, for every estimator alike.

Weights go into `fit` where an estimator takes `sample_weight`, through pipelines too. One that takes none is
given resampled rows instead: each row about as often as its weight asks for, by systematic resampling
(Kitagawa, Journal of Computational and Graphical Statistics 5(1), 1996), whose counts differ from what is
asked for by less than one. The draw is seeded.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import has_fit_parameter

from perennial.config import ModelConfig
from perennial.metrics import Values
from perennial.training.rows import Weights


def weight_parameter(estimator: Any) -> str | None:
    """The name under which `fit` takes weights; None where it takes none.

    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> weight_parameter(Pipeline([("last", Ridge())])), weight_parameter(KNeighborsRegressor())
    ('last__sample_weight', None)
    """
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        inner = weight_parameter(last)
        return inner and f"{name}__{inner}"
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def by_class(labels: Values, weights: Weights | None, class_weight: Any) -> Weights | None:
    """Row weights (n,) times the weight of each row's class.

    `balanced`: every class has the same sum of weights, and all together that of before (King & Zeng,
    Political Analysis 9(2), 2001). A dict: by class, 1 where it names none.

    >>> by_class(np.array(["a", "a", "a", "b"]), None, "balanced").round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    if class_weight is None:
        return weights
    rows = np.ones(len(labels)) if weights is None else weights
    classes, codes = np.unique(labels, return_inverse=True)
    if class_weight == "balanced":
        sums = np.bincount(codes, weights=rows, minlength=len(classes))
        factors = np.divide(rows.sum() / len(classes), sums, out=np.ones(len(classes)), where=sums > 0)
    else:
        factors = np.array([class_weight.get(str(level), 1.0) for level in classes])
    return np.asarray(rows * factors[codes])


def resampled(weights: Weights, seed: int) -> npt.NDArray[np.intp]:
    """As many indices as there are rows, each row about as often as its share of the weights says.

    >>> resampled(np.array([1.0, 1.0, 2.0, 0.0]), seed=0).tolist()
    [0, 1, 2, 2]
    """
    n = len(weights)
    shares = np.cumsum(weights) / np.sum(weights)
    points = (np.random.default_rng(seed).random() + np.arange(n)) / n
    return np.minimum(np.searchsorted(shares, points, side="right"), n - 1)


def fit_weighted(estimator: Any, X: Any, y: Values, weights: Weights | None, seed: int, **others: Any) -> Any:
    """Fit an estimator, or a pipeline, on weighted rows; returns it. `others` go into its `fit`."""
    if weights is None:
        return estimator.fit(X, y, **others)
    name = weight_parameter(estimator)
    if name is not None:
        return estimator.fit(X, y, **{name: weights}, **others)
    drawn = resampled(weights, seed)
    return estimator.fit(_safe_indexing(X, drawn), y[drawn], **others)


def row_weights(labels: Values, weights: Weights | None, config: ModelConfig) -> Weights | None:
    """What the model file's class weights make of the weights of rows."""
    return by_class(labels, weights, config.estimator.class_weight)
