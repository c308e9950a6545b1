"""Which rows repeat a key that came before, in eight bytes a row.

Keys are hashed to 64 bits: the chance that two different ones of ten million share a hash is 3 in a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from perennial.columns import arrow_bytes
from perennial.sketch import MULTIPLIER, Hashes, hash_strings, mixed

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 50_000_000
_RUNS = 8
_FEW = 1_000  # levels that are hashed once, however few the rows


class Seen:
    """The keys of all rows so far, at most fifty million; `full` says that there were more."""

    def __init__(self) -> None:
        self._runs: list[Hashes] = []
        self._size = 0
        self.full = False

    def repeated(self, columns: list[pa.ChunkedArray]) -> NDArray[np.bool_]:
        """Which rows have the key of an earlier row, of shape (rows,); never those with a null in the key."""
        hashes, complete = _hashes(columns)
        own = hashes[complete]
        result = np.zeros(hashes.size, bool)
        ordered = np.sort(own)  # looked up in order, a run is walked through, not jumped about in
        if not np.any(ordered[1:] == ordered[:-1]) and not self._before(ordered).any():
            self._keep(ordered)
            return result
        repeated = _repeated_within(own) | self._before(own)
        result[complete] = repeated
        self._keep(np.sort(own[~repeated]))
        return result

    def _before(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of them are there already."""
        found = np.zeros(hashes.size, bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, hashes), run.size - 1)
            found |= run[places] == hashes
        return found

    def _keep(self, run: Hashes) -> None:
        if not run.size:
            return
        if self._size + run.size > MOST:
            self.full = True
            return
        self._size += run.size
        self._runs.append(run)
        while len(self._runs) > 1 and self._runs[-1].size * _RUNS > self._runs[-2].size:
            last = self._runs.pop()
            merged = np.concatenate([self._runs.pop(), last])
            merged.sort(kind="stable")  # of two sorted runs: merges them
            self._runs.append(merged)


def _repeated_within(hashes: Hashes) -> NDArray[np.bool_]:
    result = np.zeros(hashes.size, bool)
    ordered = np.sort(hashes)
    if np.any(ordered[1:] == ordered[:-1]):
        order = np.argsort(hashes, kind="stable")
        result[order[1:]] = hashes[order[1:]] == hashes[order[:-1]]
    return result


def _hashes(columns: list[pa.ChunkedArray]) -> tuple[Hashes, NDArray[np.bool_]]:
    rows = len(columns[0])
    hashes = np.zeros(rows, np.uint64)
    complete = np.ones(rows, bool)
    for column in columns:
        complete &= column.is_valid().to_numpy()
        with np.errstate(over="ignore"):
            hashes = mixed(hashes * MULTIPLIER + words_of(column))
    return hashes, complete


class Levels:
    """The words of a dictionary's levels, hashed once while the dictionary stays the same."""

    def __init__(self) -> None:
        self._dictionary: pa.Array | None = None
        self._words = np.empty(0, np.uint64)

    def words(self, dictionary: pa.Array) -> Hashes:
        """Of shape (levels,)."""
        import pyarrow as pa

        if self._dictionary is None or not self._dictionary.equals(dictionary):
            self._dictionary, self._words = dictionary, words_of(pa.chunked_array([dictionary]))
        return self._words


def words_of(column: pa.ChunkedArray, levels: Levels | None = None) -> Hashes:
    """A word of 64 bits for each value, to be mixed; what a null has does not matter."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        if all(len(chunk.dictionary) <= max(_FEW, len(chunk)) for chunk in column.chunks):
            return _by_level(column.chunks, levels or Levels())
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        filled = column.fill_null(0.0) if column.null_count else column
        numbers = np.asarray(filled.to_numpy(), np.float64) + 0.0  # one zero, not two
        return numbers.view(np.uint64)
    if not pa.types.is_string(column.type):
        whole = column.cast(pa.int64()).fill_null(0).to_numpy()
        return np.asarray(whole, np.int64).view(np.uint64)
    chunks = column.fill_null("").chunks
    return np.concatenate([hash_strings(*arrow_bytes(chunk)) for chunk in chunks] or [np.empty(0, np.uint64)])


def words_at(values: pa.Array, levels: Levels, rows: NDArray[np.intp]) -> Hashes | None:
    """The same of some rows of floats, or of a dictionary's levels, where none is null; None of others."""
    import pyarrow as pa

    if isinstance(values, pa.DoubleArray):
        return np.asarray(values.to_numpy()[rows] + 0.0).view(np.uint64)
    if isinstance(values, pa.DictionaryArray) and len(values.dictionary) <= max(_FEW, rows.size):
        return np.asarray(levels.words(values.dictionary)[values.indices.to_numpy()[rows]])
    return None


def _by_level(chunks: Sequence[pa.DictionaryArray], levels: Levels) -> Hashes:
    """The levels hashed once, then spread over the rows."""
    found = [np.empty(0, np.uint64)]
    for chunk in chunks:
        words = levels.words(chunk.dictionary)
        places = chunk.indices.fill_null(0) if chunk.null_count else chunk.indices
        found.append(words[places.to_numpy()] if words.size else np.zeros(len(chunk), np.uint64))
    return np.concatenate(found)
