"""From rows to profiles: one pass over a table or over a stream of its parts, on all cores.

A table is cut into stretches of rows of a fixed length, a stream into its parts; each is scanned block by
block, all number columns together, and they are added up in their order. What comes out does not depend on
the number of cores. Scratch memory is a few megabytes, whatever the table.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial.binning import BLOCK, Bins
from perennial.column_profiles import ColumnProfile, NumberColumn
from perennial.columns import Floats, Kind, as_numbers, part_of, taken, text_lengths, unwrapped
from perennial.errors import ProfileMismatch
from perennial.histogram import equi_depth_edges
from perennial.level_counts import LevelCounts, TextCounts
from perennial.moments import bounded
from perennial.number_scan import Group, NumberSums
from perennial.products import MAX_COLUMNS, Products

STRETCH = 65_536
SAMPLED = 65_536
_TOGETHER = 12
_WORTH_THREADS = 200_000  # values in a table; below this, starting threads costs more than they save


@dataclass(frozen=True)
class Plan:
    """What to count: kinds by column; edges of number columns; levels of the others, where they are not to be
    their own; names and centres of the co-moments.
    """

    kinds: Mapping[str, Kind]
    edges: Mapping[str, Floats]
    levels: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...]
    centres: Floats | None

    @property
    def numbers(self) -> list[str]:
        """Columns that are counted into edges."""
        return [name for name, kind in self.kinds.items() if kind not in {"category", "boolean"}]


def own_edges(columns: Mapping[str, Any], kinds: Mapping[str, Kind]) -> dict[str, Floats]:
    """Edges of a table's number columns that is its own reference: of a sample of the rows, drawn evenly,
    where there are more than 65,536.
    """
    rows = len(next(iter(columns.values()))) if columns else 0
    names = [name for name, kind in kinds.items() if kind not in {"category", "boolean"}]
    places: NDArray[np.int64] | None = None
    if rows > SAMPLED:
        within = np.random.default_rng(0).random(SAMPLED)
        places = ((np.arange(SAMPLED) + within) * rows / SAMPLED).astype(np.int64).clip(0, rows - 1)

    def edges(name: str) -> Floats:
        values = columns[name] if places is None else taken(columns[name], places)
        return equi_depth_edges(_numbers(name, kinds[name], values))

    tasks = [partial(edges, name) for name in names]
    return dict(zip(names, _on_all_cores(tasks, min(rows, SAMPLED) * len(names)), strict=True))


def co_moment_names(kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """The number columns whose products are kept: the first 64."""
    return tuple(name for name, kind in kinds.items() if kind == "number")[:MAX_COLUMNS]


Scanned = tuple[dict[str, NumberSums], Products | None]


@dataclass
class Part:
    """Rows of a table on their way through a Scan, and what was found in them."""

    rows: int
    columns: Mapping[str, Any]
    found: Sequence[Scanned | None] | None = None


class Scan:
    """Adds up the parts of a table. `add` in the order of the rows, `columns` and `products` at the end.

    Where several threads add parts, `begin` and `count` take them in their order, one at a time each, then
    `finish` as they come. `scan` is for who wants to know of a part's numbers before.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._coming: deque[Part] = deque()
        self._bins = {name: Bins(np.asarray(plan.edges[name], np.float64)) for name in plan.numbers}
        self._groups = _groups(plan, self._bins)
        self._sums = {name: NumberSums(self._bins[name].edges.size + 1) for name in plan.numbers}
        self._texts = {name: TextCounts() for name, kind in plan.kinds.items() if kind == "text"}
        self._levels = {
            name: LevelCounts(kind, plan.levels.get(name))
            for name, kind in plan.kinds.items()
            if kind in {"category", "boolean"}
        }
        self._centres = plan.centres
        self._products: Products | None = None
        self.rows = 0

    def add(self, columns: Mapping[str, Any]) -> None:
        """Rows that follow, as columns of one length by name; those that are not planned are left alone."""
        part = self.begin(columns)
        tasks = self._counting(part) + self._scans(part.columns, part.rows, STRETCH)
        part.found = _on_all_cores(tasks, part.rows * len(self._plan.kinds))

    def begin(self, columns: Mapping[str, Any], found: Sequence[Scanned] | None = None) -> Part:
        """Rows that follow, to be counted, and to be scanned unless that is what was `found`."""
        rows = len(next(iter(columns.values()))) if columns else 0
        part = Part(rows, {name: unwrapped(columns[name]) for name in self._plan.kinds}, found)
        self.rows += rows
        if self._centres is None and self._plan.names and rows:
            self._centres = self._first_centres(part.columns)
        self._absorb()
        self._coming.append(part)
        return part

    def count(self, part: Part) -> None:
        """Levels and characters."""
        for task in self._counting(part):
            task()

    @property
    def numbers(self) -> list[str]:
        """The columns that are scanned."""
        return self._plan.numbers

    def scan(self, columns: Mapping[str, Any]) -> list[Scanned]:
        """Numbers, of columns of one length. In one stretch: other threads have other parts."""
        rows = len(next(iter(columns.values()))) if columns else 0
        return [task() for task in self._scans(columns, rows, max(1, rows))]

    def finish(self, part: Part) -> None:
        """Scan its numbers, unless that is done; its rows are not needed any more."""
        part.found = self.scan(part.columns) if part.found is None else part.found
        part.columns = {}

    def _counting(self, part: Part) -> list[Callable[[], Any]]:
        return [
            partial(counts.add, part.columns[name])
            for counted in (self._levels, self._texts)
            for name, counts in counted.items()
        ]

    def _scans(self, columns: Mapping[str, Any], rows: int, stretch: int) -> list[Callable[[], Any]]:
        return [
            partial(self._stretch, group, columns, start, min(rows, start + stretch))
            for start in range(0, rows, stretch)
            for group in self._groups
        ]

    def columns(self) -> dict[str, ColumnProfile]:
        """The column profiles, in the order of the plan."""
        self._absorb()
        return {
            name: self._levels[name].done() if name in self._levels else self._number(name, kind)
            for name, kind in self._plan.kinds.items()
        }

    def products(self) -> Products | None:
        """Co-moments around the centres planned, else around the columns' own means."""
        self._absorb()
        names = self._plan.names
        if not names:
            return None
        if self._plan.centres is not None:
            return self._products or Products.nothing(names, self._plan.centres)
        means = np.array([self._sums[name].moments.mean for name in names])
        return self._products.around(means) if self._products else Products.nothing(names, means)

    def _absorb(self) -> None:
        """Add up what was found, in the order of the parts, as far as all before are done."""
        while self._coming and self._coming[0].found is not None:
            for sums, products in filter(None, self._coming.popleft().found or ()):
                for name, found in sums.items():
                    self._sums[name].add(found)
                if products is not None:
                    self._products = products if self._products is None else self._products.merge(products)

    def _number(self, name: str, kind: Kind) -> NumberColumn:
        column = self._sums[name].done(kind, self._bins[name].edges)
        return self._texts[name].complete(column) if name in self._texts else column

    def _first_centres(self, columns: Mapping[str, Any]) -> Floats:
        """Near enough to the means to lose no digits; `products` moves the sums to the means themselves."""
        first = [_numbers(name, "number", part_of(columns[name], 0, BLOCK)) for name in self._plan.names]
        finite = [values[np.isfinite(values)] for values in first]
        with np.errstate(over="ignore", invalid="ignore"):
            return np.array([bounded(values.mean()) if values.size else 0.0 for values in finite])

    def _stretch(self, group: Group, columns: Mapping[str, Any], start: int, stop: int) -> Scanned:
        """Scan rows `start` to `stop` of a group of number columns."""
        values = {
            name: _numbers(name, self._plan.kinds[name], part_of(columns[name], start, stop))
            for name in group.names
        }
        return group.scan(values, self._centres)


def _groups(plan: Plan, bins: Mapping[str, Bins]) -> list[Group]:
    """The columns of the co-moments together, the others by the dozen."""
    others = [name for name in plan.numbers if name not in plan.names]
    first = [Group(plan.names, bins, co_moments=True)] if plan.names else []
    return first + [
        Group(tuple(others[place : place + _TOGETHER]), bins, co_moments=False)
        for place in range(0, len(others), _TOGETHER)
    ]


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
