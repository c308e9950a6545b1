"""Long columns of Python strings, counted without the interpreter looking at each of them."""

from __future__ import annotations

from importlib.util import find_spec
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perennial.columns import by_level

if TYPE_CHECKING:
    import pyarrow as pa

_MANY_ROWS = 10_000
_JOINED = 65_536
_FEW = 1_024


def count_shared(values: Any) -> tuple[dict[str, int], int] | None:
    """How often each level occurs and how many values are missing, of a column whose rows share few objects:
    pandas reads them so, and so they come out of an array of levels. None where there are more, or others
    than strings, or there is no pyarrow.

    Rows of the same object hold the same string: objects are counted by where they lie, a tenth of the work.
    """
    array = _objects(values)
    if array is None or np.unique(_places(array[: _JOINED // 16])).size > _FEW:
        return None
    import pyarrow as pa

    pairs: list[tuple[Any, int]] = []
    for start in range(0, array.size, _JOINED):
        part = array[start : start + _JOINED]
        encoded = pa.array(_places(part)).dictionary_encode()
        if len(encoded.dictionary) > _FEW:
            return None
        numbers, rows = encoded.indices.to_numpy(), np.arange(part.size)
        first = np.empty(len(encoded.dictionary), np.intp)
        first[numbers[::-1]] = rows[::-1]  # of what is written twice the last stays
        pairs += zip(part[first].tolist(), np.bincount(numbers).tolist(), strict=True)
    missing = [times for value, times in pairs if value is None or (type(value) is float and isnan(value))]
    if len(missing) + sum(type(value) is str for value, _ in pairs) < len(pairs):
        return None
    return by_level(pairs), sum(missing)


def lines_of(values: Any) -> pa.ChunkedArray | None:
    """A long column of Python strings as arrow strings that each end in a line feed; None where it is none,
    or a value is missing or has line feeds itself, or there is no pyarrow.

    Joining takes a third of the time of converting value by value, which holds the interpreter's lock.
    """
    array = _objects(values)
    if array is None:
        return None
    import pyarrow as pa

    chunks = []
    for start in range(0, array.size, _JOINED):
        part = array[start : start + _JOINED].tolist()
        try:
            text = "\n".join(part).encode() + b"\n"
        except (TypeError, UnicodeEncodeError):
            return None
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
        if ends.size != len(part):
            return None
        offsets = np.concatenate(([0], ends)).astype(np.int64)
        chunks.append(pa.LargeStringArray.from_buffers(ends.size, pa.py_buffer(offsets), pa.py_buffer(text)))
    return pa.chunked_array(chunks)


def _objects(values: Any) -> NDArray[np.object_] | None:
    """The column as an array of objects, where it is long and one of them, and pyarrow is there to help."""
    if str(getattr(values, "dtype", "")) != "object" or len(values) < _MANY_ROWS or not find_spec("pyarrow"):
        return None
    return np.ascontiguousarray(values)


def _places(array: NDArray[np.object_]) -> NDArray[np.intp]:
    """Where the objects lie: an array of objects holds addresses."""
    return np.frombuffer(array.data, np.intp)
