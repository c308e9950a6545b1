"""Scanning number columns together: moments, extremes, bins and co-moments of one stretch of rows.

The columns of a group lie in one matrix, a block of rows at a time, so that a step for all of them is one
call of numpy. Small calls cost more than their work, and with two threads each waits for the interpreter's
lock that the other has just taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perennial.binning import BLOCK, Bins, Scratch
from perennial.column_profiles import NumberColumn, with_arrays
from perennial.columns import Floats, Kind
from perennial.histogram import Counts
from perennial.moments import NOTHING, around_mean
from perennial.products import BlockProducts, Products

_CELLS = 131_072  # values of a block: its matrices stay in the third level of cache
_LOOKED_AT = 64


class NumberSums:
    """What is counted of one number column."""

    def __init__(self, bins: int) -> None:
        self.counts: Counts = np.zeros(bins, np.int64)
        self.count = self.nulls = self.infinite = self.zeros = 0
        self.low: float | None = None
        self.high: float | None = None
        self.moments = NOTHING

    def add(self, other: NumberSums) -> None:
        """The sums of rows that follow."""
        self.counts += other.counts
        self.count += other.count
        self.nulls += other.nulls
        self.infinite += other.infinite
        self.zeros += other.zeros
        self.moments = self.moments.merge(other.moments)
        if other.low is not None and other.high is not None:
            self.extremes(other.low, other.high)

    def extremes(self, low: float, high: float) -> None:
        """Both are values of the column."""
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)

    def done(self, kind: Kind, edges: Floats) -> NumberColumn:
        """What was counted, as it is stored."""
        column = NumberColumn(
            kind=kind,
            count=self.count,
            nulls=self.nulls,
            infinite=self.infinite,
            zeros=self.zeros,
            low=self.low,
            high=self.high,
            mean=self.moments.mean,
            m2=self.moments.m2,
            m3=self.moments.m3,
            m4=self.moments.m4,
            edges=tuple(edges.tolist()),
            counts=tuple(self.counts.tolist()),
        )
        return with_arrays(column, edge_array=edges, count_array=self.counts)


@dataclass(frozen=True)
class Group:
    """Columns that are scanned together; with `co_moments`, their products too."""

    names: tuple[str, ...]
    bins: Mapping[str, Bins]
    co_moments: bool

    def scan(
        self, columns: Mapping[str, Floats], centres: Floats | None
    ) -> tuple[dict[str, NumberSums], Products | None]:
        """Sums of columns of one length. Co-moments around `centres`, of shape (names,)."""
        rows = [columns[name] for name in self.names]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            stretch = _Stretch(rows, [self.bins[name] for name in self.names], products=self.co_moments)
            for first in range(0, rows[0].size, stretch.width):
                stretch.block(first)
            sums = dict(zip(self.names, stretch.done(), strict=True))
            if not self.co_moments or stretch.products is None or centres is None:
                return sums, None
            return sums, stretch.products.done(self.names).around(centres)


class _Stretch:
    """One stretch while it is scanned. Deviations are from `origins`, values of the columns themselves: whole
    numbers stay whole, and equal ones have none.
    """

    def __init__(self, columns: Sequence[Floats], bins: Sequence[Bins], *, products: bool) -> None:
        self._columns = columns
        self._bins = bins
        k, length = len(columns), columns[0].size
        self.width = max(1, min(length, BLOCK, max(512, _CELLS // k)))
        self.sums = [NumberSums(b.edges.size + 1) for b in bins]
        self._origins = np.array([_typical(column) for column in columns])
        self._deviations, self._squares = np.empty((k, self.width)), np.empty((k, self.width))
        self._flags = np.empty((k, self.width), np.bool_)
        self._powers = np.zeros((4, k))
        self._grid = _GridCells(bins, self.width)
        self._scratch = Scratch()
        self.products = BlockProducts(self._origins) if products else None

    def block(self, first: int) -> None:
        """Rows `first` to `first + width`."""
        blocks = [column[first : first + self.width] for column in self._columns]
        length = blocks[0].size
        deviations = self._deviations[:, :length]
        for values, origin, row in zip(blocks, self._origins, deviations, strict=True):
            np.subtract(values, origin, out=row)
        totals = deviations.sum(axis=1)
        self._zeros(blocks, deviations)
        present, nans = None, np.zeros(len(blocks), np.int64)
        if not np.isfinite(totals).all():
            odd = np.flatnonzero(~np.isfinite(totals))
            present = np.ones(deviations.shape)
            for place in odd.tolist():
                nans[place] = self._odd(place, blocks[place], deviations[place], present[place])
            totals = deviations.sum(axis=1)
        for sums, missing in zip(self.sums, nans.tolist(), strict=True):
            sums.count += length - missing
            sums.nulls += missing
        self._power_sums(totals, deviations, present)
        self._count(blocks, nans)

    def done(self) -> list[NumberSums]:
        """The sums, by column."""
        self._grid.give(self.sums)
        for sums, values in zip(self.sums, self._columns, strict=True):
            finite = values if sums.nulls == sums.infinite == 0 else values[np.isfinite(values)]
            if finite.size:
                sums.extremes(float(finite.min()), float(finite.max()))
        for sums, origin, powers in zip(self.sums, self._origins, self._powers.T, strict=True):
            sums.moments = around_mean(sums.count - sums.infinite, float(origin), *map(float, powers))
        return self.sums

    def _zeros(self, blocks: Sequence[Floats], deviations: Floats) -> None:
        same = np.equal(deviations, -self._origins[:, None], out=self._flags[:, : deviations.shape[1]])
        for place in np.flatnonzero(same.any(axis=1)).tolist():  # rounding may make zeros of small values
            self.sums[place].zeros += blocks[place].size - int(np.count_nonzero(blocks[place]))

    def _odd(self, place: int, values: Floats, deviations: Floats, present: Floats) -> int:
        """A column with values that are not finite: their deviations are set to 0. Returns how many NaN."""
        usable = np.isfinite(values)
        nans = int(np.count_nonzero(np.isnan(values)))
        self.sums[place].infinite += values.size - nans - int(np.count_nonzero(usable))
        np.copyto(deviations, 0.0, where=~usable)
        present[:] = usable
        return nans

    def _power_sums(self, totals: Floats, deviations: Floats, present: Floats | None) -> None:
        squares = np.multiply(deviations, deviations, out=self._squares[:, : deviations.shape[1]])
        self._powers[0] += totals
        self._powers[1] += squares.sum(axis=1)
        self._powers[2] += np.vecdot(squares, deviations)
        self._powers[3] += np.vecdot(squares, squares)
        if self.products is not None:
            self.products.add(deviations, totals, present)

    def _count(self, blocks: Sequence[Floats], nans: Counts) -> None:
        self._grid.add(blocks, nans, self._squares)
        for place, (bins, values) in enumerate(zip(self._bins, blocks, strict=True)):
            if bins.grid is None:
                self.sums[place].counts += bins.count(values, self._scratch, int(nans[place]))


class _GridCells:
    """Counts of the cells of all columns whose edges lie on a grid, in one array."""

    def __init__(self, bins: Sequence[Bins], width: int) -> None:
        self._columns = [(place, b.grid) for place, b in enumerate(bins) if b.grid is not None]
        sizes = np.array([grid.cells for _, grid in self._columns], np.int64)
        ends = np.cumsum(sizes)
        starts = ends - sizes
        lowest = np.array([grid.lowest for _, grid in self._columns])
        self._shift = (lowest - starts)[:, None]
        self._starts = starts
        self._first, self._last = starts[:, None].astype(float), (ends - 1)[:, None].astype(float)
        self._cells = np.empty((len(self._columns), width), np.int32)
        self._counts = np.zeros(int(sizes.sum()), np.int64)

    def add(self, blocks: Sequence[Floats], nans: Counts, scratch: Floats) -> None:
        """Count one block."""
        if not self._columns:
            return
        length = blocks[0].size
        scaled = scratch[: len(self._columns), :length]
        for row, (place, grid) in zip(scaled, self._columns, strict=True):
            np.multiply(blocks[place], grid.inverse, out=row)
        np.ceil(scaled, out=scaled)
        np.subtract(scaled, self._shift, out=scaled)
        np.clip(scaled, self._first, self._last, out=scaled)
        for row, (place, _) in enumerate(self._columns):
            if nans[place]:
                np.copyto(scaled[row], self._first[row], where=np.isnan(scaled[row]))
                self._counts[self._starts[row]] -= nans[place]
        cells = self._cells[:, :length]
        np.copyto(cells, scaled, casting="unsafe")
        self._counts += np.bincount(cells.ravel(), minlength=self._counts.size)

    def give(self, sums: Sequence[NumberSums]) -> None:
        """To each column the counts of its bins."""
        for start, (place, grid) in zip(self._starts.tolist(), self._columns, strict=True):
            sums[place].counts += np.add.reduceat(self._counts[start : start + grid.cells], grid.starts)


def _typical(values: Floats) -> float:
    """A median of the first finite values; 0 where there are none."""
    finite = values[:_LOOKED_AT][np.isfinite(values[:_LOOKED_AT])]
    if not finite.size:
        finite = values[np.isfinite(values)][:_LOOKED_AT]
    return float(np.sort(finite)[finite.size // 2]) if finite.size else 0.0
