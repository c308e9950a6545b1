"""How many rows repeat an earlier one in every column, in bounded memory.

Rows are hashed to 64 bits. Where there are too many to keep, some are chosen by a hash of their own values,
so that a row and its repetition are always both in or both out: the share among the chosen is that of all.
Source: P. Gibbons, Distinct sampling for highly-accurate answers to distinct values queries, VLDB (2001).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from perennial.seen import Levels, words_at, words_of
from perennial.sketch import MULTIPLIER, Hashes, absorb, mixed

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 30_000
_LOOKED_AT = 2_000
_TELLING = 0.9  # of the first values differ: such a column alone chooses the rows
_FINEST = 40
_MISSING = np.uint64(0xD1B54A32D192ED03)

Rows = NDArray[np.intp]


class Duplicates:
    """Rows of all tables so far; `compared` are those whose repetitions are known, at most `most` of them."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._halvings = most, 0
        self._by: list[str] = []
        self._kept: list[tuple[Hashes, Hashes]] = []  # what chooses a row, and the row
        self._levels: dict[str, Levels] = defaultdict(Levels)
        self._size = 0
        self._different = -1  # until they are counted

    def expect(self, rows: int) -> None:
        """About so many rows will follow: those that would be let go of later are not looked at first."""
        while self._size + (rows >> self._halvings) > self._most and self._halvings < _FINEST:
            self._halve()

    def add(self, table: pa.Table) -> None:
        """Rows that follow, with the same columns."""
        if not table.num_rows or not table.num_columns:
            return
        if not self._by:
            self._by = _telling(table)
        self._different = -1
        choosing = _row_hashes(table, self._by, self._levels)
        chosen = np.flatnonzero(self._chosen(choosing))
        while self._size + chosen.size > self._most and self._halvings < _FINEST:
            self._halve()
            chosen = chosen[self._chosen(choosing[chosen])]
        rest = [name for name in table.column_names if name not in self._by]
        every = chosen.size == table.num_rows
        by = choosing if every else choosing[chosen]
        if chosen.size:
            whole = _row_hashes(table, rest, self._levels, mixed(by), None if every else chosen)
            self._kept.append((by, whole))
        self._size += chosen.size

    @property
    def sampled(self) -> bool:
        """Whether only some of the rows were compared."""
        return self._halvings > 0

    @property
    def compared(self) -> int:
        """How many rows were compared."""
        return self._size

    @property
    def repeated(self) -> int:
        """How many of those repeat an earlier one."""
        self.settle()
        return self._size - self._different

    def settle(self) -> None:
        """Count them, unless that is done."""
        if self._different < 0:
            rows = [row for _, row in self._kept]
            self._different = _distinct(np.concatenate(rows)) if rows else 0

    def _halve(self) -> None:
        """Let go of every other row."""
        self._halvings += 1
        self._kept = [(by[keep], row[keep]) for by, row in self._kept if (keep := self._chosen(by)).any()]
        self._size = sum(by.size for by, _ in self._kept)

    def _chosen(self, by: Hashes) -> NDArray[np.bool_]:
        return np.asarray(by <= np.uint64((1 << (64 - self._halvings)) - 1))


def _telling(table: pa.Table) -> list[str]:
    """The column whose first values differ most, and the next one where that is not enough."""
    first = table.slice(0, _LOOKED_AT)
    distinct: dict[str, int] = {}
    for name in table.column_names:
        distinct[name] = _distinct(_row_hashes(first, [name], defaultdict(Levels)))
        if distinct[name] == first.num_rows:
            return [name]
    best = sorted(table.column_names, key=lambda name: -distinct[name])
    return best[: 1 if distinct[best[0]] >= _TELLING * first.num_rows else 2]


def _distinct(hashes: Hashes) -> int:
    """How many of them differ; numpy's own way takes four times as long."""
    ordered = np.sort(hashes)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + bool(ordered.size)


def _row_hashes(
    table: pa.Table,
    names: list[str],
    levels: dict[str, Levels],
    start: Hashes | None = None,
    rows: Rows | None = None,
) -> Hashes:
    """One hash for each row, or for these `rows`, over these columns, of shape (rows,), beginning with
    `start`, which is written over; a missing value is a value like others. Of a single column only the first
    bits depend on all of a value: most rows are not looked at further.
    """
    hashes = start
    for name in names:
        own = _words(table.column(name), levels[name], rows)
        if hashes is not None:
            absorb(hashes, own)
        elif len(names) > 1:
            hashes = mixed(own)  # whole numbers have zeros for last bits, where the next ones have them too
        else:
            hashes = np.multiply(own, MULTIPLIER, out=own)
    return np.zeros(table.num_rows, np.uint64) if hashes is None else hashes


def _words(column: pa.ChunkedArray, levels: Levels, rows: Rows | None) -> Hashes:
    """A word of 64 bits for each value, or those of these `rows`, to be written over."""
    if rows is not None:
        quick = column.num_chunks == 1 and not column.null_count
        own = words_at(column.chunk(0), levels, rows) if quick else None
        if own is not None:
            return own
        column = column.take(rows)
    own = words_of(column, levels)
    if column.null_count:
        return np.where(column.is_valid().to_numpy(), own, _MISSING)
    return own if own.flags.writeable else own.copy()
