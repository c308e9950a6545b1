"""One column of whatever table was given (pandas, pyarrow, numpy or a list), as numbers or as counted levels.

Neither pandas nor pyarrow is imported at the top: a column brings the methods it needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set, Sized
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from perennial.errors import InvalidData, ProfileMismatch
from perennial.object_values import is_nothing, kind_of_objects, objects_as_numbers

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["number", "category", "boolean", "datetime", "text"]
Floats = NDArray[np.float64]

TABLE = "a DataFrame, a pyarrow Table or a mapping of arrays"

_MANY_LEVELS = 256
_FEW = 1_000  # levels that do not cost much
_LOOKED_AT = 100_000
_NO_ARRAYS = (str, bytes, bytearray, Mapping, Set)  # a list of them would be of characters, or of keys
_EXACT = 2**53  # integers below are floats without loss


def columns_of(table: Any, expected: str = f"table: expected {TABLE}") -> dict[str, Any]:
    """Columns by name of a pandas DataFrame, of what pyarrow makes a table of, or of a mapping of arrays.

    Raises InvalidData for anything else, in the words of `expected`, and where two columns have one name or
    not the same number of rows.
    """
    if isinstance(table, type):  # a class has what its tables have
        raise _no_table(table, expected)
    if isinstance(table, Mapping) or (hasattr(table, "items") and hasattr(table, "columns")):
        named = [(str(name), _column(str(name), values)) for name, values in table.items()]
    else:
        arrow = _arrow_table(table, expected)
        named = list(zip(arrow.column_names, map(_without_views, arrow.columns), strict=True))
    found = dict(named)
    if len(found) < len(named):
        twice = next(name for name, times in Counter(name for name, _ in named).items() if times > 1)
        raise InvalidData(f"the table has the column {twice!r} more than once: expected names that differ")
    rows = {len(values): name for name, values in reversed(named)}
    if len(rows) > 1:
        (most, one), (least, other) = sorted(rows.items(), reverse=True)[:: len(rows) - 1]
        raise InvalidData(f"column {one!r} has {most} rows, {other!r} {least}: expected equally many")
    return found


def _arrow_table(table: Any, expected: str) -> Any:
    """A pyarrow Table or its like, or one made of what hands out its rows as Arrow, as polars does."""
    if hasattr(table, "column_names") and hasattr(table, "columns"):
        return table
    if not hasattr(table, "__arrow_c_stream__"):
        raise _no_table(table, expected)
    import pyarrow as pa

    try:
        return pa.table(table)
    except (TypeError, ValueError) as error:  # a column alone
        raise _no_table(table, expected) from error


def _without_views(values: Any) -> Any:
    """Of strings as polars lays them out pyarrow counts neither levels nor characters."""
    return values.cast("large_string") if str(values.type) == "string_view" else values


def _no_table(given: Any, expected: str) -> InvalidData:
    return InvalidData(f"{expected}, got {type(given).__name__}")


def _column(name: str, values: Any) -> Any:
    """A column that can be cut: lists become arrays, whatever they hold."""
    dimensions = getattr(values, "ndim", 1)
    if dimensions != 1:
        raise InvalidData(f"column {name!r}: expected an array of one dimension, got {dimensions}")
    if is_arrow(values) and hasattr(values, "null_count"):
        return _without_views(values)
    masked = hasattr(values, "filled")  # numpy's masked arrays: as a list, what is masked is None
    if hasattr(values, "dtype") and not masked:
        return values
    if isinstance(values, _NO_ARRAYS) or is_arrow(values) or not hasattr(values, "__len__"):
        raise InvalidData(f"column {name!r}: expected an array, got {type(values).__name__}")
    values = values.tolist() if masked else list(values)
    if not any(isinstance(value, Sized) and not isinstance(value, str | bytes) for value in values):
        return np.asarray(values)
    nested = np.empty(len(values), object)
    nested[:] = values
    return nested


def part_of(values: Any, start: int, stop: int) -> Any:
    """Rows `start` to `stop` of a column, without a copy."""
    if is_arrow(values):
        return values.slice(start, stop - start)
    return values.iloc[start:stop] if hasattr(values, "iloc") else values[start:stop]


def unwrapped(values: Any) -> Any:
    """The array behind a pandas column of floats, not copied: cutting a Series costs more than counting."""
    plain = hasattr(values, "iloc") and isinstance(values.dtype, np.dtype) and values.dtype == np.float64
    return values.to_numpy() if plain else values


def taken(values: Any, places: NDArray[np.int64]) -> Any:
    """The rows of a column at these places."""
    if is_arrow(values):
        return decoded(values.take(places))
    if hasattr(values, "iloc"):
        return values.take(places)
    return np.asarray(values)[places]


def rows_of(columns: Mapping[str, Any], places: NDArray[np.int64]) -> dict[str, Any]:
    """The rows of all columns at these places."""
    if all(is_arrow(values) for values in columns.values()):
        import pyarrow as pa

        table = pa.Table.from_arrays(list(columns.values()), list(columns))
        rows = table.take(pa.array(places)).columns  # one call, not one for every column
        return dict(zip(columns, map(_slim, rows), strict=True))
    return {name: taken(values, places) for name, values in columns.items()}


def _slim(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without a dictionary of many levels, more than there are rows."""
    import pyarrow as pa

    if not isinstance(values.type, pa.DictionaryType):
        return values
    many = any(len(chunk.dictionary) > max(_FEW, len(chunk)) for chunk in values.chunks)
    return decoded(values) if many else values


def decoded(values: Any) -> Any:
    """Without a dictionary: these differ from part to part; what they stand for does not."""
    import pyarrow as pa

    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def kind_of(values: Any) -> Kind:
    """What a column without a declared type is, by its own type; objects are what all of them are, strings
    are text where they hardly ever repeat (in the first 100,000 rows).
    """
    name = type_name(values)
    known = next((kind for prefix, kind in _KINDS if name.startswith(prefix)), None)
    if name == "object":
        known = kind_of_objects(_as_numpy(values))
    if known is not None:
        return known
    counts, _ = count_levels(part_of(values, 0, _LOOKED_AT))
    return "text" if len(counts) > max(_MANY_LEVELS, sum(counts.values()) // 2) else "category"


def read_as(values: Any, kind: Kind) -> Kind:
    """What a column is beside one of this kind: the same, where it has no values that could tell, or where
    its categories are numbers.
    """
    found = kind_of(values)
    if found == kind or _missing_count(values) == len(values):
        return kind
    inner = getattr(getattr(values, "dtype", None), "categories", None)
    return kind_of(inner) if found == "category" and inner is not None else found


def incoming_type(values: Any) -> str:
    """What came, whichever library holds it: number, boolean, datetime, string or other."""
    name = type_name(values)
    known = next((kind for prefix, kind in _KINDS if name.startswith(prefix)), None)
    if known is not None:
        return "string" if known == "category" else known
    return "string" if name.startswith(_STRINGS) else "other"


_KINDS: tuple[tuple[str, Kind | None], ...] = (
    ("interval", None),  # begins like an integer
    *((name, "number") for name in ("int", "uint", "float", "double", "halffloat", "decimal")),
    *((name, "number") for name in ("timedelta", "duration")),
    ("bool", "boolean"),
    *((name, "datetime") for name in ("date", "timestamp", "period")),
    *((name, "category") for name in ("category", "dictionary")),
)
_STRINGS = ("str", "large_string", "object", "<u", "u", "null")


def as_numbers(values: Any) -> Floats:
    """The values as float64 of shape (rows,), missing ones as NaN; date-times as seconds since 1970, spans of
    time in seconds.
    """
    try:
        return _to_floats(values)
    except (TypeError, ValueError) as error:
        raise ProfileMismatch(
            f"a column of numbers was expected, got {type_name(values)}: {error}"
        ) from error


def counted_levels(counted: pa.StructArray) -> tuple[dict[str, int], int]:
    """The same of what pyarrow has counted (`value_counts` of strings)."""
    counts = dict(zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True))
    missing = counts.pop(None, 0)
    return counts, missing


def count_levels(values: Any) -> tuple[dict[str, int], int]:
    """How often each level occurs, in order of first count, and how many values are missing.

    Booleans are the levels `false` and `true`; any other value is its string.
    """
    strings = as_arrow_strings(values)
    if strings is not None:
        values = strings
    pairs: Iterable[tuple[Any, Any]]
    try:
        if hasattr(values, "factorize"):  # pandas
            codes, levels = values.factorize()
            seen = np.bincount(codes + 1, minlength=len(levels) + 1).tolist()
            return by_level(zip(levels.tolist(), seen[1:], strict=True)), int(seen[0])
        if is_arrow(values):
            counted = values.value_counts()
            pairs = zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)
            return by_level(pairs), _missing_count(values)
    except (TypeError, NotImplementedError):  # lists, records: they have no hashes
        values = _written(values)
    array = _as_numpy(values)
    missing = _missing(array)
    present = array[~missing]
    distinct, times = np.unique(_written(present) if present.dtype == object else present, return_counts=True)
    return by_level(zip(distinct.tolist(), times.tolist(), strict=True)), int(missing.sum())


def _written(values: Any) -> NDArray[np.object_]:
    """Every present value as its level, as an array of objects."""
    given = values.to_pylist() if is_arrow(values) else _as_numpy(values).tolist()
    return np.array([None if is_nothing(value) else _level(value) for value in given], object)


def by_level(pairs: Iterable[tuple[Any, Any]]) -> dict[str, int]:
    """Counts by level of counts by value; missing values are left out."""
    counts: dict[str, int] = {}
    for value, times_seen in pairs:
        if times_seen and not is_nothing(value):
            level = _level(value)
            counts[level] = counts.get(level, 0) + int(times_seen)
    return counts


def as_arrow_strings(values: Any) -> pa.ChunkedArray | None:
    """The column as arrow strings where it holds them already (pyarrow, or pandas on pyarrow); else None."""
    if is_arrow(values):
        return values if _holds_strings(values.type) else None
    inner: Any = getattr(values, "array", None)
    if hasattr(inner, "__arrow_array__") and getattr(values.dtype, "storage", None) == "pyarrow":
        import pyarrow as pa

        whole = inner.__arrow_array__()
        if _holds_strings(whole.type):
            return whole if hasattr(whole, "num_chunks") else pa.chunked_array([whole])
    return None


def text_lengths(values: Any) -> Floats:
    """Number of characters of each value, of shape (rows,), missing ones as NaN."""
    strings = as_arrow_strings(values)
    if strings is not None:
        import pyarrow.compute as pc

        return np.asarray(pc.utf8_length(strings).to_numpy(), dtype=np.float64)
    array = _as_numpy(values)
    missing = _missing(array)
    return np.array(
        [np.nan if gone else len(str(v)) for v, gone in zip(array.tolist(), missing, strict=True)], float
    )


def utf8_pieces(values: Any) -> Iterable[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """The present values as UTF-8 laid end to end with the offsets between them, piece by piece."""
    strings = as_arrow_strings(values)
    if strings is None:
        array = _as_numpy(values)
        present = array[~_missing(array)].tolist()
        encoded = [str(value).encode("utf-8", "surrogatepass") for value in present]
        yield np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return
    for chunk in strings.drop_null().chunks:
        yield arrow_bytes(chunk)


def arrow_bytes(chunk: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes and offsets of an arrow array of strings without nulls, not copied."""
    import pyarrow as pa

    if str(chunk.type) not in {"string", "large_string"}:
        chunk = chunk.cast(pa.large_string())
    _, offsets, data = chunk.buffers()
    width = np.int64 if pa.types.is_large_string(chunk.type) else np.int32
    if not len(chunk):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    ends = np.frombuffer(offsets, width)[chunk.offset : chunk.offset + len(chunk) + 1].astype(np.int64)
    whole = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    return whole[ends[0] : ends[-1]], ends - ends[0]


def is_arrow(values: Any) -> bool:
    """Whether this is an array of pyarrow, which need not be imported to know."""
    return type(values).__module__.startswith("pyarrow")


def type_name(values: Any) -> str:
    """The column's type as its own library calls it, in lower case."""
    if is_arrow(values):
        return str(values.type).lower()
    name = str(values.dtype if hasattr(values, "dtype") else np.asarray(values).dtype).lower()
    return name.removeprefix("sparse[")


def _holds_strings(of: pa.DataType) -> bool:
    return str(of) in {"string", "large_string", "string_view"}


def _level(value: Any) -> str:
    """As one writes it; whole numbers alike, whether a missing one beside them made them floats or not."""
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    whole = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
    return str(int(value)) if whole else str(value)


def _as_numpy(values: Any) -> NDArray[Any]:
    if is_arrow(values):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    return np.asarray(values)


def _missing_count(values: Any) -> int:
    if is_arrow(values) and not str(values.type).startswith(("float", "double", "halffloat")):
        return int(values.null_count)
    return int(_missing(values).sum())


def _missing(values: Any) -> NDArray[np.bool_]:
    if is_arrow(values):
        return np.asarray(values.is_null(nan_is_null=True).to_numpy())
    if hasattr(values, "isna"):
        return np.asarray(values.isna())
    array = np.asarray(values)
    if array.dtype.kind in "fcmM":
        return np.asarray(np.isnat(array) if array.dtype.kind in "mM" else np.isnan(array))
    if array.dtype == object:
        return np.array([is_nothing(value) for value in array.tolist()], bool)
    return np.zeros(array.shape, bool)


def _to_floats(values: Any) -> Floats:
    if hasattr(values, "isna"):  # pandas: what is no numpy type converts itself
        name = type_name(values)
        if name.startswith("period"):
            values = getattr(values, "dt", values).start_time
        elif getattr(values.dtype, "tz", None):
            values = getattr(values, "dt", values).tz_convert(None)
        elif name.startswith(_NULLABLE) and not isinstance(values.dtype, np.dtype):
            return np.asarray(values.to_numpy(dtype="float64", na_value=np.nan))
    array = _as_numpy(values)
    if array.dtype.kind in "mM":
        seconds = array.astype(f"{array.dtype.kind}8[us]").astype(np.int64) / 1e6
        return np.where(np.isnat(array), np.nan, seconds)
    if array.dtype.kind in "US":
        raise TypeError("the values are strings")
    return objects_as_numbers(array) if array.dtype == object else np.asarray(array, dtype=np.float64)


_NULLABLE = ("int", "uint", "float", "double", "halffloat", "decimal", "bool")
