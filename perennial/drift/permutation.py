"""Two-sample permutation test of a sum of scores, from binned counts, with small-sample tails.

Under no drift every choice of m among the N = n + m pooled rows is as likely as any other to be the current
ones, so that the sum T of their scores is distributed as under sampling without replacement:

    E T = m mean(s),   Var T = n m / (N - 1) * mean((s - mean(s))^2)

Near the middle the normal distribution serves. In the tails, which decide where many columns share one
error rate, and where values are tied or sizes unequal, the p-value is the double saddlepoint approximation

    P(T >= t) = 1 - Phi(r*),   r* = w + log(v / w) / w
    w = sign(x) sqrt(2 (x t + y m - K(x, y))),   v = x sqrt(det K''(x, y) / K_yy(0, 0))
    K(x, y) = sum over rows of log(1 - m/N + m/N exp(y + x s)),   (x, y) solving K' = (t, m)

exact to a few per cent at any p-value. A continuity correction of half the narrowest step between scores is
taken off |T - E T|.

Sources: J. Robinson, Saddlepoint approximations for permutation tests and confidence intervals, J. R. Stat.
Soc. B 44 (1982); I. M. Skovgaard, Saddlepoint expansions for conditional distributions, J. Appl. Prob. 24
(1987).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, ndtr

from perennial.columns import Floats

_TAIL = 2.0  # standard errors beyond which the saddlepoint takes over
_STEPS = 25


class ScoreTest(NamedTuple):
    """Each of shape (rows,): T in standard errors from its mean, and the two-sided p-value."""

    z: Floats
    p_value: Floats


def score_test(scores: Floats, reference: Floats, current: Floats) -> ScoreTest:
    """Test `reference` against `current`, counts of the same bins with their `scores`: each (columns, bins).

    >>> scores, before, now = np.array([[0.0, 1.0]]), np.array([[18.0, 2.0]]), np.array([[8.0, 12.0]])
    >>> test = score_test(scores, before, now)
    >>> bool(0.001 < test.p_value[0] < 0.003)  # Fisher's exact test: 0.0022
    True
    """
    pooled = reference + current
    size, m = pooled.sum(axis=1), current.sum(axis=1)
    safe = np.where(size > 1, size, 2.0)
    mean = (pooled * scores).sum(axis=1) / safe
    centred = np.where(pooled > 0, scores - mean[:, None], 0.0)
    spread = np.sqrt((pooled * centred * centred).sum(axis=1) / safe)
    testable = (spread > 1e-12) & (m > 0) & (size - m > 0)
    centred = centred / np.where(testable, spread, 1.0)[:, None]
    sums = (current * centred).sum(axis=1)
    error = np.sqrt(np.maximum(m * (size - m), 1.0) / np.maximum(safe - 1, 1.0))
    sums = np.sign(sums) * np.maximum(np.abs(sums) - _half_step(centred, pooled), 0.0)
    z = np.where(testable, sums / error, 0.0)
    p = np.where(testable, 2 * ndtr(-np.abs(z)), 1.0)
    far = np.flatnonzero(testable & (np.abs(z) > _TAIL))
    if far.size:
        p[far] = _tails(centred[far], pooled[far], m[far], sums[far], p[far])
    return ScoreTest(z, np.minimum(p, 1.0))


def _half_step(scores: Floats, counts: Floats) -> Floats:
    """Half the narrowest gap between two scores that occur, or none where they are many."""
    occurring = counts > 0
    few = occurring.sum(axis=1) <= 12
    half = np.zeros(len(scores))
    for row in np.flatnonzero(few):
        gaps = np.diff(np.sort(scores[row][occurring[row]]))
        gaps = gaps[gaps > 1e-9]
        half[row] = gaps.min() / 2 if gaps.size else 0.0
    return half


def _tails(scores: Floats, counts: Floats, m: Floats, sums: Floats, normal: Floats) -> Floats:
    """Two-sided saddlepoint p-values; where the equations have no solution, the normal ones."""
    size = counts.sum(axis=1)
    share = m / size
    odds = np.log(share) - np.log1p(-share)
    x = sums / (size * share * (1 - share))
    x = np.clip(x, -3.0, 3.0)
    y = -0.5 * x * x * (1 - 2 * share)
    for _ in range(_STEPS):
        chance = expit(odds[:, None] + y[:, None] + x[:, None] * scores)
        mass = counts * chance
        gap_x, gap_y = sums - (mass * scores).sum(axis=1), m - mass.sum(axis=1)
        bend = mass * (1 - chance)
        xx, xy, yy = (bend * scores * scores).sum(axis=1), (bend * scores).sum(axis=1), bend.sum(axis=1)
        det = np.maximum(xx * yy - xy * xy, 1e-300)
        step_x, step_y = (yy * gap_x - xy * gap_y) / det, (xx * gap_y - xy * gap_x) / det
        limit = np.minimum(1.0, 1.0 / np.maximum(np.abs(step_x), np.maximum(np.abs(step_y), 1e-300)))
        x, y = x + limit * step_x, y + limit * step_y
        if np.all(np.abs(step_x) + np.abs(step_y) < 1e-9):
            break
    tilt = y[:, None] + x[:, None] * scores
    cumulant = (counts * _log_mean_exp(share[:, None], tilt)).sum(axis=1)
    w = np.sqrt(np.maximum(2 * (x * sums + y * m - cumulant), 0.0))
    v = np.abs(x) * np.sqrt(det / (size * share * (1 - share)))
    with np.errstate(all="ignore"):
        root = w + np.log(v / w) / w
        p = 2 * ndtr(-root)
    return np.where(np.isfinite(root) & (w > 0.1) & (root > 0), p, normal)


def _log_mean_exp(share: Floats, tilt: Floats) -> Floats:
    """log(1 - share + share exp(tilt)), also for large tilts."""
    top = np.maximum(tilt, 0.0)
    return top + np.log((1 - share) * np.exp(-top) + share * np.exp(tilt - top))
