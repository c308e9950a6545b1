"""What callers hand in, checked where it comes in: the error says what was expected, and what came."""

from collections.abc import Mapping
from types import UnionType
from typing import Any

from pydantic import BaseModel, ValidationError

from perennial.errors import InvalidRequest


def need(name: str, given: Any, of: type | UnionType, expected: str) -> None:
    """Raise InvalidRequest where what was given is of another type.

    >>> need("state", "{}", Mapping | None, "the `state` of a report")
    Traceback (most recent call last):
    perennial.errors.InvalidRequest: state: expected the `state` of a report, got str
    """
    if not isinstance(given, of):
        raise InvalidRequest(f"{name}: expected {expected}, got {type(given).__name__}")


def block[B: BaseModel](name: str, given: B | Mapping[str, Any], of: type[B]) -> B:
    """What was given, or what a mapping of its fields makes. Raises InvalidRequest where that is neither."""
    if isinstance(given, of):
        return given
    need(name, given, Mapping, f"a {of.__name__} or a mapping of its fields")
    try:
        return of.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, found['loc']))}: {found['msg']}, got {found['input']!r}"
            for found in error.errors()
        )
        raise InvalidRequest(f"{name}: {wrong}") from error


def numbers(name: str, given: Any) -> dict[str, float]:
    """Numbers by name, of a mapping or a Series. Raises InvalidRequest where it is something else.

    >>> numbers("importances", {"a": 1, 2: "0.5"})
    {'a': 1.0, '2': 0.5}
    """
    if isinstance(given, type) or not hasattr(given, "items"):
        need(name, given, Mapping, "a mapping of names to numbers")
    found = {}
    for key, value in given.items():
        try:
            found[str(key)] = float(value)
        except (TypeError, ValueError) as error:
            raise InvalidRequest(f"{name}: expected a number for {key!r}, got {value!r}") from error
    return found
