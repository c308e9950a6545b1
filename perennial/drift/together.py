"""Many small shifts at once: a test of all columns' locations together.

    Q = sum over columns of z_i^2

with z_i the location test's statistic of column i. Under no drift the z are normal with the correlations R
of the columns, and Q is distributed as the sum of l_i chi-square(1), l the eigenvalues of R; its tail by
Pearson's three-moment approximation. Ten columns that each moved by less than any one could show move Q.
(Hotelling's T², z' R^-1 z, would be the choice for well-conditioned R; columns of real data are often
nearly copies of each other, and then the smallest eigenvalue, estimated worst, would decide.)

Sources: H. Hotelling, The generalization of Student's ratio, Ann. Math. Statist. 2 (1931); J. P. Imhof,
Computing the distribution of quadratic forms in normal variables, Biometrika 48 (1961).
"""

from typing import Any

import numpy as np
from scipy.special import chdtrc


def sum_of_squares_p(z: Any, correlations: Any, rows: float) -> float:
    """p-value of Q for `z` of shape (columns,) and their `correlations`, estimated from so many `rows`.

    >>> round(sum_of_squares_p([1.0, 2.0, 2.0], np.eye(3), 1e6), 4)  # chi-square(3) beyond 9
    0.0293
    """
    z, correlations = np.asarray(z, float), np.asarray(correlations, float)
    columns = z.size
    if not columns:
        return 1.0
    squares = correlations * correlations
    chance = (columns * columns - columns) / max(rows - 1, 1)  # of the squared sample correlations under none
    first = float(columns)
    second = max(float(squares.sum()) - chance, float(columns))
    raw = float(squares.sum())
    third = float(np.einsum("ij,jk,ki->", correlations, correlations, correlations))
    third = max(third * (second / raw) ** 1.5 if raw else first, second * second / first)
    degrees = second**3 / third**2
    return float(chdtrc(degrees, max((float(z @ z) - first) * np.sqrt(degrees / second) + degrees, 0.0)))


def typical_shift(shifts: Any, error: Any) -> float:
    """How far columns have moved: the larger of the root mean square over all, and of what is typical of
    those that moved at all, sqrt(sum of d^4 / sum of d^2).

    Both without their noise: E(d^2 - s^2) and E(d^4 - 6 d^2 s^2 + 3 s^4) are the second and fourth power of
    the true shift; of the latter, two of its standard errors are taken off. `shifts` in standard deviations
    and their standard errors, of shape (columns,).

    >>> typical_shift([0.3, 0.3, 0.0, 0.0], [0.0] * 4)
    0.3
    """
    d, s = np.square(np.asarray(shifts, float)), np.square(np.asarray(error, float))
    second, fourth = float((d - s).sum()), float((d * d - 6 * d * s + 3 * s * s).sum())
    if second <= 0:
        return 0.0
    true = np.maximum(
        d / np.where(s > 0, s, 1.0) - 1, 0.0
    )  # of a Hermite polynomial of degree 4 about its mean
    variance = (s**4 * (24 + 96 * true + 72 * true**2 + 16 * true**3)).sum()
    sure = max(fourth - 2 * float(np.sqrt(variance)), 0.0)
    return float(np.sqrt(max(second / d.size, sure / second)))
