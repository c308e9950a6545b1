"""What each row counts in a training: by its age, by how often its like comes now, or by its label.

Weights have the mean 1. How many rows they leave in effect, n_eff = (Σw)² / Σw², is told with every training.

Sources: effective sample size: L. Kish, Survey Sampling (1965); importance weights for covariate shift:
H. Shimodaira, J. Statistical Planning and Inference 90 (2000), with the exponent λ that flattens them;
by a classifier that tells new rows from old: S. Bickel, M. Brückner and T. Scheffer, ICML 2007, and
M. Sugiyama, M. Krauledat and K.-R. Müller, JMLR 8 (2007); relative to a mixture of old and new, so that they
are bounded: M. Yamada et al., Neural Computation 25 (2013); for label shift: M. Saerens, P. Latinne and
C. Decaestecker, Neural Computation 14 (2002).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from perennial.columns import Floats
from perennial.config import ModelConfig
from perennial.drift.support import DensityRatio, Space

if TYPE_CHECKING:
    import pandas as pd

FLATTENED = 0.5  # λ: half way (in the logarithm) between every row alike and the batch alone
_FITTED = 20_000  # rows of each side that the classifier learns from
_CHUNK = 200_000
_STRATA = 10

Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]


def effective_rows(weights: Floats) -> float:
    """Kish's effective sample size, (Σw)² / Σw².

    >>> effective_rows(np.array([1.0, 1.0, 1.0, 1.0])), effective_rows(np.array([1.0, 0.0, 0.0, 0.0]))
    (4.0, 1.0)
    """
    squared = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squared if squared else 0.0


def by_age(times: Times, half_life: np.timedelta64) -> Floats:
    """w = 2^(-age / half-life), the age counted back from the youngest row; of shape (n,).

    >>> days = np.array(["2026-01-01", "2026-01-31"], "datetime64[us]")
    >>> by_age(days, np.timedelta64(30, "D")).round(3).tolist()
    [0.667, 1.333]
    """
    ages = (times.max() - times) / half_life
    return _normalised(np.exp2(-np.asarray(ages, np.float64)))


def by_batch(
    frame: "pd.DataFrame", recent: Mask, config: ModelConfig, most: float, seed: int
) -> Floats | None:
    """Importance towards the batch, for covariate shift:

        w(x) = (q(x) / (q(x) / 2 + p(x) / 2))^λ,   λ = 1/2

    with q the density of the batch's rows (`recent`) and p that of the others, their ratio read off a
    logistic regression on at most 20,000 rows of each; then held within [1/most, most] times the mean.
    None where either side is empty, or no feature is a number or a category.
    """
    if recent.all() or not recent.any():
        return None
    old, new = _drawn(frame, ~recent, seed), _drawn(frame, recent, seed)
    space = Space.of(old, config)
    before, now = space.points(old), space.points(new)
    if not before.shape[1]:
        return None
    fitted = DensityRatio.fit(before, now)
    ratio = np.concatenate(
        [
            fitted.of(space.points(frame.iloc[start : start + _CHUNK]))
            for start in range(0, len(frame), _CHUNK)
        ]
    )
    return _bounded((ratio / (0.5 * ratio + 0.5)) ** FLATTENED, most)


def by_label(strata: npt.NDArray[np.intp], recent: Mask, most: float) -> Floats | None:
    """Towards the batch's shares of the labels: w(y) = (q(y) / p(y))^λ, λ = 1/2, p the shares in all rows.

    `strata` (n,) numbers each row's label or range of labels (`strata_of`). A stratum that the batch does not
    have counts as if half a row were there. None where either side is empty.

    >>> strata, recent = np.array([0, 0, 0, 1, 0, 1, 1, 1]), np.arange(8) >= 4
    >>> [round(float(weight), 2) for weight in by_label(strata, recent, 10.0)[[0, 3]]]
    [0.79, 1.21]
    """
    if recent.all() or not recent.any():
        return None
    known = np.bincount(strata).astype(np.float64)
    now = np.bincount(strata[recent], minlength=len(known)) + 0.5
    share, current = known / known.sum(), now / now.sum()
    ratio = np.divide(current, share, out=np.ones_like(share), where=share > 0)
    return _bounded(ratio[strata] ** FLATTENED, most)


def strata_of(labels: "pd.Series[Any]", task: str) -> npt.NDArray[np.intp]:
    """A number for each row: its class, or the tenth of all labels that a number lies in; of shape (n,).

    >>> import pandas as pd
    >>> strata_of(pd.Series(["b", "a", "b"]), "classification").tolist()
    [1, 0, 1]
    """
    if task == "regression":
        values = labels.to_numpy(np.float64)
        edges = np.unique(np.quantile(values, np.linspace(0, 1, _STRATA + 1)[1:-1]))
        return np.searchsorted(edges, values, side="right")
    return np.unique(labels.astype(str).to_numpy(str), return_inverse=True)[1]


def _drawn(frame: "pd.DataFrame", rows: Mask, seed: int) -> "pd.DataFrame":
    places = np.flatnonzero(rows)
    if len(places) > _FITTED:
        places = np.sort(np.random.default_rng(seed).choice(places, _FITTED, replace=False))
    return frame.iloc[places]


def _bounded(weights: Floats, most: float) -> Floats:
    return _normalised(np.clip(_normalised(weights), 1 / most, most))


def _normalised(weights: Floats) -> Floats:
    return weights / weights.mean()
