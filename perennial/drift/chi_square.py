"""Pearson's chi-square test that two samples of categories come from one distribution.

    X2 = sum over levels and samples of (observed - expected)^2 / expected,  levels - 1 degrees of freedom

Levels too rare for the approximation (expected count below 5 in the smaller sample) are pooled first; which
ones depends only on the two samples' totals, so that pooling does not bias the test.

p-value: the gamma distribution with the exact mean and variance of X2 given both margins, which holds in
the tails that many columns ask for; of two levels, Fisher's exact test.

Sources: W. G. Cochran, Some methods for strengthening the common chi-square tests, Biometrics 10 (1954); J.
B. S. Haldane, The mean and variance of chi-squared, when used as a test of homogeneity, when expectations
are small, Biometrika 31 (1940).
"""

from math import pi, sqrt
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaincc

from perennial.columns import Floats
from perennial.drift.proportions import p_different
from perennial.histogram import Counts

MIN_EXPECTED = 5.0


class ChiSquare(NamedTuple):
    """The test's result; `p_value` is 1 where fewer than two levels are left."""

    statistic: float
    p_value: float
    degrees: int


def pool_rare(reference: Any, current: Any, least: float = MIN_EXPECTED) -> tuple[Counts, Counts]:
    """Put the rare levels into one, and into the rarest other level where they are too few even together: of
    equally rare ones into that whose difference they lessen, so that the order of levels and of tables does
    not matter.

    >>> pool_rare([50, 50, 1, 2], [50, 48, 2, 0])
    (array([50, 53]), array([50, 50]))
    """
    reference, current = np.asarray(reference, np.int64), np.asarray(current, np.int64)
    n, m = reference.sum(), current.sum()
    if n == 0 or m == 0:
        return reference, current
    expected = (reference + current) * (min(n, m) / (n + m))
    difference = reference * m - current * n
    rest = np.sign(difference[expected < least].sum())
    order = np.lexsort((-np.abs(difference), -rest * difference, -expected))
    reference, current, expected = reference[order], current[order], expected[order]
    common = int((expected >= least).sum())
    groups = max(1, common + bool(expected[common:].sum() >= least))
    starts = np.arange(groups)
    return np.add.reduceat(reference, starts), np.add.reduceat(current, starts)


def pool_tail(reference: tuple[Any, int], current: tuple[Any, int]) -> tuple[Counts, Counts]:
    """Counts of the reference's levels and of all others, with the rare levels put into the others.

    Which levels a small reference knows is itself an accident: a rare level of the current data is as likely
    to be another one. The tail as a whole is not.

    >>> pool_tail(([60, 1, 2], 0), ([50, 0, 0], 4))
    (array([60,  3]), array([50,  4]))
    """
    before, now = np.asarray(reference[0], np.int64), np.asarray(current[0], np.int64)
    n, m = int(before.sum()) + reference[1], int(now.sum()) + current[1]
    common = (before + now) * min(n, m) >= MIN_EXPECTED * (n + m)
    tail, tail_now = int(before[~common].sum()) + reference[1], int(now[~common].sum()) + current[1]
    return np.append(before[common], tail), np.append(now[common], tail_now)


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
    if degrees == 1:
        p_value = p_different(int(observed[0, 0]), int(rows[0]), int(observed[1, 0]), int(rows[1]))
    else:
        mean, variance = _null_moments(rows, columns)
        p_value = float(gammaincc(mean * mean / variance, statistic * mean / variance))
    return ChiSquare(statistic, p_value, degrees)


def _null_moments(rows: Floats, columns: Floats) -> tuple[float, float]:
    """Exact mean and variance of X2 given both margins."""
    size = float(rows.sum())
    r, c = rows.size, columns.size
    first = [(k - 1) * (size - k) / (size - 1) for k in (r, c)]
    second = [
        (size * float((1 / margin).sum()) - k * k) / (size - 2) for margin, k in ((rows, r), (columns, c))
    ]
    mean = size * (r - 1) * (c - 1) / (size - 1)
    variance = 2 * size / (size - 3) * (first[0] - second[0]) * (first[1] - second[1])
    variance += size * size / (size - 1) * second[0] * second[1]
    return mean, variance


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
