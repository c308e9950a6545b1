"""What the blocks of a model file are made of."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: Any) -> Any:
    """Read `90s`, `15m`, `24h` or `7d` as a timedelta; leave anything else to pydantic.

    >>> parse_duration("90s")
    datetime.timedelta(seconds=90)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value.strip()) if isinstance(value, str) else None
    return timedelta(**{_UNITS[match[2]]: float(match[1])}) if match else value


Duration = Annotated[
    timedelta,
    Field(ge=timedelta()),
    BeforeValidator(parse_duration),
    PlainSerializer(lambda d: f"{d.total_seconds():.6f}".rstrip("0").rstrip(".") + "s", when_used="json"),
]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class Block(BaseModel):
    """A block of a model file: frozen, and an unknown field is an error.

    A validator is built when it is first needed: importing this is part of every cold start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def defaults() -> Any:
    """A block left out is one that says nothing. Written as `Block()`, importing would build a validator."""
    return Field(default={}, validate_default=True)


def in_days(span: timedelta) -> str:
    """A duration for people, in the largest unit that it has one of.

    >>> in_days(timedelta(days=30)), in_days(timedelta(hours=24)), in_days(timedelta(minutes=90))
    ('30 days', '24 hours', '1.5 hours')
    """
    seconds = span.total_seconds()
    for unit, size, least in (("day", 86_400, 4), ("hour", 3600, 1), ("minute", 60, 1)):
        if seconds >= least * size:
            count = seconds / size
            return f"{count:.4g} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"
