"""Cauchy combination: one p-value from many that may depend on each other.

    T = sum of w_i tan((1/2 - p_i) pi),   p = 1/2 - arctan(T) / pi,   sum of w_i = 1

The tail of T does not depend on the correlations, so that the combined p-value holds where it is small,
which is where it is used.

Source: Y. Liu and J. Xie, Cauchy combination test: a powerful test with analytic p-value calculation under
arbitrary dependency structures, J. Am. Stat. Assoc. 115 (2020).
"""

from typing import Any

import numpy as np


def cauchy_combination(p_values: Any, weights: Any = None) -> float:
    """Combined p-value; 1 of none.

    >>> round(cauchy_combination([0.01, 0.01]), 4), cauchy_combination([])
    (0.01, 1.0)
    """
    p = np.asarray(p_values, float)
    if not p.size:
        return 1.0
    share = np.full(p.shape, 1 / p.size) if weights is None else np.asarray(weights, float) / np.sum(weights)
    p = np.minimum(p, 1 - 0.1 / p.size)  # a p-value of exactly 1 must not outweigh all others
    small = p < 1e-15
    terms = np.where(
        small, 1 / (np.maximum(p, 1e-300) * np.pi), np.tan((0.5 - np.where(small, 0.5, p)) * np.pi)
    )
    total = float((share * terms).sum())
    return float(1 / (np.pi * total)) if total > 1e15 else float(0.5 - np.arctan(total) / np.pi)
