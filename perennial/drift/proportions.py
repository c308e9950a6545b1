"""Two shares compared: Fisher's exact test where counts are small, the normal approximation where they are
not.

Fisher: given the total of successes, those of the first sample are hypergeometric under equal shares; the
p-value is the tail's probability. Interval of the difference: Newcombe's, built from the two Wilson score
intervals.

Sources: R. A. Fisher, The logic of inductive inference, J. R. Stat. Soc. 98 (1935); R. G. Newcombe,
Interval estimation for the difference between independent proportions, Stat. Med. 17 (1998), method 10.
"""

from math import sqrt

import numpy as np
from scipy.special import gammaln, ndtr, ndtri

from perennial.columns import Floats

_EXACT_BELOW = 100.0  # expected successes or failures in the smaller sample


def p_greater(successes: int, n: int, others: int, m: int) -> float:
    """One-sided p-value: is the share `successes / n` greater than `others / m`?

    >>> round(p_greater(8, 10, 1, 10), 4)
    0.0027
    """
    total, rows = successes + others, n + m
    if not n or not m or total in {0, rows}:
        return 1.0
    if min(total, rows - total) * min(n, m) / rows >= _EXACT_BELOW:
        pooled = total / rows
        z = (successes / n - others / m) / sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        return float(ndtr(-z))
    tail = np.arange(successes, min(n, total) + 1, dtype=float)
    logs = _log_choose(n, tail) + _log_choose(m, total - tail) - _log_choose(rows, np.array(float(total)))
    return min(1.0, float(np.exp(logs).sum()))


def p_different(successes: int, n: int, others: int, m: int) -> float:
    """Two-sided p-value: twice the smaller tail.

    >>> p_different(5, 10, 5, 10)
    1.0
    """
    return min(1.0, 2 * min(p_greater(successes, n, others, m), p_greater(others, m, successes, n)))


def difference_interval(
    successes: int, n: int, others: int, m: int, level: float = 0.95
) -> tuple[float, float]:
    """Interval of `successes / n - others / m` that covers the truth with probability `level`.

    >>> [round(end, 4) for end in difference_interval(56, 70, 48, 80)]
    [0.0524, 0.3339]
    """
    first, second = successes / n, others / m
    low_1, high_1 = share_interval(successes, n, level)
    low_2, high_2 = share_interval(others, m, level)
    low = first - second - sqrt((first - low_1) ** 2 + (high_2 - second) ** 2)
    high = first - second + sqrt((high_1 - first) ** 2 + (second - low_2) ** 2)
    return low, high


def share_interval(successes: int, n: int, level: float) -> tuple[float, float]:
    """Wilson's score interval of a share.

    >>> [round(end, 4) for end in share_interval(0, 100, 0.95)]
    [0.0, 0.037]
    """
    z, share = float(ndtri((1 + level) / 2)), successes / n
    middle = share + z * z / (2 * n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def _log_choose(n: int, k: Floats) -> Floats:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
