"""From rows to profiles: one pass over a table or over a stream of its parts, on all cores.

A table is cut into stretches of rows of a fixed length; each is scanned block by block, all number columns
together, and the stretches are added up in their order. What comes out does not depend on the number of
cores. Scratch memory is a few megabytes, whatever the table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from perennial.binning import BLOCK, Bins, Scratch
from perennial.column_profiles import ColumnProfile, NumberColumn, with_arrays
from perennial.columns import Floats, Kind, as_numbers, part_of, text_lengths
from perennial.errors import ProfileMismatch
from perennial.histogram import Counts, equi_depth_edges
from perennial.level_counts import LevelCounts, TextCounts, levels_of
from perennial.moments import NOTHING, Moments, bounded
from perennial.products import MAX_COLUMNS, BlockProducts, Products

STRETCH = 16 * BLOCK
_WORTH_THREADS = 200_000  # values in a table; below this, starting threads costs more than they save

Binning = Mapping[str, Floats | tuple[str, ...]]


@dataclass(frozen=True)
class Plan:
    """What to count: kinds and bins (edges, or levels) by column; names and centres of the co-moments."""

    kinds: Mapping[str, Kind]
    bins: Binning
    names: tuple[str, ...]
    centres: Floats | None

    @property
    def numbers(self) -> list[str]:
        """Columns that are counted into edges."""
        return [name for name, kind in self.kinds.items() if kind not in {"category", "boolean"}]


def own_bins(columns: Mapping[str, Any], kinds: Mapping[str, Kind]) -> dict[str, Floats | tuple[str, ...]]:
    """Bins of a table that is its own reference."""

    def bins(name: str) -> Floats | tuple[str, ...]:
        kind = kinds[name]
        if kind in {"category", "boolean"}:
            return levels_of(columns[name])
        return equi_depth_edges(_numbers(name, kind, columns[name]))

    cells = sum(len(columns[name]) for name in kinds)
    return dict(zip(kinds, _on_all_cores([partial(bins, name) for name in kinds], cells), strict=True))


def co_moment_names(kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """The number columns whose products are kept: the first 64."""
    return tuple(name for name, kind in kinds.items() if kind == "number")[:MAX_COLUMNS]


class Scan:
    """Adds up the parts of a table. `add` in the order of the rows, `columns` and `products` at the end."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._bins = {name: Bins(np.asarray(plan.bins[name], np.float64)) for name in plan.numbers}
        self._sums = {name: _NumberSums(self._bins[name].edges.size + 1) for name in plan.numbers}
        self._texts = {name: TextCounts() for name, kind in plan.kinds.items() if kind == "text"}
        self._levels = {
            name: LevelCounts(kind, plan.bins[name])
            for name, kind in plan.kinds.items()
            if kind in {"category", "boolean"}
        }
        self._centres = plan.centres
        self._products: Products | None = None
        self.rows = 0

    def add(self, columns: Mapping[str, Any]) -> None:
        """Rows that follow, as columns of one length by name; those that are not planned are left alone."""
        rows = len(next(iter(columns.values()))) if columns else 0
        self.rows += rows
        counting: list[Callable[[], Any]] = [
            *(partial(counts.add, columns[name]) for name, counts in self._levels.items()),
            *(partial(counts.add, columns[name]) for name, counts in self._texts.items()),
        ]
        if self._centres is None and self._plan.names and rows:
            self._centres = self._first_centres(columns)
        stretches: list[Callable[[], Any]] = [
            partial(self._stretch, columns, start, min(rows, start + STRETCH))
            for start in range(0, rows, STRETCH)
        ]
        done = _on_all_cores(counting + stretches, rows * len(self._plan.kinds))
        for sums, products in done[len(counting) :]:
            for name, found in sums.items():
                self._sums[name].add(found)
            if products is not None:
                self._products = products if self._products is None else self._products.merge(products)

    def columns(self) -> dict[str, ColumnProfile]:
        """The column profiles, in the order of the plan."""
        return {
            name: self._levels[name].done() if name in self._levels else self._number(name, kind)
            for name, kind in self._plan.kinds.items()
        }

    def products(self) -> Products | None:
        """Co-moments around the centres planned, else around the columns' own means."""
        names = self._plan.names
        if not names:
            return None
        if self._plan.centres is not None:
            return self._products or Products.nothing(names, self._plan.centres)
        means = np.array([self._sums[name].moments.mean for name in names])
        return self._products.around(means) if self._products else Products.nothing(names, means)

    def _number(self, name: str, kind: Kind) -> NumberColumn:
        column = self._sums[name].done(kind, self._bins[name].edges)
        return self._texts[name].complete(column) if name in self._texts else column

    def _first_centres(self, columns: Mapping[str, Any]) -> Floats:
        """Near enough to the means to lose no digits; `products` moves the sums to the means themselves."""
        first = [_numbers(name, "number", part_of(columns[name], 0, BLOCK)) for name in self._plan.names]
        finite = [values[np.isfinite(values)] for values in first]
        with np.errstate(over="ignore"):
            return np.array([bounded(values.mean()) if values.size else 0.0 for values in finite])

    def _stretch(
        self, columns: Mapping[str, Any], start: int, stop: int
    ) -> tuple[dict[str, _NumberSums], Products | None]:
        """Scan rows `start` to `stop` of all number columns."""
        values = {
            name: _numbers(name, self._plan.kinds[name], part_of(columns[name], start, stop))
            for name in self._plan.numbers
        }
        sums = {name: _NumberSums(self._bins[name].edges.size + 1) for name in values}
        scratch = Scratch()
        places = {name: place for place, name in enumerate(self._plan.names)}
        width = min(BLOCK, stop - start)
        deviations = np.empty((max(1, len(places)), width))
        spare = np.empty(width)
        products = BlockProducts(self._centres) if self._centres is not None and places else None
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, stop - start, BLOCK):
                length = min(BLOCK, stop - start - first)
                present: dict[int, Floats] = {}
                for name, column in values.items():
                    block = column[first : first + length]
                    place = places.get(name)
                    row = spare[:length] if place is None else deviations[place, :length]
                    mask = sums[name].scan(block, row, self._bins[name], scratch)
                    if mask is not None and place is not None:
                        present[place] = mask
                if products is not None:
                    means = np.array([sums[name].last_mean for name in places])
                    products.add(deviations[:, :length], means, _presence(present, len(places), length))
        return sums, products.done(self._plan.names) if products is not None else None


class _NumberSums:
    """What is counted of one number column."""

    def __init__(self, bins: int) -> None:
        self.counts: Counts = np.zeros(bins, np.int64)
        self.count = self.nulls = self.infinite = self.zeros = 0
        self.low: float | None = None
        self.high: float | None = None
        self.moments = NOTHING
        self.last_mean = 0.0

    def scan(self, values: Floats, deviations: Floats, bins: Bins, scratch: Scratch) -> Floats | None:
        """Count one block. Leaves each value's deviation from the block's mean in `deviations`, 0 where it is
        not finite, and returns where it is (1.0), or None where it is everywhere.
        """
        total = float(values.sum())
        mask: Floats | None = None
        finite = values
        nulls = 0
        if not np.isfinite(total):
            usable = np.isfinite(values)
            nulls = int(np.isnan(values).sum())
            finite = values[usable]
            self.infinite += values.size - nulls - finite.size
            mask = usable.astype(np.float64)
            total = float(finite.sum())
        self.nulls += nulls
        self.count += values.size - nulls
        self.zeros += values.size - int(np.count_nonzero(values))
        self.counts += bins.count(values, scratch, nulls)
        self.last_mean = mean = bounded(total / finite.size) if finite.size else 0.0
        np.subtract(values, mean, out=deviations)
        if mask is not None:
            np.copyto(deviations, 0.0, where=mask == 0.0)
        if finite.size:
            self._extremes(float(finite.min()), float(finite.max()))
            square = np.multiply(deviations, deviations, out=scratch.floats[: values.size])
            m2, m3, m4 = square.sum(), np.dot(square, deviations), np.dot(square, square)
            block = Moments(int(finite.size), mean, bounded(m2), bounded(m3), bounded(m4))
            self.moments = self.moments.merge(block)
        return mask

    def _extremes(self, low: float, high: float) -> None:
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)

    def add(self, other: _NumberSums) -> None:
        """The sums of rows that follow."""
        self.counts += other.counts
        self.count += other.count
        self.nulls += other.nulls
        self.infinite += other.infinite
        self.zeros += other.zeros
        self.moments = self.moments.merge(other.moments)
        if other.low is not None and other.high is not None:
            self._extremes(other.low, other.high)

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


def _presence(present: dict[int, Floats], columns: int, length: int) -> Floats | None:
    if not present:
        return None
    masks = np.ones((columns, length))
    for place, mask in present.items():
        masks[place] = mask
    return masks


def _numbers(name: str, kind: Kind, values: Any) -> Floats:
    try:
        numbers = text_lengths(values) if kind == "text" else as_numbers(values)
    except ProfileMismatch as error:
        raise ProfileMismatch(f"column {name!r}: {error}") from error
    return np.ascontiguousarray(numbers)


def _on_all_cores(tasks: Iterable[Callable[[], Any]], cells: int) -> list[Any]:
    """Results in order. numpy and pyarrow let go of the interpreter's lock while they count."""
    tasks = list(tasks)
    cores = os.process_cpu_count() or 1
    if cells < _WORTH_THREADS or cores == 1 or len(tasks) < 2:
        return [task() for task in tasks]
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(lambda task: task(), tasks))
