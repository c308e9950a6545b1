"""Bins that a reference fixes once, so that any later table can be counted into the same ones.

Bin i holds the values x with edges[i-1] < x <= edges[i]; the first and the last bin are open, so that every
value counts. Cumulated counts are therefore exact values of the empirical distribution function at the edges.
"""

import numpy as np
from numpy.typing import NDArray

from perennial.columns import Floats

MAX_EDGES = 255
TINY, HUGE = 2.0**-500, 2.0**500  # steps of a grid between which no product underflows or overflows
WHOLE = 2.0**51  # beyond this, floats have no halves
_MOST_STEPS = 2048

Counts = NDArray[np.int64]


def equi_depth_edges(values: Floats, most: int = MAX_EDGES) -> Floats:
    """At most `most` edges: all distinct values where they are few, else quantiles, moved up to a grid (see
    `binning.Grid`) where that keeps most of them apart.

    >>> equi_depth_edges(np.array([3.0, 1.0, 1.0, 2.0])).tolist()
    [1.0, 2.0, 3.0]
    """
    finite = np.sort(values[np.isfinite(values)])
    if finite.size == 0:
        return finite
    first_of_each = np.concatenate(([True], finite[1:] != finite[:-1]))
    if np.count_nonzero(first_of_each) <= most:
        return finite[first_of_each]
    places = np.arange(1, most + 1) * finite.size // (most + 1)
    return _on_grid(np.unique(finite[places]))


def grid_step(span: float) -> float:
    """The power of two of which a span holds 1,024 to 2,048."""
    step = span / _MOST_STEPS  # 0 for the smallest of subnormal numbers
    return float(2.0 ** np.ceil(np.log2(step))) if 0 < step < np.inf else 0.0


def _on_grid(edges: Floats) -> Floats:
    """The edges moved up to a grid, where that keeps most of them apart; else as they are.

    >>> _on_grid(np.array([0.0, 0.3, 1.0])).tolist()
    [0.0, 0.30029296875, 1.0]
    """
    if edges.size < 2:
        return edges
    step = grid_step(float(edges[-1]) - float(edges[0]))
    if not TINY <= step <= HUGE or max(abs(edges[0]), abs(edges[-1])) / step >= WHOLE:
        return edges
    moved = np.unique(np.ceil(edges / step) * step)
    return moved if moved.size > 0.75 * edges.size else edges


def count_into(values: Floats, edges: Floats) -> Counts:
    """Counts of shape (len(edges) + 1,); NaN is not counted, infinities fall into the open bins.

    >>> count_into(np.array([0.5, 1.0, 1.5, np.inf, np.nan]), np.array([1.0, 2.0])).tolist()
    [2, 1, 1]
    """
    present = values[~np.isnan(values)]
    return np.bincount(np.searchsorted(edges, present, side="left"), minlength=edges.size + 1).astype(
        np.int64
    )


def coarse_groups(counts: Counts, most: int) -> NDArray[np.intp]:
    """Starts of at most `most` runs of neighbouring bins that hold about equally many of `counts` (for
    `add.reduceat`).

    >>> coarse_groups(np.array([5, 5, 5, 5, 0]), 2).tolist()
    [0, 2]
    """
    total = int(counts.sum())
    if total == 0 or most < 2:
        return np.zeros(1, np.intp)
    before = np.concatenate(([0], np.cumsum(counts)[:-1]))
    group = np.minimum(before * most // total, most - 1)
    return np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))


def spread_evenly(counts: Counts, edges: Floats, low: float, high: float, grid: Floats) -> Floats:
    """Shares of shape (len(grid) - 1,) between the points of `grid`, the counts spread evenly inside their
    bins.

    `low` and `high` are the smallest and largest value counted: the ends of the open bins.
    """
    cumulated = np.empty(counts.size + 1)
    cumulated[0] = 0.0
    np.cumsum(counts, out=cumulated[1:])
    total = cumulated[-1]
    if total == 0:
        return np.zeros(grid.size - 1)
    first, last = float(edges[0]), float(edges[-1])
    width = (max(high, float(grid[-1])) - min(low, float(grid[0]))) or 1.0
    points = np.empty(edges.size + 2)
    points[0] = min(low, first) - width / 1000
    points[1:-1] = edges
    points[-1] = max(high, last + width / 1000)
    reached = np.clip(np.interp(grid, points, cumulated), 0.0, total)  # bins of no width are infinitely steep
    return np.asarray((reached[1:] - reached[:-1]) / total)
