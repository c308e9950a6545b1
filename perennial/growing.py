"""Columns that take rows part by part and end as columns of a frame, without a second copy of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa

Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

_FIRST_ROWS = 1 << 12


class GrowingArray:
    """Numbers of one type. An array that grows is moved by its pages, not copied (realloc of a large block),
    and an eighth of it is spare at most.

    >>> column = GrowingArray(np.int64)
    >>> column.append(np.array([4, 5, 6]), np.array([0, 2]))
    >>> column.finished()
    array([4, 6])
    """

    def __init__(self, of: npt.DTypeLike) -> None:
        self._array: npt.NDArray[Any] = np.empty(_FIRST_ROWS, of)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def values(self) -> npt.NDArray[Any]:
        """What is there; valid until rows are added or dropped."""
        return self._array[: self._size]

    def expect(self, rows: int) -> None:
        """Make room for more rows at once; memory that is not written to is not taken."""
        if (room := self._size + rows) > len(self._array):
            before, self._array = self.values, np.empty(room, self._array.dtype)
            self._array[: self._size] = before

    def append(self, values: npt.NDArray[Any], rows: Rows) -> None:
        """Take these of the values. A wider type of integers widens the column."""
        end = self._size + len(rows)
        if values.dtype.itemsize > self._array.dtype.itemsize:
            before, self._array = self.values, np.empty(len(self._array), values.dtype)
            self._array[: self._size] = before
        if end > len(self._array):
            self._array.resize(end + end // 8, refcheck=False)
        if values.dtype == self._array.dtype:
            np.take(values, rows, out=self._array[self._size : end], mode="clip")
        else:
            self._array[self._size : end] = values[rows]
        self._size = end

    def keep(self, rows: Mask) -> None:
        """Drop all other rows."""
        kept = self.values[rows]
        self._array[: len(kept)] = kept
        self._size = len(kept)

    def same(self, some: Rows, others: Rows) -> Mask:
        """Which of some rows equal the others, one by one; NaN equals NaN."""
        left, right = self._array[some], self._array[others]
        return np.asarray((left == right) | ((left != left) & (right != right)))  # noqa: PLR0124 - NaN

    def finished(self) -> npt.NDArray[Any]:
        """The whole column, of its own size; nothing can be added any more."""
        self._array.resize(self._size, refcheck=False)
        return self._array


class GrowingText:
    """Strings, as pyarrow holds them: their bytes laid end to end."""

    def __init__(self) -> None:
        self._chunks: list[pa.Array] = []

    def expect(self, rows: int) -> None:
        """Nothing to do: parts are kept as they come."""

    def append(self, values: pa.Array, rows: Rows) -> None:
        """Take these of the values."""
        self._chunks.append(values.take(rows))

    def keep(self, rows: Mask) -> None:
        """Drop all other rows."""
        import pyarrow as pa

        self._chunks = [self._whole().filter(pa.array(rows))]

    def same(self, some: Rows, others: Rows) -> Mask:
        """Which of some rows equal the others, one by one; missing equals missing."""
        import pyarrow.compute as pc

        self._chunks = [self._whole()]
        left, right = self._chunks[0].take(some), self._chunks[0].take(others)
        both_missing = pc.and_(left.is_null(), right.is_null())
        return np.asarray(pc.fill_null(pc.equal(left, right), False)) | np.asarray(both_missing)

    def finished(self) -> Any:
        """The whole column, as pandas' strings; nothing can be added any more."""
        whole, self._chunks = self._whole(), []
        return pd.array(whole, dtype=pd.StringDtype("pyarrow", na_value=np.nan))

    def _whole(self) -> pa.Array:
        import pyarrow as pa

        return pa.concat_arrays(self._chunks or [pa.array([], pa.large_string())])
