"""How sure is a paired difference of a metric that is no sum over rows (F1, calibration, some users' own)?

up to 5,000 rows   paired bootstrap, percentile: 999 draws of rows, both models scored on the same ones
                   (Efron and Tibshirani, An Introduction to the Bootstrap, 1993)
more               delete-a-group jackknife over 40 random groups, Student's t (P. S. Kott, J. Off. Stat.
                   17, 2001): as many evaluations as groups, whatever the rows
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_DRAWS, _GROUPS = 999, 40
_BOOTSTRAPPED = 5_000

type Gain = Callable[[npt.NDArray[np.int64]], float]


@dataclass(frozen=True)
class Spread:
    """A gain, its standard error, and the draws of it; without draws it is Student's t of `degrees`."""

    gain: float
    error: float
    draws: npt.NDArray[np.float64] | None = None
    degrees: int = 0

    def p_above(self, bound: float) -> float:
        """One-sided p-value that the true gain is above the bound; 1 where nothing can be told."""
        if not math.isfinite(self.gain):
            return 1.0
        if self.draws is not None:
            return float((1 + np.sum(self.draws <= bound)) / (1 + len(self.draws)))
        if self.error == 0:
            return 0.0 if self.gain > bound else 1.0
        from scipy.special import stdtr

        return float(stdtr(self.degrees, (bound - self.gain) / self.error))

    def p_below(self, bound: float) -> float:
        """That it is below."""
        turned = None if self.draws is None else -self.draws
        return Spread(-self.gain, self.error, turned, self.degrees).p_above(-bound)


def spread(gain: Gain, rows: int, seed: int) -> Spread:
    """Resample; `gain` is given places of rows (m,), and may be NaN where these have no such metric.

    >>> right = np.repeat([1.0, 0.0], [60, 40])
    >>> found = spread(lambda places: float(right[places].mean()), 100, seed=0)
    >>> 0.04 < found.error < 0.06, found.p_above(0.4) < 0.01
    (True, True)
    """
    random = np.random.default_rng(seed)
    whole = gain(np.arange(rows))
    if rows <= _BOOTSTRAPPED:
        drawn = np.array([gain(random.integers(rows, size=rows)) for _ in range(_DRAWS)])
        drawn = drawn[np.isfinite(drawn)]
        if len(drawn) < _DRAWS // 2:
            return Spread(math.nan, math.nan)
        return Spread(whole, float(drawn.std(ddof=1)), drawn)
    group = random.permutation(rows) % _GROUPS
    left = np.array([gain(np.flatnonzero(group != number)) for number in range(_GROUPS)])
    error = math.sqrt((_GROUPS - 1) / _GROUPS * float(np.sum((left - left.mean()) ** 2)))
    return Spread(whole, error, degrees=_GROUPS - 1)
