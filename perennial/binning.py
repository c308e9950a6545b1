"""Counting values into fixed bins without sorting them and without a binary search per value.

A search of 255 edges costs 50 ns a value, nearly all of it mispredicted branches. Here a value is first
mapped to one of at most 65,536 equally wide cells by a subtraction and a multiplication; a table says how
many edges lie below the cell, and one comparison with the only edge inside the cell settles the rest.
Rounding is monotone, so that a value and an edge that fall into different cells are ordered as their cells
are: the counts are exact. Where edges lie too unevenly for that, values are searched for after all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perennial.columns import Floats
from perennial.histogram import HUGE, TINY, WHOLE, Counts, grid_step

BLOCK = 16_384  # values of a column at a time: few enough for the scratch arrays to stay in a cache
_MAX_CELLS = 65_536
_LINE = 64  # bytes of a cache line


def aligned[T: np.generic](size: int, dtype: type[T]) -> NDArray[T]:
    """Room for so many values from the beginning of a cache line on: vectors that lie across two lines take
    twice as long.

    >>> aligned(3, np.float64).ctypes.data % 64
    0
    """
    length = size * np.dtype(dtype).itemsize
    room = np.empty(length + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    return room[start : start + length].view(dtype)


class Scratch:
    """Arrays of one thread, written over by every block."""

    def __init__(self) -> None:
        self.floats = aligned(BLOCK, np.float64)
        self.edges = aligned(BLOCK, np.float64)
        self.cells = aligned(BLOCK, np.intp)
        self.bins = np.empty(BLOCK, np.uint8)
        self.above = np.empty(BLOCK, np.bool_)


class Bins:
    """At most 255 ascending edges; bin i holds the values x with edges[i-1] < x <= edges[i].

    >>> bins = Bins(np.array([1.0, 2.0]))
    >>> with np.errstate(invalid="ignore"):
    ...     bins.count(np.array([0.5, 1.0, 1.5, np.inf, np.nan]), Scratch(), nans=1).tolist()
    [2, 1, 1]
    """

    def __init__(self, edges: Floats) -> None:
        self.edges = edges
        self.grid = Grid.of(edges)
        self._below: NDArray[np.uint8] | None = None
        if self.grid is None and 0 < edges.size <= 255:
            self._lay_cells()

    def count(self, values: Floats, scratch: Scratch, nans: int) -> Counts:
        """Counts of shape (len(edges) + 1,) of at most BLOCK values; `nans` of them are NaN, not counted."""
        bins = self.edges.size + 1
        if not self.edges.size:
            return np.array([values.size - nans], np.int64)
        if self._below is None:
            found = np.bincount(np.searchsorted(self.edges, values), minlength=bins)
            found[-1] -= nans  # NaN sorts behind everything
            return found
        place = self._cells_of(values, scratch)
        below = np.take(self._below, place, out=scratch.bins[: values.size], mode="clip")
        edge = np.take(self._edge_in, place, out=scratch.edges[: values.size], mode="clip")
        above = np.greater(values, edge, out=scratch.above[: values.size])
        np.add(below, above.view(np.uint8), out=below)
        found = np.bincount(below, minlength=bins)
        found[0] -= nans  # see _cells_of
        return found

    def _cells_of(self, values: Floats, scratch: Scratch) -> NDArray[np.intp]:
        """Cell 0 lies below all edges, the last one above them. NaN and what is far below become the smallest
        integer, or 0, by the processor; a take that clips makes cell 0 of every negative one.
        """
        scaled = np.subtract(values, self.edges[0], out=scratch.floats[: values.size])
        np.multiply(scaled, self._scale, out=scaled)
        np.add(scaled, 1.0, out=scaled)
        np.minimum(scaled, self._last, out=scaled)
        cells = scratch.cells[: values.size]
        np.copyto(cells, scaled, casting="unsafe")
        return cells

    def _lay_cells(self) -> None:
        span = float(self.edges[-1]) - float(self.edges[0])
        if not np.isfinite(span):
            return
        gap = float(np.diff(self.edges).min()) if self.edges.size > 1 else 1.0
        if not (gap > 0 and span / gap < _MAX_CELLS / 2):
            return
        self._scale = 2.0 / gap
        if not np.isfinite(self._scale):
            return
        cells = ((self.edges - self.edges[0]) * self._scale + 1.0).astype(np.intp)
        if np.any(np.diff(cells) < 1):
            return
        self._last = float(cells[-1] + 1)
        self._edge_in = np.full(cells[-1] + 2, np.inf)
        self._edge_in[cells] = self.edges
        self._below = np.searchsorted(cells, np.arange(cells[-1] + 2)).astype(np.uint8)


@dataclass(frozen=True)
class Grid:
    """Edges that are whole multiples of a power of two: there multiplying, rounding up and comparing whole
    numbers is exact, and no value needs comparing with its edge.

    A value x lies in cell `ceil(x * inverse) - lowest`, held to 0 and `cells - 1`; bin i begins at cell
    `starts[i]`.
    """

    inverse: float
    lowest: float
    cells: int
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, edges: Floats) -> "Grid | None":
        """The coarsest grid that has all the edges; None where it would have too many cells.

        >>> Grid.of(np.array([0.5, 1.0, 2.5])).cells, Grid.of(np.array([0.1, 0.2]))
        (6, None)
        """
        if edges.size < 2:
            return None
        span = float(edges[-1]) - float(edges[0])
        step = grid_step(span) / 2  # moving edges up to a grid can make their span longer by a step
        if not TINY <= step <= HUGE or not _multiples(edges, step):
            return None
        while step < span and _multiples(edges, 2 * step):
            step *= 2
        if step > 1 and np.any(edges == 0):  # the smallest numbers times the inverse would become 0
            return None
        cells = edges / step
        starts = np.concatenate(([0], (cells - cells[0]).astype(np.intp) + 1))
        return cls(1 / step, float(cells[0]), int(starts[-1]) + 1, starts)


def _multiples(edges: Floats, step: float) -> bool:
    cells = edges / step
    return bool(np.all(np.abs(cells) < WHOLE) and np.all(cells == np.rint(cells)))
