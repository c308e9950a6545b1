"""Rules of the model file held against rows, part by part, in bounded memory.

Nothing is judged here: wrong values become missing or lose their rows, as the rules' actions say, and
everything is counted. `perennial.problems` makes of the counts what is wrong with the batch.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perennial.config import ModelConfig
from perennial.data_config import Action, Column
from perennial.dataset.casting import BadValues, Cast, arrow_type, cast_column, shown
from perennial.duplicates import Duplicates
from perennial.seen import Seen

if TYPE_CHECKING:
    import pyarrow as pa

Mask = NDArray[np.bool_]
Columns = Mapping[str, Cast]


@dataclass
class Counts:
    """Of all rows so far. `wrong` by column and rule (`type`, `range`, `levels`, `unique`), `nulls` as they
    came.

    `rows` were read, `kept` are left, `labelled` of these have a label; `repeated` rows had the key of an
    earlier one, `dropped` rows were left out for another rule. `absent`: in how many rows a column was not
    there at all. `newest` by date-time column. `keys_beyond`: there were too many keys to compare them all.
    `duplicates` says how many rows are the same in every column, where the model has no key.
    """

    rows: int = 0
    kept: int = 0
    labelled: int = 0
    repeated: int = 0
    dropped: int = 0
    wrong: dict[str, dict[str, BadValues]] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)
    absent: dict[str, int] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    keys_beyond: bool = False
    duplicates: Duplicates = field(default_factory=Duplicates)


class Check:
    """Holds the rules against the parts of a batch in turn."""

    def __init__(
        self, config: ModelConfig, *, keep_levels: bool = False, count_duplicates: bool = False
    ) -> None:
        self._config = config
        self._keep_levels = keep_levels
        self._count_duplicates = count_duplicates and not config.key
        self._keys = Seen()
        self._unique = {name: Seen() for name, column in config.columns.items() if column.unique}
        self.counts = Counts()

    def add(self, table: pa.Table) -> pa.Table:
        """The declared columns of the part, cast and clean; one that is absent is all null."""
        return self.hold(table.num_rows, self.cast(table))[0]

    def cast(self, table: pa.Table, trusted: Container[str] = ()) -> dict[str, Cast]:
        """The declared columns of a part that are there, of their types; of any part, at any time. Numbers
        of the `trusted` columns are not looked at whether they are finite.
        """
        present = dict(zip(table.column_names, table.columns, strict=True))
        return {
            name: cast_column(
                present[name],
                column.type,
                keep_levels=self._keep_levels and column.levels is None,
                trusting=name in trusted,
            )
            for name, column in self._config.columns.items()
            if name in present
        }

    def hold(self, rows: int, casts: Columns) -> tuple[pa.Table, bool]:
        """The columns of the part that follows, clean, as `add` gives them, and whether all that were there
        are whole and as they were cast.
        """
        import pyarrow as pa

        counts = self.counts
        drop = np.zeros(rows, bool)
        columns: dict[str, pa.ChunkedArray] = {}
        for name, column in self._config.columns.items():
            if name in casts:
                columns[name] = self._column(name, column, casts[name], drop)
            else:
                columns[name] = pa.chunked_array([pa.nulls(rows, arrow_type(column.type))])
                counts.absent[name] = counts.absent.get(name, 0) + rows
        counts.rows += rows
        counts.dropped += int(drop.sum())
        if self._config.key and all(name in casts for name in self._config.key):
            repeated = self._keys.repeated([columns[name] for name in self._config.key]) & ~drop
            counts.keys_beyond = self._keys.full
            counts.repeated += int(repeated.sum())
            if self._config.validation.repeated != "warn":
                drop |= repeated
        clean = pa.Table.from_arrays(list(columns.values()), list(columns))
        whole = not drop.any()
        if not whole:
            clean = clean.filter(_arrow(~drop))
        if self._count_duplicates:
            counts.duplicates.add(clean)
        counts.kept += clean.num_rows
        counts.labelled += clean.num_rows - clean.column(self._config.label).null_count
        return clean, whole and all(columns[name] is cast.values for name, cast in casts.items())

    def action(self, column: Column) -> Action:
        """What is done about wrong values of a column."""
        return column.action or self._config.validation.action

    def _column(self, name: str, column: Column, done: Cast, drop: Mask) -> pa.ChunkedArray:
        counts, dropping = self.counts, self.action(column) == "drop"
        values = done.values
        nulls = values.null_count - (done.bad.rows if done.bad else 0)
        counts.nulls[name] = counts.nulls.get(name, 0) + nulls
        if dropping and not column.nullable and values.null_count:
            drop |= ~values.is_valid().to_numpy()
        if done.bad is not None and done.where is not None:
            self._count(name, "type", done.bad)
            drop |= done.where & dropping
        for rule, outside in (("range", _out_of_range(values, column)), ("levels", _unknown(values, column))):
            if outside is not None and outside.any():
                values = self._without(name, rule, values, outside)
                drop |= outside & dropping
        if column.unique:
            drop |= self._again(name, values) & dropping
        if column.max_age is not None and column.type == "datetime":
            self._note_newest(name, values)
        return values

    def _without(self, name: str, rule: str, values: pa.ChunkedArray, where: Mask) -> pa.ChunkedArray:
        first = values[int(where.argmax())].as_py()
        self._count(name, rule, BadValues(int(where.sum()), shown(first)))
        return _nulled(values, where)

    def _again(self, name: str, values: pa.ChunkedArray) -> Mask:
        again = self._unique[name].repeated([values])
        if again.any():
            first = values[int(again.argmax())].as_py()
            self._count(name, "unique", BadValues(int(again.sum()), shown(first)))
        return again

    def _count(self, name: str, rule: str, bad: BadValues) -> None:
        rules = self.counts.wrong.setdefault(name, {})
        before = rules.get(rule)
        rules[rule] = bad if before is None else BadValues(before.rows + bad.rows, before.first)

    def _note_newest(self, name: str, values: pa.ChunkedArray) -> None:
        import pyarrow.compute as pc

        newest: datetime | None = pc.max(values).as_py()
        before = self.counts.newest.get(name)
        if newest is not None and (before is None or newest > before):
            self.counts.newest[name] = newest


def _out_of_range(values: pa.ChunkedArray, column: Column) -> Mask | None:
    if column.type != "number" or (column.min is None and column.max is None):
        return None
    import pyarrow.compute as pc

    low = -np.inf if column.min is None else column.min
    high = np.inf if column.max is None else column.max
    ends: dict[str, Any] = pc.min_max(values).as_py()
    if ends["min"] is None or (ends["min"] >= low and ends["max"] <= high):
        return None
    numbers = values.to_numpy()  # nulls are NaN, and NaN is neither below nor above
    return np.asarray((numbers < low) | (numbers > high))


def _unknown(values: pa.ChunkedArray, column: Column) -> Mask | None:
    if column.levels is None or column.type not in {"category", "text"}:
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pc.is_in(values, value_set=pa.array([*column.levels, None], pa.string()))
    return ~np.asarray(known.to_numpy())


def _nulled(values: pa.ChunkedArray, where: Mask) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.chunked_array([_arrow(where)]), pa.scalar(None, values.type), values)


def _arrow(mask: Mask) -> pa.Array:
    import pyarrow as pa

    return pa.array(mask)
