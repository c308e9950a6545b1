"""Paired tests: did one model do better than another on the same rows, or was it chance?

The null hypothesis: the two are exchangeable row by row, so that the sign of each difference is a coin.

    all differences of one size   exact binomial: McNemar's test (Psychometrika 12, 1947), one-sided
    up to 5,000 rows that differ  sign-flip permutation (Good, Permutation Tests, 2000), 9,999 flips
    more                          its normal limit: the sum of flipped differences has mean 0, variance Σd²

Against another bound than 0 (non-inferiority, slices) signs say nothing:

    all differences of one size   Tango's score test (Statistics in Medicine 17, 1998)
    else                          Student's paired t
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

_FLIPS = 9_999
_CHUNK = 500  # flips at a time: bounds the memory to 500 x 5,000 numbers
_PERMUTED = 5_000


def p_value(advantage: npt.NDArray[np.float64], seed: int) -> float:
    """One-sided p-value that the mean of paired differences is above 0.

    It is 1 where no pair differs, and where a difference is not finite: nothing can be told then.

    >>> p_value(np.array([1.0, 1, 1, 1, 1, 0, 0]), seed=0)  # five wins, no loss: 1 / 2**5
    0.03125
    """
    differences = advantage[advantage != 0]
    if not len(differences) or not np.isfinite(differences).all():
        return 1.0
    if _one_size(differences):
        return _binomial_tail(int(np.sum(differences > 0)), len(differences))
    if len(differences) > _PERMUTED:
        z = float(differences.sum() / np.sqrt(np.sum(differences**2)))
        return 0.5 * math.erfc(z / math.sqrt(2))
    return _sign_flips(differences, np.random.default_rng(seed))


def p_above(advantage: npt.NDArray[np.float64], bound: float, seed: int) -> float:
    """One-sided p-value that the mean of paired differences is above a bound.

    >>> round(p_above(np.zeros(200), -0.02, seed=0), 3)  # 200 rows answered alike are too few to exclude 0.02
    0.065
    """
    if bound == 0:
        return p_value(advantage, seed)
    if len(advantage) < 2 or not np.isfinite(advantage).all():
        return 1.0
    differ = advantage[advantage != 0]
    if not len(differ) or _one_size(differ):
        size = float(np.abs(differ).max()) if len(differ) else 1.0
        wins, losses = int(np.sum(differ > 0)), int(np.sum(differ < 0))
        return _tango(wins, losses, len(advantage), bound / size)
    return student(advantage, bound)


def student(advantage: npt.NDArray[np.float64], bound: float) -> float:
    """The same by Student's t, which needs no row to be exchangeable; 1 where nothing differs.

    >>> round(student(np.array([1.0, 2.0, 3.0]), 0.0), 3)
    0.037
    """
    error = standard_error(advantage)
    if not error or not math.isfinite(error):
        return 1.0
    from scipy.special import stdtr

    return float(stdtr(len(advantage) - 1, (bound - float(advantage.mean())) / error))


def standard_error(advantage: npt.NDArray[np.float64]) -> float:
    """Of the mean of paired differences; 0 for fewer than two."""
    return float(advantage.std(ddof=1)) / math.sqrt(len(advantage)) if len(advantage) > 1 else 0.0


def rows_for(error: float, rows: int, difference: float, level: float, power: float) -> int:
    """Rows on which a one-sided test at `level` finds a true difference with this power, where it has the
    standard error `error` on so many rows.

    >>> rows_for(0.01, 1000, 0.02, level=0.05, power=0.8)
    1546
    """
    from scipy.special import ndtri

    if difference <= 0:
        return 2**31
    return math.ceil(rows * ((float(ndtri(1 - level)) + float(ndtri(power))) * error / difference) ** 2)


def rows_to_tell(level: float) -> int:
    """Fewest rows that must differ for any one-sided paired test of signs to reach a level.

    >>> rows_to_tell(0.05)
    5
    """
    return max(1, math.ceil(-math.log2(level))) if level > 0 else 2**31


def _one_size(differences: npt.NDArray[np.float64]) -> bool:
    sizes = np.abs(differences)
    return bool(sizes.max() - sizes.min() <= 1e-12 * sizes.max())


def _tango(wins: int, losses: int, rows: int, bound: float) -> float:
    """P-value of share of wins - share of losses > bound: the score at the likeliest share of losses under
    the null hypothesis; one row counts against it, as the score alone is a little liberal."""
    if not -1 < bound < 1:
        return 0.0 if bound <= -1 else 1.0
    a, c = 2 * rows, -losses * bound * (1 - bound)
    b = -wins - losses + (2 * rows - wins + losses) * bound
    lost = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = rows * (2 * lost + bound * (1 - bound))
    z = (wins - losses - 1 - rows * bound) / math.sqrt(variance) if variance > 0 else 0.0
    return 0.5 * math.erfc(z / math.sqrt(2))


def _binomial_tail(wins: int, pairs: int) -> float:
    """P(at least `wins` heads in `pairs` tosses)."""
    from scipy.special import bdtrc

    return float(bdtrc(wins - 1, pairs, 0.5)) if wins else 1.0


def _sign_flips(differences: npt.NDArray[np.float64], random: np.random.Generator) -> float:
    observed, reached = differences.sum(), 0
    tolerance = 1e-12 * np.abs(differences).sum()
    for start in range(0, _FLIPS, _CHUNK):
        shape: Any = (min(_CHUNK, _FLIPS - start), len(differences))
        signs = random.integers(0, 2, size=shape, dtype=np.int8) * 2 - 1
        reached += int(np.sum(signs @ differences >= observed - tolerance))
    return (1 + reached) / (1 + _FLIPS)
