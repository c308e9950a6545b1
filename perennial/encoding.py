"""Columns as they were read to cells of a fixed width: what is stored, hashed and compared row by row.

number    float64, NaN where missing
datetime  int64 microseconds since 1970, the smallest integer where missing
boolean   int8: 0, 1, 2 where missing
category  integers that count the levels in order of their coming, -1 where missing
text      strings of pyarrow, which have no fixed width
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from perennial.columns import arrow_bytes
from perennial.data_config import Column
from perennial.growing import GrowingArray, GrowingText
from perennial.holdout import MISSING, code_floats, code_value
from perennial.sketch import Hashes, hash_strings

if TYPE_CHECKING:
    import pyarrow as pa

_NOT_A_TIME = np.iinfo(np.int64).min
_NO_TEXT = np.uint64(0x6A09_E667_F3BC_C908)  # any constant does: the fractional bits of the root of 2


class Encoder(Protocol):
    """One kind of column."""

    def encode(self, values: pa.ChunkedArray) -> Any:
        """The cells of a cleaned column (n,)."""

    def words(self, cells: Any, out: Hashes) -> None:
        """Write 64 bits a cell into `out` (n,), equal where cells are."""

    def codes(self, cells: Any) -> Hashes:
        """64 bits a cell (n,), of its canonical form: see `perennial.holdout`."""

    def growing(self) -> Any:
        """An empty column of such cells."""

    def series(self, finished: Any) -> Any:
        """A finished column as a frame holds it."""


def encoder(column: Column) -> Encoder:
    """The one for a declared column."""
    kinds: dict[str, type[Encoder]] = {
        "number": Numbers,
        "datetime": DateTimes,
        "boolean": Booleans,
        "category": Levels,
        "text": Texts,
    }
    return kinds[column.type]()


class Numbers:
    """See the module."""

    def encode(self, values: pa.ChunkedArray) -> npt.NDArray[Any]:
        return np.asarray(values.to_numpy())

    def words(self, cells: npt.NDArray[Any], out: Hashes) -> None:
        np.add(cells, 0.0, out=out.view(np.float64))  # one zero, not two

    def codes(self, cells: npt.NDArray[Any]) -> Hashes:
        codes = code_floats(cells)
        codes[np.isnan(cells)] = MISSING
        return codes

    def growing(self) -> GrowingArray:
        return GrowingArray(np.float64)

    def series(self, finished: npt.NDArray[Any]) -> Any:
        return finished


class DateTimes:
    """See the module."""

    def encode(self, values: pa.ChunkedArray) -> npt.NDArray[Any]:
        import pyarrow as pa

        return np.asarray(values.cast(pa.int64()).fill_null(_NOT_A_TIME).to_numpy())

    def words(self, cells: npt.NDArray[Any], out: Hashes) -> None:
        out[:] = cells.view(np.uint64)

    def codes(self, cells: npt.NDArray[Any]) -> Hashes:
        codes = code_floats(cells / 1e6)
        codes[cells == _NOT_A_TIME] = MISSING
        return codes

    def growing(self) -> GrowingArray:
        return GrowingArray(np.int64)

    def series(self, finished: npt.NDArray[Any]) -> Any:
        times: npt.NDArray[np.datetime64] = finished.view("datetime64[us]")
        return times


class Booleans:
    """See the module."""

    _CODES = np.array([code_value(False), code_value(True), MISSING], np.uint64)

    def encode(self, values: pa.ChunkedArray) -> npt.NDArray[Any]:
        import pyarrow as pa

        return np.asarray(values.cast(pa.int8()).fill_null(2).to_numpy())

    def words(self, cells: npt.NDArray[Any], out: Hashes) -> None:
        out[:] = cells

    def codes(self, cells: npt.NDArray[Any]) -> Hashes:
        return np.asarray(self._CODES[cells])

    def growing(self) -> GrowingArray:
        return GrowingArray(np.int8)

    def series(self, finished: npt.NDArray[Any]) -> Any:
        return pd.arrays.BooleanArray(finished == 1, finished == 2)


class Levels:
    """See the module. It remembers the levels: one encoder for all parts of a column."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._codes = np.array([MISSING], np.uint64)  # of the levels; the last is that of -1
        self._dictionary: pa.Array | None = None  # the last one that came, as most parts of a file have it
        self._of_dictionary = np.empty(0, np.int8)  # its levels' numbers; the last is that of a missing one

    def encode(self, values: pa.ChunkedArray) -> npt.NDArray[Any]:
        import pyarrow as pa

        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        numbered = [self._numbered(chunk) for chunk in values.chunks]
        return numbered[0] if len(numbered) == 1 else np.concatenate(numbered or [np.empty(0, np.int8)])

    def _numbered(self, chunk: pa.DictionaryArray) -> npt.NDArray[Any]:
        if self._dictionary is None or not chunk.dictionary.equals(self._dictionary):
            self._dictionary, levels = chunk.dictionary, chunk.dictionary.to_pylist()
            numbers = [self._numbers.setdefault(level, len(self._numbers)) for level in levels]
            of = np.min_scalar_type(-max(1, len(self._numbers)))
            self._of_dictionary = np.array([*numbers, -1], of)
        missing = len(self._of_dictionary) - 1
        places = chunk.indices.fill_null(missing) if chunk.null_count else chunk.indices
        return np.asarray(np.take(self._of_dictionary, places.to_numpy(), mode="clip"))

    def words(self, cells: npt.NDArray[Any], out: Hashes) -> None:
        out.view(np.int64)[:] = cells

    def codes(self, cells: npt.NDArray[Any]) -> Hashes:
        if len(self._codes) <= len(self._numbers):
            new = list(islice(self._numbers, len(self._codes) - 1, None))
            codes = np.array([*map(code_value, new), MISSING], np.uint64)
            self._codes = np.concatenate([self._codes[:-1], codes])
        return np.take(self._codes, cells, mode="wrap")  # -1 is the last

    def growing(self) -> GrowingArray:
        return GrowingArray(np.int8)

    def series(self, finished: npt.NDArray[Any]) -> Any:
        levels = pd.Index(list(self._numbers), dtype=object)
        return pd.Categorical.from_codes(finished, categories=levels)


class Texts:
    """See the module."""

    def encode(self, values: pa.ChunkedArray) -> pa.Array:
        import pyarrow as pa

        whole = values.cast(pa.large_string()).combine_chunks()
        return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)

    def words(self, cells: pa.Array, out: Hashes) -> None:
        out[:] = hash_strings(*arrow_bytes(cells.fill_null("")))
        if cells.null_count:
            out[cells.is_null().to_numpy(zero_copy_only=False)] = _NO_TEXT

    def codes(self, cells: pa.Array) -> Hashes:
        encoded = cells.dictionary_encode()  # each text once: its form is found by Python, not by numpy
        codes = np.array([*map(code_value, encoded.dictionary.to_pylist()), MISSING], np.uint64)
        places = encoded.indices.fill_null(len(encoded.dictionary))
        return np.asarray(codes[places.to_numpy()])

    def growing(self) -> GrowingText:
        return GrowingText()

    def series(self, finished: Any) -> Any:
        return finished
