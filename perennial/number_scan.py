"""Scanning number columns together: moments, extremes, bins and co-moments of one stretch of rows.

A block of rows of some columns lies in one matrix, so that a step for all of them is one call of numpy. Small
calls cost more than their work, and with two threads each waits for the interpreter's lock that the other has
just taken. Every step is a pass over the block, a quarter of a nanosecond a value: there are few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from perennial.binning import BLOCK, Bins, Grid, Scratch, aligned
from perennial.column_profiles import NumberColumn, with_arrays
from perennial.columns import Floats, Kind
from perennial.histogram import Counts
from perennial.moments import NOTHING, around_mean
from perennial.products import BlockProducts, Products, dots

_ABREAST = 16  # columns in a matrix
# Values in a matrix: few enough for most of what is made of them to stay in a cache of two megabytes, and so
# many that threads which scan at the same time seldom wait for the interpreter's lock: every wait is a nap,
# and waking up takes long.
_VALUES = 163_840
_STEP = 1024  # rows, see `gram`
_LOOKED_AT = 64
# Added to a smaller whole number, this leaves it in the last bits: converting would take three times as long.
_TO_WHOLE = 1.5 * 2.0**52
_BITS = np.float64(_TO_WHOLE).view(np.int64)
_EXACT = 2.0**50  # a sum with it is
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
        try:
            memory = self._spare.pop()
        except IndexError:  # others have taken all that there was
            memory = Memory(len(given), given[0].size)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            stretch = _Stretch(given, self._abreast, memory, co_moments=self._co_moments)
            sums = dict(zip(self._ordered, stretch.scan(), strict=True))
            self._spare.append(memory)
            if stretch.products is None or centres is None:
                return sums, None
            return sums, stretch.products.done(self.names, self._order).around(centres)


class Memory:
    """Room for a block of so many columns, and of rows as many as are good, `most` of them; smaller ones lie
    at its beginning, without gaps.
    """

    def __init__(self, columns: int, most: int) -> None:
        abreast = min(columns, _ABREAST)
        self.rows = max(1, min(most, BLOCK, _VALUES // abreast // _STEP * _STEP))
        self.table = aligned((2 * columns + 1) * self.rows, np.float64)  # see BlockProducts
        values = abreast * self.rows
        self.scaled = aligned(values, np.float64)
        self.flags = aligned(values, np.bool_)
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
        self._abreast = [
            _Abreast(columns[part], self._origins[part], bins, cells, memory) for part, bins, cells in abreast
        ]
        self._parts = [part for part, _, _ in abreast]
        self._low_powers: list[tuple[Floats, Floats]] = []
        self.products = BlockProducts(self._origins) if co_moments else None

    def scan(self) -> list[NumberSums]:
        """The sums of all rows, by column."""
        for first in range(0, self._length, self._memory.rows):
            self._block(first, min(self._length, first + self._memory.rows))
        sums = [found for columns in self._abreast for found in columns.done(self._length)]
        high_powers = np.concatenate([columns.powers() for columns in self._abreast], axis=1)
        powers = np.concatenate([np.sum(self._low_powers, axis=0), high_powers])
        for found, origin, of in zip(sums, self._origins.tolist(), powers.T.tolist(), strict=True):
            found.moments = around_mean(found.count - found.infinite, origin, *of)
        return sums

    def _block(self, first: int, stop: int) -> None:
        k, length = self._origins.size, stop - first
        table = self._memory.table[: (2 * k + 1) * length].reshape(2 * k + 1, length)
        unusable: dict[int, Mask] = {}
        for part, columns in zip(self._parts, self._abreast, strict=True):
            found = columns.block(first, stop, table[part])
            unusable |= {part.start + row: where for row, where in found.items()}
        if self.products is not None:
            self._low_powers.append(self.products.add(table, unusable))
        else:
            self._low_powers.append((table[:k].sum(axis=1), dots(table[:k], table[:k])))


class _Abreast:
    """Columns that lie in one matrix, a row of it each; those whose edges lie on a grid come first."""

    def __init__(
        self, columns: Sequence[Floats], origins: Floats, bins: Sequence[Bins], cells: _Cells, memory: Memory
    ) -> None:
        self._columns, self._bins, self._memory = columns, bins, memory
        self._origins = origins[:, np.newaxis]
        self._sums = [NumberSums(b.edges.size + 1) for b in bins]
        self._lows: list[Floats] = []
        self._highs: list[Floats] = []
        self._powers: list[tuple[Floats, Floats]] = []
        self._grid, self._on_grid = _CellCounts(cells), cells.rows
        self._least, self._most = np.full(len(bins), -_LARGEST), np.full(len(bins), _LARGEST)
        self._least[: cells.rows], self._most[: cells.rows] = cells.reach

    def block(self, first: int, stop: int, table: Floats) -> dict[int, Mask]:
        """Count rows `first` to `stop` and leave in `table`, of shape (columns, rows), their deviations from
        the origins, 0 where a value is not finite; returns where that is, by row of the table.
        """
        blocks = [column[first:stop] for column in self._columns]
        np.concatenate(blocks, out=table.reshape(-1))
        zero = np.equal(table, 0.0, out=self._memory.flags[: table.size].reshape(table.shape))
        if zero.any():
            for sums, where in zip(self._sums, zero, strict=True):
                sums.zeros += int(np.count_nonzero(where))
        low, high = np.minimum.reduce(table, axis=1), np.maximum.reduce(table, axis=1)
        near = (low >= self._least) & (high <= self._most)
        unusable: dict[int, Mask] = {}
        beyond: dict[int, int] = {}
        if not near.all():
            beyond = dict.fromkeys(np.flatnonzero(~near).tolist(), 0)
            odd = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
            if odd.size:
                some = table[odd]
                unusable = dict(zip(odd.tolist(), ~np.isfinite(some), strict=True))
                beyond |= self._odd(some, unusable)
                low[odd], high[odd] = _extremes(some)
        self._lows.append(low)
        self._highs.append(high)
        for row in range(self._on_grid, len(blocks)):
            missing = beyond.get(row, 0)
            self._sums[row].counts += self._bins[row].count(blocks[row], self._memory.bins, missing)
        self._grid.add(table[: self._on_grid], beyond, self._memory)
        np.subtract(table, self._origins, out=table)
        for row, where in unusable.items():
            np.copyto(table[row], 0.0, where=where)
        squares = np.multiply(table, table, out=self._memory.scaled[: table.size].reshape(table.shape))
        self._powers.append((dots(squares, table), dots(squares, squares)))
        return unusable

    def powers(self) -> Floats:
        """Sums of the third and fourth powers of the deviations, of shape (2, columns)."""
        return np.asarray(np.sum(self._powers, axis=0))

    def done(self, rows: int) -> list[NumberSums]:
        """The sums of so many rows, by column, but for the moments."""
        self._grid.give(self._sums)
        low, high = np.min(self._lows, axis=0).tolist(), np.max(self._highs, axis=0).tolist()
        for sums, least, most in zip(self._sums, low, high, strict=True):
            sums.count = rows - sums.nulls
            if least <= most:
                sums.extremes(least, most)
        return self._sums

    def _odd(self, some: Floats, unusable: Mapping[int, Mask]) -> dict[int, int]:
        """Count what is not finite in rows of the table, and write NaN there. Returns how many were NaN."""
        found: dict[int, int] = {}
        for (row, where), values in zip(unusable.items(), some, strict=True):
            nans = int(np.count_nonzero(np.isnan(values)))
            infinite = int(np.count_nonzero(where)) - nans
            self._sums[row].nulls += nans
            self._sums[row].infinite += infinite
            if infinite:
                np.copyto(values, np.nan, where=where)
            found[row] = nans
        return found


class _Cells:
    """Where the cells of columns whose edges lie on a grid stand in one array, a column's after another's.
    Beside those that tell bins apart there are some, so that few values need to be held to the last.

    `reach`: the least and the largest values that have cells, each of shape (rows,). `held`: the numbers of
    the first and the last cell that tell bins apart, of shape (rows, 2).
    """

    def __init__(self, grids: Sequence[Grid]) -> None:
        self.rows = len(grids)
        cells = np.array([grid.cells for grid in grids], np.int64)
        beside = cells * 3 // 8  # of normal values, one in 300,000 lies beyond
        self.size = int((cells + 2 * beside).sum())
        self.lowest_at = np.cumsum(cells + 2 * beside) - cells - beside
        inverse, lowest = (
            np.array([getattr(grid, name) for grid in grids]) for name in ("inverse", "lowest")
        )
        highest = lowest + (cells - 1)
        self.reach = (lowest - beside) / inverse, (highest + beside) / inverse
        self.held = np.stack([lowest, highest], axis=1)
        self.inverse = inverse[:, None]
        far = np.abs(lowest) > _EXACT
        self.lowest = np.where(far, lowest, 0.0)[:, None] if far.any() else None
        self.to_whole = (_TO_WHOLE + (self.lowest_at - np.where(far, 0.0, lowest)))[:, None]
        self.bins = [grid.starts.size for grid in grids]
        bounds = [at + grid.starts[1:] for at, grid in zip(self.lowest_at, grids, strict=True)]
        last = np.split(np.cumsum(cells + 2 * beside), max(1, self.rows))  # one each
        self.ends = np.concatenate([np.empty(0, np.int64), *chain(*zip(bounds, last, strict=False))]) - 1


class _CellCounts:
    """Counts of such cells."""

    def __init__(self, cells: _Cells) -> None:
        self._cells = cells
        self._counts = np.zeros(cells.size, np.int64)

    def add(self, values: Floats, beyond: Mapping[int, int], memory: Memory) -> None:
        """Count one block, of shape (rows, any). `beyond`: rows of it in which some are out of reach, and how
        many of these are NaN, which count nowhere.
        """
        of = self._cells
        if not of.rows:
            return
        scaled = np.multiply(values, of.inverse, out=memory.scaled[: values.size].reshape(values.shape))
        np.ceil(scaled, out=scaled)
        for row, nans in beyond.items():
            if row < of.rows:
                np.fmax(scaled[row], of.held[row, 0], out=scaled[row])
                np.fmin(scaled[row], of.held[row, 1], out=scaled[row])
                self._counts[of.lowest_at[row]] -= nans
        if of.lowest is not None:
            np.subtract(scaled, of.lowest, out=scaled)
        np.add(scaled, of.to_whole, out=scaled)
        places = scaled.reshape(-1).view(np.int64)
        np.subtract(places, _BITS, out=places)
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


def _extremes(some: Floats) -> tuple[Floats, Floats]:
    """Of each row, but for NaN; infinity and its negative where there is nothing else."""
    low, high = np.fmin.reduce(some, axis=1), np.fmax.reduce(some, axis=1)
    return np.where(np.isnan(low), np.inf, low), np.where(np.isnan(high), -np.inf, high)


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
