"""What the model file says of the data: its columns, how files are written, when a batch is refused."""

import codecs
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perennial.config_fields import Block, Duration, Share

Action = Literal["reject", "drop", "warn"]


class Column(Block):
    """One column of the model's data and the rules it must keep.

    `unique`: no value comes twice. `max_age`: the newest date-time is at most so old. `action` on values that
    are of a wrong type, outside the range or the levels, or missing where none may be; by default the one of
    `validation`.
    """

    type: Literal["number", "category", "boolean", "datetime", "text"]
    nullable: bool = True
    min: float | None = None
    max: float | None = None
    levels: tuple[str, ...] | None = None
    unique: bool = False
    max_age: Duration | None = None
    action: Action | None = None


class FileFormat(Block):
    """How text files are written.

    `delimiter` None: whichever of comma, semicolon, tab and bar the header uses. `encoding` as Python names
    it; a byte order mark of UTF-8 or UTF-16 goes before it.
    """

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    encoding: str = "utf-8"

    @model_validator(mode="after")
    def _encoding_exists(self) -> Self:
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"no encoding is named {self.encoding!r}: expected utf-8, say") from error
        return self


class ValidationRules(Block):
    """When a whole batch is refused, and what becomes of rows that break a rule.

    `action` on wrong values. reject: up to `max_bad_share` of a column's rows they count as missing, more
    refuse the batch. drop: their rows are left out. warn: they count as missing, however many. `repeated` on
    rows that repeat the key of an earlier one. reject: they are left out, more than `max_bad_share` refuse
    the batch. drop: they are left out. warn: they stay. `stale` on a column older than its `max_age`.
    `min_label_share`: of the rows, so many have a label. `max_bytes`: so large may the files of a batch be
    together, decompressed.
    """

    min_rows: int = Field(default=20, ge=1)
    max_rows: int = Field(default=10_000_000, ge=1)
    max_null_share: Share = 0.2
    max_bad_share: Share = 0.05
    max_bytes: int = Field(default=16 * 1024**3, ge=1)
    min_label_share: Share = 0.0
    action: Action = "reject"
    repeated: Action = "reject"
    stale: Literal["reject", "warn"] = "reject"
