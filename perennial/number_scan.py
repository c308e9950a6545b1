"""Scanning number columns together: moments, extremes, bins and co-moments of one stretch of rows.

A block of rows of some columns lies in one matrix, so that a step for all of them is one call of numpy. Small
calls cost more than their work, and with two threads each waits for the interpreter's lock that the other has
just taken. Every step is a pass over the block, a quarter of a nanosecond a value: there are few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from perennial.binning import BLOCK, Bins, Grid, Scratch
from perennial.column_profiles import NumberColumn, with_arrays
from perennial.columns import Floats, Kind
from perennial.histogram import Counts
from perennial.moments import NOTHING, around_mean
from perennial.products import BlockProducts, Products, dots

_ABREAST = 16  # columns in a matrix, which is two megabytes then: the few there are stay in a cache
_LOOKED_AT = 64
_CASTS = 2.0**30  # cells so far away can be told as whole numbers of 32 bits
_LARGEST = float(np.finfo(float).max)

Mask = NDArray[np.bool_]


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


class Group:
    """Columns that are scanned together; with `co_moments`, their products too."""

    def __init__(self, names: Sequence[str], bins: Mapping[str, Bins], *, co_moments: bool) -> None:
        on_grid = np.array([bins[name].grid is not None for name in names])
        self._order = np.argsort(~on_grid, kind="stable")
        self.names = tuple(names)
        self._ordered = [names[place] for place in self._order]
        self._co_moments = co_moments
        self._abreast: list[tuple[slice, list[Bins], _Cells]] = []
        for first in range(0, len(names), _ABREAST):
            part = slice(first, min(len(names), first + _ABREAST))
            of = [bins[name] for name in self._ordered[part]]
            self._abreast.append((part, of, _Cells([one.grid for one in of if one.grid is not None])))
        self._spare: list[Memory] = []  # of stretches that are done: new memory is slow

    def scan(
        self, columns: Mapping[str, Floats], centres: Floats | None
    ) -> tuple[dict[str, NumberSums], Products | None]:
        """Sums of columns of one length. Co-moments around `centres`, of shape (names,)."""
        given = [columns[name] for name in self._ordered]
        memory = self._spare.pop() if self._spare else Memory(len(given), min(BLOCK, given[0].size))
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            stretch = _Stretch(given, self._abreast, memory, co_moments=self._co_moments)
            sums = dict(zip(self._ordered, stretch.scan(), strict=True))
            self._spare.append(memory)
            if stretch.products is None or centres is None:
                return sums, None
            return sums, stretch.products.done(self.names, self._order).around(centres)


class Memory:
    """Room for a block of so many columns and rows; smaller ones lie at its beginning, without gaps."""

    def __init__(self, columns: int, rows: int) -> None:
        self.rows = max(1, rows)
        abreast = min(columns, _ABREAST) * self.rows
        self.values = np.empty(abreast)
        self.flags = np.empty(abreast, np.bool_)
        self.cells, self.places = np.empty(abreast, np.int32), np.empty(abreast, np.intp)
        self.deviations = np.empty((2 * columns + 1) * self.rows)  # and see BlockProducts
        self.bins = Scratch()


class _Stretch:
    """One stretch of rows. Deviations are from `origins`, values of the columns themselves: whole numbers
    stay whole, and equal ones have none.
    """

    def __init__(
        self,
        columns: Sequence[Floats],
        abreast: Sequence[tuple[slice, Sequence[Bins], _Cells]],
        memory: Memory,
        *,
        co_moments: bool,
    ) -> None:
        self._memory, self._length = memory, columns[0].size
        self._origins = _typical(columns)
        self._powers = np.zeros((4, len(columns)))
        self._parts = [part for part, _, _ in abreast]
        self._abreast = [_Abreast(columns[part], bins, cells, memory) for part, bins, cells in abreast]
        self.products = BlockProducts(self._origins) if co_moments else None

    def scan(self) -> list[NumberSums]:
        """The sums of all rows, by column."""
        for first in range(0, self._length, self._memory.rows):
            self._block(first, min(self._length, first + self._memory.rows))
        sums = [found for columns in self._abreast for found in columns.done(self._length)]
        for found, origin, powers in zip(sums, self._origins, self._powers.T, strict=True):
            found.moments = around_mean(found.count - found.infinite, float(origin), *map(float, powers))
        return sums

    def _block(self, first: int, stop: int) -> None:
        k, length = self._origins.size, stop - first
        table = self._memory.deviations[: (2 * k + 1) * length].reshape(2 * k + 1, length)
        unusable: dict[int, Mask] = {}
        for part, columns in zip(self._parts, self._abreast, strict=True):
            deviations = table[part]
            found = columns.block(first, stop, self._origins[part], deviations)
            unusable |= {part.start + row: where for row, where in found.items()}
            squares = self._memory.values[: deviations.size].reshape(deviations.shape)  # these are counted
            np.multiply(deviations, deviations, out=squares)
            self._powers[2, part] += dots(squares, deviations)
            self._powers[3, part] += dots(squares, squares)
        if self.products is not None:
            totals, squared = self.products.add(table, unusable)
        else:
            totals, squared = table[:k].sum(axis=1), dots(table[:k], table[:k])
        self._powers[0] += totals
        self._powers[1] += squared


class _Abreast:
    """Columns that lie in one matrix, a row of it each; those whose edges lie on a grid come first."""

    def __init__(
        self, columns: Sequence[Floats], bins: Sequence[Bins], cells: _Cells, memory: Memory
    ) -> None:
        self._columns, self._bins, self._memory = columns, bins, memory
        self._sums = [NumberSums(b.edges.size + 1) for b in bins]
        self._low, self._high = np.full(len(bins), np.inf), np.full(len(bins), -np.inf)
        self._grid, self._on_grid = _CellCounts(cells), cells.rows
        self._least, self._most = np.full(len(bins), -_LARGEST), np.full(len(bins), _LARGEST)
        self._least[: cells.rows], self._most[: cells.rows] = cells.reach

    def block(self, first: int, stop: int, origins: Floats, deviations: Floats) -> dict[int, Mask]:
        """Count rows `first` to `stop` and write their `deviations`, 0 where a value is not finite; where
        that is, by row of the matrix.
        """
        blocks = [column[first:stop] for column in self._columns]
        values = self._memory.values[: deviations.size].reshape(deviations.shape)
        np.concatenate(blocks, out=values.reshape(-1))
        np.subtract(values, origins[:, None], out=deviations)
        zero = np.equal(values, 0.0, out=self._memory.flags[: values.size].reshape(values.shape))
        if zero.any():
            for sums, where in zip(self._sums, zero, strict=True):
                sums.zeros += int(np.count_nonzero(where))
        low, high = values.min(axis=1), values.max(axis=1)
        near = (low >= self._least) & (high <= self._most)
        unusable: dict[int, Mask] = {}
        if not near.all():
            for row in np.flatnonzero(~near).tolist():
                nans = 0
                if not isfinite(low[row]) or not isfinite(high[row]):
                    unusable[row] = ~np.isfinite(blocks[row])
                    nans = self._odd(row, blocks[row], unusable[row], deviations[row])
                    low[row], high[row] = _extremes(blocks[row], ~unusable[row])
                self._grid.hold(row, values[row], nans)
        np.minimum(self._low, low, out=self._low)
        np.maximum(self._high, high, out=self._high)
        for row in range(self._on_grid, len(blocks)):
            missing = int(np.count_nonzero(np.isnan(blocks[row]))) if row in unusable else 0
            self._sums[row].counts += self._bins[row].count(blocks[row], self._memory.bins, missing)
        self._grid.add(values[: self._on_grid], self._memory)
        return unusable

    def done(self, rows: int) -> list[NumberSums]:
        """The sums of so many rows, by column, but for the moments."""
        self._grid.give(self._sums)
        for sums, low, high in zip(self._sums, self._low.tolist(), self._high.tolist(), strict=True):
            sums.count = rows - sums.nulls
            if low <= high:
                sums.extremes(low, high)
        return self._sums

    def _odd(self, row: int, values: Floats, unusable: Mask, deviations: Floats) -> int:
        """Count what is not finite, and set its deviations to 0. Returns how many NaN."""
        np.copyto(deviations, 0.0, where=unusable)
        nans = int(np.count_nonzero(np.isnan(values)))
        self._sums[row].nulls += nans
        self._sums[row].infinite += int(np.count_nonzero(unusable)) - nans
        return nans


class _Cells:
    """Where the cells of columns whose edges lie on a grid stand in one array.

    `reach`: the least and the largest values that have cells before these are held to the first and the last,
    each of shape (rows,).
    """

    def __init__(self, grids: Sequence[Grid]) -> None:
        self.rows = len(grids)
        sizes = np.array([grid.cells for grid in grids], np.int64)
        self.size = int(sizes.sum())
        self.starts = np.cumsum(sizes) - sizes
        inverse, lowest = (
            np.array([getattr(grid, name) for grid in grids]) for name in ("inverse", "lowest")
        )
        base = np.where(np.abs(lowest) < _CASTS / 2, 0.0, lowest)  # to subtract whole numbers is quicker
        self.reach = (base - _CASTS) / inverse, (base + _CASTS) / inverse
        self.inverse, self.base = inverse[:, None], base[:, None] if base.any() else None
        self.first = (lowest - base)[:, None].astype(np.int32)
        self.last = self.first + (sizes - 1)[:, None].astype(np.int32)
        self.shift = self.starts[:, None].astype(np.int32) - self.first
        self.held = np.stack([lowest, lowest + sizes - 1], axis=1) / self.inverse
        self.bins = [grid.starts.size for grid in grids]
        bounds = [start + grid.starts for start, grid in zip(self.starts, grids, strict=True)]
        self.ends = np.append(np.concatenate([*bounds, np.empty(0, np.intp)])[1:], self.size) - 1


class _CellCounts:
    """Counts of such cells."""

    def __init__(self, cells: _Cells) -> None:
        self._cells = cells
        self._counts = np.zeros(cells.size, np.int64)

    def hold(self, row: int, values: Floats, nans: int) -> None:
        """Move values that are out of reach into it; NaN, of which there are so many, count nowhere."""
        if row < self._cells.rows:
            np.fmax(values, self._cells.held[row, 0], out=values)
            np.fmin(values, self._cells.held[row, 1], out=values)
            self._counts[self._cells.starts[row]] -= nans

    def add(self, values: Floats, memory: Memory) -> None:
        """Count one block, of shape (rows, any), all within reach. It is overwritten."""
        of = self._cells
        if not of.rows:
            return
        scaled = np.multiply(values, of.inverse, out=values)
        np.ceil(scaled, out=scaled)
        if of.base is not None:
            np.subtract(scaled, of.base, out=scaled)
        cells = memory.cells[: scaled.size].reshape(scaled.shape)
        np.copyto(cells, scaled, casting="unsafe")
        np.clip(cells, of.first, of.last, out=cells)
        np.add(cells, of.shift, out=cells)
        places = memory.places[: scaled.size]  # bincount would widen them in new memory, holding the lock
        np.copyto(places, cells.reshape(-1))
        self._counts += np.bincount(places, minlength=self._counts.size)

    def give(self, sums: Sequence[NumberSums]) -> None:
        """To each column the counts of its bins."""
        of = self._cells
        if not of.rows:
            return
        counts = np.diff(np.cumsum(self._counts)[of.ends], prepend=0)  # reduceat takes as long as a block
        stops = np.cumsum(of.bins).tolist()
        for found, bins, stop in zip(sums, of.bins, stops, strict=False):
            found.counts += counts[stop - bins : stop]


def _extremes(values: Floats, usable: Mask) -> tuple[float, float]:
    """Infinity and its negative where none is usable."""
    low = np.min(values, initial=np.inf, where=usable)
    high = np.max(values, initial=-np.inf, where=usable)
    return float(low), float(high)


def _typical(columns: Sequence[Floats]) -> Floats:
    """Of each column a median of its first finite values, of shape (columns,); 0 where there are none."""
    first = np.stack([values[:_LOOKED_AT] for values in columns])
    first.sort(axis=1)
    typical = first[:, first.shape[1] // 2].copy()
    finite = np.isfinite(first[:, [0, -1]]).all(axis=1)
    for place in np.flatnonzero(~finite).tolist():
        typical[place] = _finite_median(columns[place])
    return typical


def _finite_median(values: Floats) -> float:
    finite = values[:_LOOKED_AT][np.isfinite(values[:_LOOKED_AT])]
    if not finite.size:
        finite = values[np.isfinite(values)][:_LOOKED_AT]
    return float(np.sort(finite)[finite.size // 2]) if finite.size else 0.0
