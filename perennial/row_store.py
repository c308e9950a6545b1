"""Rows that are kept while objects are read: column by column, each exact row once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perennial.encoding import Encoder
from perennial.growing import GrowingArray, Mask, Rows
from perennial.sketch import Hashes, absorb

_BLOCK = 1 << 18  # hashes that a core groups at once
_FEW = 1 << 22  # rows that are never too many to wait for a look at what is repeated

Same = Callable[[Rows, Rows], Mask]


def row_hashes(
    encoders: Mapping[str, Encoder], cells: Mapping[str, Any], keys: Hashes, key: Collection[str]
) -> Hashes:
    """64-bit hashes (n,) of all cells of each row; equal rows have equal ones, and rows that differ in one
    cell of a fixed width that is not of the key different ones. `keys` (n,) are those of the columns in
    `key`, and are overwritten.
    """
    hashes, words = keys, np.empty_like(keys)
    for name, encoder in encoders.items():
        if name in key:
            continue
        encoder.words(cells[name], words)
        absorb(hashes, words)
    return hashes


def repeated_rows(hashes: Hashes, same: Same) -> Rows:
    """The rows that equal an earlier one: of equal hash, and the `same` when looked at cell by cell.

    >>> values = np.array([7, 8, 7, 9])
    >>> clash = np.array([1, 1, 1, 2], np.uint64)
    >>> repeated_rows(clash, lambda some, others: values[some] == values[others])
    array([2])
    """
    if not any_repeated(hashes):
        return np.empty(0, np.intp)
    left, found = np.argsort(hashes), []
    while len(left):
        grouped = hashes[left]
        starts = np.flatnonzero(np.concatenate([[True], grouped[1:] != grouped[:-1]]))
        firsts = np.repeat(np.minimum.reduceat(left, starts), np.diff([*starts, len(left)]))
        later = np.flatnonzero(left != firsts)
        equal = same(left[later], firsts[later])
        found.append(left[later[equal]])
        left = left[later[~equal]]  # rows that share a hash by chance: a group of their own
    return np.sort(np.concatenate(found))


def any_repeated(hashes: Hashes) -> bool:
    """Whether two are equal. They are looked at by their first byte: so many that a processor's cache holds
    them, and every core has some.

    >>> values = np.arange(1000, dtype=np.uint64) << np.uint64(54)
    >>> any_repeated(values), any_repeated(np.append(values, values[7]))
    (False, True)
    """
    blocks = np.array_split(hashes, 1 + len(hashes) // _BLOCK)
    with ThreadPoolExecutor(os.process_cpu_count()) as pool:
        return any(pool.map(_repeat, *pool.map(_by_first_byte, blocks)))


def _by_first_byte(hashes: Hashes) -> list[Hashes]:
    first = np.right_shift(hashes, np.uint64(56)).astype(np.uint8)
    grouped = hashes[np.argsort(first, kind="stable")]  # of bytes, a radix sort
    ends = np.cumsum(np.bincount(first, minlength=256)).tolist()
    return [grouped[start:end] for start, end in pairwise([0, *ends])]


def _repeat(*pieces: Hashes) -> bool:
    """Whether two are equal of those that share their first byte.

    Each is noted at the place that its next bits name. Most are the last there, and differ from all others
    that are; what is left is compared with the last there, and among itself.
    """
    hashes = np.concatenate(pieces)
    rows = np.arange(len(hashes), dtype=np.int32)
    bits = (8 * len(hashes)).bit_length()
    places = (hashes << np.uint64(8) >> np.uint64(64 - bits)).astype(np.intp)
    last = np.empty(1 << bits, np.int32)
    last[places] = rows
    lasting = last[places]
    left = np.flatnonzero(lasting != rows)
    others = np.sort(hashes[left])
    return bool(np.any(hashes[left] == hashes[lasting[left]]) or np.any(others[1:] == others[:-1]))


class RowStore:
    """Rows of some encoded columns. Besides them it takes 8 bytes a row, and half as many rows again as are
    kept, at most, until it notices that they are repeated."""

    def __init__(self, encoders: Mapping[str, Encoder]) -> None:
        self._encoders = encoders
        self._columns = {name: encoder.growing() for name, encoder in encoders.items()}
        self._hashes = GrowingArray(np.uint64)
        self._came: list[int] = []  # rows that are kept, by object
        self._compared = 0

    def expect(self, rows: int) -> None:
        """So many rows will follow, or hardly more."""
        for column in (*self._columns.values(), self._hashes):
            column.expect(rows)

    def append(self, cells: Mapping[str, Any], hashes: Hashes, number: int, rows: Rows) -> None:
        """Take these rows of a part of object `number`, which comes after those of lower numbers."""
        for name, column in self._columns.items():
            column.append(cells[name], rows)
        self._hashes.append(hashes, rows)
        self._came += [0] * (number + 1 - len(self._came))
        self._came[number] += len(rows)
        if len(self._hashes) - self._compared > max(_FEW, self._compared // 2):
            self._drop_repeated()

    def finished(self, objects: int) -> tuple[pd.DataFrame, npt.NDArray[np.intp]]:
        """The rows, and how many of them came from each of so many objects (objects,), in their order."""
        self._drop_repeated()
        self._hashes = GrowingArray(np.uint64)
        columns = {}
        for name in list(self._columns):
            finished = self._columns.pop(name).finished()
            columns[name] = pd.Series(self._encoders[name].series(finished), copy=False)
        came = np.array(self._came + [0] * (objects - len(self._came)), np.intp)
        return pd.DataFrame(columns, index=pd.RangeIndex(int(came.sum())), copy=False), came

    def _drop_repeated(self) -> None:
        repeated = repeated_rows(self._hashes.values, self._same)
        if len(repeated):
            kept = np.ones(len(self._hashes), bool)
            kept[repeated] = False
            for column in (*self._columns.values(), self._hashes):
                column.keep(kept)
            of = np.searchsorted(np.cumsum(self._came), repeated, side="right")
            self._came = (np.array(self._came) - np.bincount(of, minlength=len(self._came))).tolist()
        self._compared = len(self._hashes)

    def _same(self, some: Rows, others: Rows) -> Mask:
        result = np.ones(len(some), bool)
        for column in self._columns.values():
            result &= column.same(some, others)
        return result
