"""How a mean went from one level to another: at once, or little by little.

A step from level a to level b at time s, and a ramp that leaves a at s and reaches b at e, are fitted by
weighted least squares to the means of consecutive runs of values, over all s <= e at the runs' boundaries.
The ramp is believed where it fits so much better that the Bayesian information criterion would grant it two
parameters more; it has one, and many more places to choose from.

Source: G. Schwarz, Estimating the dimension of a model, Ann. Statist. 6 (1978).
"""

from math import log
from typing import Literal, NamedTuple

import numpy as np

from perennial.columns import Floats

_MOST_RUNS = 48
_SHARP = 4  # runs: a step in the middle of one, among noise, may look like a slope over no more


class Transition(NamedTuple):
    """`began` values came before it, `ended` until it was over (equal to `began` where it was sudden)."""

    kind: Literal["sudden", "gradual"]
    began: int
    ended: int
    before: float
    after: float


def fit_transition(sizes: Floats, sums: Floats, squares: Floats, inflation: float = 1.0) -> Transition | None:
    """Fit the runs of a stream, the oldest first, each of shape (runs,): how many values, their sum, and
    their squared deviations from the run's mean. `inflation` of the values say as much as one independent one
    (`dependence`). None where there are fewer than three runs.

    >>> levels = np.array([0.1] * 8 + [0.15, 0.25, 0.35, 0.45, 0.55] + [0.6] * 7)
    >>> size = np.full(20, 100.0)
    >>> fit_transition(size, size * levels, size * 0.09)[:3]
    ('gradual', 800, 1300)
    >>> levels = np.array([0.1] * 10 + [0.6] * 10)
    >>> fit_transition(size, size * levels, size * 0.09)[:3]
    ('sudden', 1000, 1000)
    """
    sizes, sums, squares = _coarsened(sizes, sums, squares)
    if sizes.size < 3:
        return None
    ends = np.cumsum(sizes)
    middles = ends - sizes / 2
    first, last = (index.ravel() for index in np.triu_indices(sizes.size - 1))
    start, end = ends[first], ends[last]  # both boundaries inside the stream
    slope = np.where(end > start, end - start, 1.0)
    rise = np.clip((middles[None, :] - start[:, None]) / slope[:, None], 0.0, 1.0)
    rise = np.where((end > start)[:, None], rise, middles[None, :] > start[:, None])
    low, high, errors = _least_squares(rise, sizes, sums / sizes)
    errors = errors + squares.sum()
    steps = np.flatnonzero(first == last)
    step, best = int(steps[errors[steps].argmin()]), int(errors.argmin())
    noise = max(float(errors[best]) / float(ends[-1]), 1e-12) * inflation
    gain = (float(errors[step]) - float(errors[best])) / noise
    slope_seen = last[best] - first[best] > _SHARP
    chosen = best if slope_seen and gain > 2 * log(float(ends[-1])) else step
    kind: Literal["sudden", "gradual"] = "sudden" if first[chosen] == last[chosen] else "gradual"
    return Transition(kind, int(start[chosen]), int(end[chosen]), float(low[chosen]), float(high[chosen]))


def _least_squares(rise: Floats, weights: Floats, means: Floats) -> tuple[Floats, Floats, Floats]:
    """Both levels, and the weighted squared error, of each course `rise` of shape (courses, runs)."""
    mass = weights.sum()
    centre, level = rise @ weights / mass, float(means @ weights) / mass
    spread = rise - centre[:, None]
    variance = np.maximum(np.square(spread) @ weights, 1e-12)
    change = (spread * weights) @ (means - level) / variance
    low = level - change * centre
    left = float(weights @ np.square(means - level)) - np.square(change) * variance
    return low, low + change, np.maximum(left, 0.0)


def _coarsened(sizes: Floats, sums: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
    """At most 48 runs of about equally many values, none of a single one."""
    if sizes.size == 0:
        return sizes, sums, squares
    total = sizes.sum()
    group = np.minimum((np.cumsum(sizes) - sizes) * _MOST_RUNS // total, _MOST_RUNS - 1)
    starts = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    size, mass = np.add.reduceat(sizes, starts), np.add.reduceat(sums, starts)
    around = squares + np.square(sums) / sizes
    return size, mass, np.maximum(np.add.reduceat(around, starts) - np.square(mass) / size, 0.0)
