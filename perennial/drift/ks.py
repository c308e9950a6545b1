"""Kolmogorov-Smirnov test of two samples, from binned counts.

    D = max over x of |F_reference(x) - F_current(x)|

taken at the bins' edges, where both distribution functions are known exactly. D can only be smaller than
that of the raw values (by at most the largest share of a bin), so the test errs on the side of no drift.
p-value: the asymptotic distribution of sqrt(n m / (n + m)) D, conservative for small or tied samples.

Source: N. Smirnov, Table for estimating the goodness of fit of empirical distributions, Ann. Math. Statist.
19 (1948).
"""

from math import log, pi, sqrt
from typing import Any

import numpy as np
from scipy.special import kolmogorov


def ks_statistic(reference: Any, current: Any) -> float:
    """D of two counts of the same bins, each of shape (bins,); 0 where either is empty.

    >>> ks_statistic([10, 0, 0], [0, 5, 5])
    1.0
    """
    reference, current = np.asarray(reference, float), np.asarray(current, float)
    if reference.sum() == 0 or current.sum() == 0:
        return 0.0
    gaps = np.cumsum(reference) / reference.sum() - np.cumsum(current) / current.sum()
    return float(np.abs(gaps).max())


def ks_p_value(statistic: float, n: int, m: int) -> float:
    """Asymptotic p-value of D for samples of `n` and `m` values.

    >>> round(ks_p_value(0.2, 100, 100), 3)
    0.037
    """
    return float(kolmogorov(sqrt(n * m / (n + m)) * statistic)) if n and m else 1.0


def ks_noise(n: int, m: int) -> float:
    """The mean of D where both samples come from one continuous distribution: sqrt(pi / 2) ln 2 / sqrt(n m /
    (n + m)).

    >>> round(ks_noise(100, 100), 3)
    0.123
    """
    return sqrt(pi / 2) * log(2) / sqrt(n * m / (n + m)) if n and m else 0.0
