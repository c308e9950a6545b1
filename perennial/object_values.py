"""Columns of Python objects: what kind of value they hold, and their values as numbers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOOLEANS = (bool, np.bool_)
_TIMES = (date, np.datetime64)
_SPANS = (timedelta, np.timedelta64)


def kind_of_objects(values: Iterable[Any]) -> Literal["number", "boolean", "datetime"] | None:
    """The kind that all present values share, spans of time being numbers; None for strings, for a mixture,
    and where every value is missing.

    >>> kind_of_objects([None, Decimal("1.5"), 2]), kind_of_objects([1, "a"])
    ('number', None)
    """
    present = (value for value in values if not is_nothing(value))
    first = next(present, None)
    if first is None or isinstance(first, str):
        return None
    of = {type(first), *map(type, present)}
    if all(issubclass(each, _BOOLEANS) for each in of):
        return "boolean"
    if all(issubclass(each, _TIMES) for each in of):
        return "datetime"
    plain = all(issubclass(each, Real | Decimal) and not issubclass(each, _BOOLEANS) for each in of)
    return "number" if plain or all(issubclass(each, _SPANS) for each in of) else None


def objects_as_numbers(values: NDArray[np.object_]) -> NDArray[np.float64]:
    """The values as float64 of shape (rows,): missing ones as NaN, too large ones as infinite, date-times as
    seconds since 1970, spans of time in seconds. Raises TypeError, ValueError for what is no number.
    """
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, OverflowError):
        return np.array([_as_number(value) for value in values.tolist()], np.float64)


def is_nothing(value: Any) -> bool:
    """Whether a value stands for a missing one: None, NaN, NaT, NA."""
    if value is None or type(value).__name__ == "NAType":
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - NaN and NaT differ from themselves
    except (TypeError, ValueError):  # arrays have no truth of their own
        return False


def _as_number(value: Any) -> float:
    if is_nothing(value):
        return np.nan
    if isinstance(value, np.datetime64 | np.timedelta64):
        value = value.astype(f"{value.dtype.kind}8[us]").astype(object)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
    if isinstance(value, timedelta):
        return value.total_seconds()
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
