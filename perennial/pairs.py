"""Paired tests: did one model do better than another on the same rows, or was it chance?

The null hypothesis: the two are exchangeable row by row, so that the sign of each difference is a coin.

    all differences of one size   exact binomial: McNemar's test (Psychometrika 12, 1947), one-sided
    up to 5,000 rows that differ  sign-flip permutation (Good, Permutation Tests, 2000), 9,999 flips
    more                          its normal limit: the sum of flipped differences has mean 0, variance Σd²
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
    sizes = np.abs(differences)
    if sizes.max() - sizes.min() <= 1e-12 * sizes.max():
        return _binomial_tail(int(np.sum(differences > 0)), len(differences))
    if len(differences) > _PERMUTED:
        z = float(differences.sum() / np.sqrt(np.sum(differences**2)))
        return 0.5 * math.erfc(z / math.sqrt(2))
    return _sign_flips(differences, np.random.default_rng(seed))


def rows_to_tell(level: float) -> int:
    """Fewest rows that must differ for any one-sided paired test of signs to reach a level.

    >>> rows_to_tell(0.05)
    5
    """
    return max(1, math.ceil(-math.log2(level))) if level > 0 else 2**31


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
