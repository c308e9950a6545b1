"""One column of whatever table was given (pandas, pyarrow, numpy or a list), as numbers or as counted levels.

Neither pandas nor pyarrow is imported here: a column brings the methods it needs.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from perennial.errors import ProfileMismatch

Kind = Literal["number", "category", "boolean", "datetime", "text"]
Floats = NDArray[np.float64]

_MANY_LEVELS = 256


def columns_of(table: Any) -> dict[str, Any]:
    """Columns by name of a pandas DataFrame, a pyarrow Table or a mapping of arrays."""
    if hasattr(table, "column_names"):  # pyarrow
        return {str(name): table.column(name) for name in table.column_names}
    if isinstance(table, Mapping) or hasattr(table, "items"):
        return {str(name): values for name, values in table.items()}
    raise TypeError(
        f"expected a DataFrame, a pyarrow Table or a mapping of arrays, got {type(table).__name__}"
    )


def kind_of(values: Any) -> Kind:
    """What a column without a declared type is, by its own type; strings are text where they hardly ever
    repeat.
    """
    name = _type_name(values)
    if name.startswith(("int", "uint", "float", "double", "halffloat", "decimal")):
        return "number"
    if name.startswith("bool"):
        return "boolean"
    if name.startswith(("date", "timestamp")):
        return "datetime"
    if name.startswith(("category", "dictionary")):
        return "category"
    counts, _ = count_levels(values)
    return "text" if len(counts) > max(_MANY_LEVELS, sum(counts.values()) // 2) else "category"


def as_numbers(values: Any) -> Floats:
    """The values as float64 of shape (rows,), missing ones as NaN; date-times as seconds since 1970."""
    try:
        return _to_floats(values)
    except (TypeError, ValueError) as error:
        raise ProfileMismatch(
            f"a column of numbers was expected, got {_type_name(values)}: {error}"
        ) from error


def count_levels(values: Any) -> tuple[dict[str, int], int]:
    """How often each level occurs, in order of first count, and how many values are missing.

    Booleans are the levels `false` and `true`; any other value is its string.
    """
    missing = int(_missing(values).sum())
    if hasattr(values, "value_counts") and not _is_arrow(values):
        counted = values.value_counts(dropna=True)
        pairs: Iterable[tuple[Any, Any]] = zip(counted.index.tolist(), counted.tolist(), strict=True)
    elif _is_arrow(values):
        pairs = ((pair["values"], pair["counts"]) for pair in values.value_counts().to_pylist())
    else:
        array = _as_numpy(values)
        present = array[~_missing(array)]
        found, times = np.unique(
            present.astype(str) if present.dtype == object else present, return_counts=True
        )
        pairs = zip(found.tolist(), times.tolist(), strict=True)
    counts: dict[str, int] = {}
    for value, times_seen in pairs:
        if times_seen and not _is_nothing(value):
            level = _level(value)
            counts[level] = counts.get(level, 0) + int(times_seen)
    return counts, missing


def text_lengths(values: Any) -> Floats:
    """Number of characters of each value, of shape (rows,), missing ones as NaN."""
    array = _as_numpy(values)
    missing = _missing(array)
    return np.array(
        [np.nan if gone else len(str(v)) for v, gone in zip(array.tolist(), missing, strict=True)], float
    )


def _is_nothing(value: Any) -> bool:
    return value is None or bool(value != value)  # noqa: PLR0124 - NaN and NaT differ from themselves


def _level(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_arrow(values: Any) -> bool:
    return type(values).__module__.startswith("pyarrow")


def _type_name(values: Any) -> str:
    if _is_arrow(values):
        return str(values.type).lower()
    return str(values.dtype if hasattr(values, "dtype") else np.asarray(values).dtype).lower()


def _as_numpy(values: Any) -> NDArray[Any]:
    if _is_arrow(values):
        return np.asarray(values.to_numpy())
    return np.asarray(values)


def _missing(values: Any) -> NDArray[np.bool_]:
    if _is_arrow(values):
        return np.asarray(values.is_null(nan_is_null=True).to_numpy())
    if hasattr(values, "isna"):
        return np.asarray(values.isna())
    array = np.asarray(values)
    if array.dtype.kind in "fcmM":
        return np.asarray(np.isnat(array) if array.dtype.kind in "mM" else np.isnan(array))
    if array.dtype == object:
        return np.array([_is_nothing(value) for value in array.tolist()], bool)
    return np.zeros(array.shape, bool)


def _to_floats(values: Any) -> Floats:
    if hasattr(values, "isna"):  # pandas: what is no numpy type converts itself
        if getattr(values.dtype, "tz", None):
            values = values.dt.tz_convert(None)
        elif not isinstance(values.dtype, np.dtype) and kind_of(values) in {"number", "boolean"}:
            return np.asarray(values.to_numpy(dtype="float64", na_value=np.nan))
    array = _as_numpy(values)
    if array.dtype.kind == "M":
        seconds = array.astype("datetime64[us]").astype(np.int64) / 1e6
        return np.where(np.isnat(array), np.nan, seconds)
    if array.dtype.kind in "US":
        raise TypeError("the values are strings")
    return array.astype(np.float64)
