"""Columns as the model file declares them. A value that cannot be read becomes missing and is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perennial.columns import arrow_bytes
from perennial.config import ModelConfig
from perennial.products import dots

if TYPE_CHECKING:
    import pyarrow as pa

_FEW_LEVELS = 10_000
_NUMBER = r"^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
_MISSING = {"", "na", "nan", "null", "none"}
_TRUE, _FALSE = {"true", "t", "yes", "y", "1", "1.0"}, {"false", "f", "no", "n", "0", "0.0"}


@dataclass(frozen=True)
class BadValues:
    """How many values of a column broke one rule, and the first of them as it came."""

    rows: int
    first: str


@dataclass(frozen=True)
class Cast:
    """A column of its declared type. `bad`: what could not be read, null now; `where`: in which rows."""

    values: pa.ChunkedArray
    bad: BadValues | None = None
    where: NDArray[np.bool_] | None = None


def conform_table(table: pa.Table, config: ModelConfig) -> tuple[pa.Table, dict[str, BadValues]]:
    """Cast the declared columns to their types, in the order of the model file; drop undeclared ones.

    number → float64 (finite), category and text → string, boolean → bool, datetime → timestamp[us] in UTC
    without zone. Missing values are nulls. Values that cannot be read become null and are counted in the
    second result, by column. A declared column that is not in the table is not in the result.
    """
    import pyarrow as pa

    columns: dict[str, pa.ChunkedArray] = {}
    bad: dict[str, BadValues] = {}
    for name, column in config.columns.items():
        if name not in table.column_names:
            continue
        done = cast_column(table.column(name), column.type)
        columns[name] = done.values
        if done.bad:
            bad[name] = done.bad
    return pa.table(columns), bad


def cast_column(
    values: pa.ChunkedArray, kind: str, *, keep_levels: bool = False, trusting: bool = False
) -> Cast:
    """Cast one column to the type of its kind: the vectorised way where it succeeds, else distinct value
    by value. With `keep_levels`, a category that comes dictionary-encoded stays so; with `trusting`, numbers
    that are not finite may stay, which is not looked for.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        if keep_levels and kind == "category" and _plain_levels(values):
            return Cast(values)
        values = values.cast(values.type.value_type)
    target = arrow_type(kind)
    if pa.types.is_null(values.type):
        return Cast(values.cast(target))
    try:
        done = _vector_number(values, trusting) if kind == "number" else _VECTORISED[kind](values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        done = None
    if done is not None:
        return Cast(done)
    if kind == "number" and _is_text(values.type):
        return _mostly_numbers(values)
    return _one_by_one(values, _CONVERTERS[kind], target)


def _plain_levels(values: pa.ChunkedArray) -> bool:
    """Strings, none of them empty or null: a dictionary that needs no casting."""
    if not _is_text(values.type.value_type):
        return False
    for levels in (chunk.dictionary for chunk in values.chunks):
        if len(levels) > _FEW_LEVELS or levels.null_count:
            return False
        _, ends = arrow_bytes(levels)
        if (ends[1:] == ends[:-1]).any():
            return False
    return True


def arrow_type(kind: str) -> pa.DataType:
    """The pyarrow type of a declared one."""
    import pyarrow as pa

    if kind == "number":
        return pa.float64()
    if kind == "boolean":
        return pa.bool_()
    return pa.timestamp("us") if kind == "datetime" else pa.string()


def _vector_number(values: pa.ChunkedArray, trusting: bool) -> pa.ChunkedArray | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if _is_text(values.type):
        values = pc.utf8_trim_whitespace(values)
    elif not (
        pa.types.is_integer(values.type)
        or pa.types.is_floating(values.type)
        or pa.types.is_decimal(values.type)
    ):
        return None
    numbers = values if pa.types.is_float64(values.type) else values.cast(pa.float64(), safe=False)
    if trusting or _finite(numbers):
        return numbers
    if pc.any(pc.is_inf(numbers)).as_py():
        return None
    return pc.if_else(pc.is_nan(numbers), None, numbers)


def _finite(numbers: pa.ChunkedArray) -> bool:
    """Whether all are finite; False also where the largest are too large to tell so quickly: by a sum of
    squares, which one that is not finite spoils.
    """
    import pyarrow.compute as pc

    if numbers.null_count:
        total = pc.sum(numbers).as_py()
        return total is None or isfinite(total)
    rows = [chunk.to_numpy()[np.newaxis] for chunk in numbers.chunks]
    with np.errstate(over="ignore", invalid="ignore"):
        return all(isfinite(dots(row, row)[0]) for row in rows)


def _vector_text(values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(values.type):
        return None
    text = values.cast(pa.string())
    if pc.min(pc.binary_length(text)).as_py() != 0:
        return text
    return pc.if_else(pc.equal(text, ""), None, text)


def _vector_boolean(values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    import pyarrow as pa

    return values if pa.types.is_boolean(values.type) else None


def _vector_datetime(values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    import pyarrow as pa

    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type) or _is_text(values.type):
        return values.cast(pa.timestamp("us"), safe=False)  # a zone is dropped at its moment in UTC
    return None


def _is_text(of: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of))


def _number(value: Any) -> float | None:
    text = str(value).strip()
    if text.lower() in _MISSING:
        return None
    number = float(text)
    if "_" in text or not isfinite(number):
        raise ValueError(text)
    return number


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, float):
        if isnan(value):
            return None
        value = (
            int(value) if value.is_integer() else value
        )  # a nullable column of integers is often stored as floats
    return str(value) or None


def _boolean(value: Any) -> bool | None:
    text = str(value).strip().lower()
    if text in _MISSING:
        return None
    if text not in _TRUE | _FALSE:
        raise ValueError(text)
    return text in _TRUE


def _datetime(value: Any) -> datetime | None:
    if isinstance(value, str):
        if value.strip().lower() in _MISSING:
            return None
        value = datetime.fromisoformat(value.strip())
    if not isinstance(value, date):
        raise TypeError(value)
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - naive means UTC here
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def _mostly_numbers(values: pa.ChunkedArray) -> Cast:
    """Strings that look like numbers at once, the others one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(values)
    plain = pc.fill_null(pc.match_substring_regex(trimmed, _NUMBER), False)
    numbers = pc.if_else(plain, trimmed, None).cast(pa.float64())
    plain = pc.and_(plain, pc.fill_null(pc.is_finite(numbers), False))
    odd = np.flatnonzero(~plain.to_numpy() & values.is_valid().to_numpy())
    rest = _one_by_one(values.take(odd), _number, pa.float64())
    filled = numbers.to_numpy().copy()
    filled[odd] = rest.values.to_numpy()
    result = pa.chunked_array([pa.array(filled, pa.float64(), from_pandas=True)])
    if rest.bad is None or rest.where is None:
        return Cast(result)
    where = np.zeros(len(values), bool)
    where[odd[rest.where]] = True
    return Cast(result, rest.bad, where)


def _one_by_one(values: pa.ChunkedArray, convert: Callable[[Any], Any], target: pa.DataType) -> Cast:
    """Convert each distinct value once, then spread the results over the rows."""
    import pyarrow as pa

    if pa.types.is_nested(values.type):
        values = pa.chunked_array([[None if v is None else str(v) for v in values.to_pylist()]], pa.string())
    encoded = pa.concat_arrays(values.chunks).dictionary_encode() if values.num_chunks else None
    if encoded is None or not len(encoded):
        return Cast(pa.chunked_array([], target))
    distinct = encoded.dictionary.to_pylist()
    converted, wrong = [], np.zeros(len(distinct) + 1, bool)
    for place, value in enumerate(distinct):
        try:
            converted.append(convert(value))
        except (ValueError, TypeError, OverflowError):
            converted.append(None)
            wrong[place] = True
    result = pa.chunked_array([pa.array(converted, target).take(encoded.indices)])
    if not wrong.any():
        return Cast(result)
    rows = encoded.indices.fill_null(len(distinct)).to_numpy()
    where = wrong[rows]
    return Cast(result, BadValues(int(where.sum()), shown(distinct[rows[int(where.argmax())]])), where)


def shown(value: Any) -> str:
    """A value as messages quote it: `repr`, cut to 40 characters."""
    text = repr(value) if isinstance(value, str | float | int) else repr(str(value))
    return text if len(text) <= 40 else f"{text[:37]}..."


_VECTORISED = {
    "category": _vector_text,
    "text": _vector_text,
    "boolean": _vector_boolean,
    "datetime": _vector_datetime,
}
_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "number": _number,
    "category": _text,
    "text": _text,
    "boolean": _boolean,
    "datetime": _datetime,
}
