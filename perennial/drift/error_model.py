"""A regressor's performance without labels, from a second model of its errors (DLE).

The second model predicts the absolute error from the features and the prediction. It is fitted to the holdout
in five folds, so that each row's error is also predicted by a model that did not see it; its mean over a
batch is the estimated mean absolute error.

The interval holds what labels would show with probability 0.95. Its variance is the sum of

    s² / m                      what single errors differ from their prediction, over the batch's m rows
    max(s² / n, jackknife)      the same of the n holdout rows, or the disagreement of the folds' models

Assumption: no concept drift. The errors of a kind of row are what they were on the holdout.

Source: NannyML, Direct Loss Estimation; J. Białek et al. (2024), arXiv:2401.08348. Delete-a-group jackknife:
P. S. Kott, J. Off. Stat. 17 (2001).
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from perennial.columns import Floats
from perennial.drift.estimate import MOST_OUTSIDE, Estimate

MIN_ROWS = 30
_FOLDS = 5
_LEAF = 20


@dataclass(frozen=True)
class ErrorModel:
    """The folds' models, and what they left unexplained of the holdout's absolute errors.

    >>> x = np.linspace(0, 1, 300)[:, None]  # the larger, the larger the error of a model that says 0
    >>> model = ErrorModel.fit(x, np.zeros(300), x[:, 0], seed=0)
    >>> found = model.estimate(np.full((50, 1), 0.9), np.zeros(50))
    >>> round(found.reference, 2), round(found.value, 1), found.interval[0] < 0.9 < found.interval[1]
    (0.5, 0.9, True)
    """

    models: tuple[Any, ...]
    mean: float
    bias: float
    variance: float
    rows: int

    @classmethod
    def fit(
        cls, features: Floats, predicted: Any, labels: Any, *, seed: int, ratio: Floats | None = None
    ) -> "ErrorModel | None":
        """Learn from the holdout: features (n, d), predicted and labels (n,). `ratio` (n,): how much more
        frequent rows like each are in the batch to be estimated. None for fewer than 30 rows.
        """
        answers = np.asarray(predicted, np.float64)
        errors = np.abs(np.asarray(labels, np.float64) - answers)
        if len(errors) < MIN_ROWS:
            return None
        inputs = np.column_stack([features, answers])
        weights = np.ones(len(errors)) if ratio is None else ratio / ratio.mean()
        fold = np.random.default_rng(seed).permutation(len(errors)) % _FOLDS
        models, left = [], np.zeros(len(errors))
        for number in range(_FOLDS):
            seen = fold != number
            with _one_thread():
                model = _regressor(seed).fit(inputs[seen], errors[seen], sample_weight=weights[seen])
                left[~seen] = errors[~seen] - model.predict(inputs[~seen])
            models.append(model)
        bias = float(np.average(left, weights=weights))
        effective = float(weights.sum() ** 2 / np.square(weights).sum())
        spread = float(np.average(np.square(left - bias), weights=weights))
        variance = spread * effective / max(1.0, effective - 1)
        return cls(tuple(models), float(errors.mean()), bias, variance, max(2, int(effective)))

    def estimate(self, features: Floats, predicted: Any, *, outside: Any = None) -> Estimate | None:
        """The mean absolute error of a batch without labels: features (m, d), predicted (m,); `outside` (m,)
        says which rows are unlike any of the holdout. None for no rows.
        """
        answers = np.asarray(predicted, np.float64)
        rows = len(answers)
        if not rows:
            return None
        inputs = np.column_stack([features, answers])
        with _one_thread():
            means = np.array([model.predict(inputs).mean() for model in self.models])
        value = max(0.0, float(means.mean()) + self.bias)
        jackknife = (_FOLDS - 1) / _FOLDS * float(np.square(means - means.mean()).sum())
        fitted = max(self.variance / self.rows, jackknife)
        error = sqrt(self.variance / rows + fitted)
        half = float(stdtrit(self.rows - 1, 0.975)) * error
        return self._beside_holdout(value, half, error, rows, 0.0 if outside is None else np.mean(outside))

    def _beside_holdout(self, value: float, half: float, error: float, rows: int, outside: Any) -> Estimate:
        scale = self.mean or 1.0
        growth = value - self.mean
        better = 0.0 if growth > 0 else 1.0
        return Estimate(
            metric="mae",
            value=value,
            interval=(max(0.0, value - half), value + half),
            reference=self.mean,
            rows=rows,
            reference_rows=self.rows,
            drop=growth / scale,
            drop_interval=((growth - half) / scale, (growth + half) / scale),
            p_value=float(stdtr(self.rows - 1, -growth / error)) if error else better,
            outside=float(outside),
            known=float(outside) <= MOST_OUTSIDE,
        )


def _one_thread() -> Any:
    """Threads that wait for each other cost more than so small a fit."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def _regressor(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        max_iter=40,
        max_bins=64,
        max_leaf_nodes=15,
        min_samples_leaf=_LEAF,
        early_stopping=False,
        random_state=seed,
    )
