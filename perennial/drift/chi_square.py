"""Pearson's chi-square test that two samples of categories come from one distribution.

    X2 = sum over levels and samples of (observed - expected)^2 / expected,  levels - 1 degrees of freedom

Levels too rare for the approximation (expected count below 5 in the smaller sample) are pooled first; which
ones depends only on the two samples' totals, so that pooling does not bias the test.

Source: W. G. Cochran, Some methods for strengthening the common chi-square tests, Biometrics 10 (1954).
"""

from math import pi, sqrt
from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtrc

from perennial.histogram import Counts

MIN_EXPECTED = 5.0


class ChiSquare(NamedTuple):
    """The test's result; `p_value` is 1 where fewer than two levels are left."""

    statistic: float
    p_value: float
    degrees: int


def pool_rare(reference: Any, current: Any, least: float = MIN_EXPECTED) -> tuple[Counts, Counts]:
    """Put the rare levels into one, and into the rarest other level where they are too few even together.

    >>> pool_rare([50, 50, 1, 2], [50, 48, 2, 0])
    (array([50, 53]), array([50, 50]))
    """
    reference, current = np.asarray(reference, np.int64), np.asarray(current, np.int64)
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0:
        return reference, current
    expected = (reference + current) * (min(n, m) / (n + m))
    order = np.argsort(-expected, kind="stable")
    reference, current, expected = reference[order], current[order], expected[order]
    common = max(1, int((expected >= least).sum()))
    groups = common + bool(expected[common:].sum() >= least)
    starts = np.arange(groups)
    return np.add.reduceat(reference, starts), np.add.reduceat(current, starts)


def chi_square(reference: Any, current: Any) -> ChiSquare:
    """Test two counts of the same levels, each of shape (levels,).

    >>> chi_square([50, 50], [90, 10]).p_value < 1e-6
    True
    >>> chi_square([50, 50], [50, 50])
    ChiSquare(statistic=0.0, p_value=1.0, degrees=1)
    """
    observed = np.stack(pool_rare(reference, current)).astype(float)
    rows, columns = observed.sum(axis=1), observed.sum(axis=0)
    if observed.shape[1] < 2 or not rows.all():
        return ChiSquare(0.0, 1.0, 0)
    expected = np.outer(rows, columns) / observed.sum()
    statistic = float((np.square(observed - expected) / expected).sum())
    degrees = observed.shape[1] - 1
    return ChiSquare(statistic, float(chdtrc(degrees, statistic)), degrees)


def total_variation(reference: Any, current: Any) -> float:
    """Half the sum of the shares' absolute differences: the share of rows that would have to change their
    level.

    >>> total_variation([50, 50], [90, 10])
    0.4
    """
    n, m = np.sum(reference), np.sum(current)
    return float(np.abs(np.asarray(reference) / n - np.asarray(current) / m).sum() / 2) if n and m else 0.0


def total_variation_noise(reference: Any, current: Any) -> float:
    """Mean total variation of two samples of one distribution, by the normal approximation.

    >>> round(total_variation_noise([50, 50], [50, 50]), 3)
    0.056
    """
    n, m = float(np.sum(reference)), float(np.sum(current))
    if not (n and m):
        return 0.0
    shares = (np.asarray(reference) + np.asarray(current)) / (n + m)
    return float(np.sqrt(shares * (1 - shares)).sum() * sqrt(2 / pi * (1 / n + 1 / m)) / 2)
