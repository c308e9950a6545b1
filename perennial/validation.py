"""Rules of the model file held against a batch: what is wrong, how much of it, and whether the batch can be
used.

A few wrong values are nulled and their rows kept; more than the model file allows, and the batch is refused
whole, with reasons that say what was expected, what came, and in how many rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial.config import Column, ModelConfig
from perennial.dataset.casting import BadValues, conform_table, shown

if TYPE_CHECKING:
    import pyarrow as pa

_NOUNS = {
    "number": ("a number", "numbers"),
    "boolean": ("true or false", "true or false"),
    "datetime": ("a date-time", "date-times"),
    "category": ("text", "text"),
    "text": ("text", "text"),
}


@dataclass(frozen=True)
class Problem:
    """One reason to refuse a batch, for programs (`rule`, `column`, `rows`) and for people (`message`)."""

    rule: str
    column: str | None
    rows: int
    message: str


@dataclass(frozen=True)
class Cleaned:
    """The declared columns with wrong values nulled and repeated keys dropped (the first row stays).

    `wrong` counts by column and rule (`type`, `range`, `levels`), `rows_before` includes the `repeated` ones;
    `nulls` counts what came missing, by column.
    """

    table: pa.Table
    rows_before: int
    repeated: int
    wrong: dict[str, dict[str, BadValues]]
    nulls: dict[str, int]


@dataclass(frozen=True)
class Validation:
    """The verdict on a batch. `table` is the clean one (see `Cleaned`), `rows` and `labelled_rows` count in
    it.

    `bad` counts wrong values by column; `warnings` are what was noticed but is no reason to refuse.
    """

    valid: bool
    rows: int
    labelled_rows: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    bad: dict[str, int]
    table: pa.Table

    @property
    def reasons(self) -> list[str]:
        """Why the batch is refused, in sentences; empty where it is not."""
        return [problem.message for problem in self.problems]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the table, as plain JSON values."""
        return {
            "valid": self.valid,
            "rows": self.rows,
            "labelled_rows": self.labelled_rows,
            "reasons": self.reasons,
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": list(self.warnings),
            "bad": self.bad,
        }


def validate(table: pa.Table, config: ModelConfig) -> Validation:
    """Judge a batch as it was read (see `perennial.dataset`) by the rules of the model file.

    Refused: a declared column missing (the label too: its values may be null, its column may not be absent),
    wrong values in more than `max_bad_share` of a column's rows or in a column that may have no nulls, nulls
    in more than `max_null_share` of a column's rows (the label exempt) or where none may be, rows below
    `min_rows` or above `max_rows`, keys repeated in more than `max_bad_share` of the rows.
    """
    cleaned = clean(table, config)
    rows = cleaned.table.num_rows
    problems = [
        *_row_problems(cleaned, config),
        *(problem for name in config.columns for problem in _column_problems(name, cleaned, config)),
    ]
    has_label = config.label in cleaned.table.column_names
    return Validation(
        valid=not problems,
        rows=rows,
        labelled_rows=rows - cleaned.table.column(config.label).null_count if has_label else 0,
        problems=tuple(problems),
        warnings=tuple(_warnings(table, cleaned, config)),
        bad={name: sum(bad.rows for bad in rules.values()) for name, rules in cleaned.wrong.items()},
        table=cleaned.table,
    )


def clean(table: pa.Table, config: ModelConfig) -> Cleaned:
    """Cast the declared columns, null what is no value of theirs, drop rows whose key came before."""
    conformed, unreadable = conform_table(table, config)
    wrong: dict[str, dict[str, BadValues]] = {name: {"type": bad} for name, bad in unreadable.items()}
    nulls = {
        name: conformed.column(name).null_count - (unreadable[name].rows if name in unreadable else 0)
        for name in conformed.column_names
    }
    for place, name in enumerate(conformed.column_names):
        column = config.columns[name]
        for rule, outside in (
            ("range", _out_of_range(conformed, name, column)),
            ("levels", _unknown(conformed, name, column)),
        ):
            if outside is not None and outside.any():
                first = conformed.column(name)[int(outside.argmax())].as_py()
                wrong.setdefault(name, {})[rule] = BadValues(int(outside.sum()), shown(first))
                conformed = conformed.set_column(place, name, _nulled(conformed.column(name), outside))
    rows = conformed.num_rows
    repeated = _repeated(conformed, config)
    if repeated is not None and repeated.any():
        conformed = conformed.filter(_mask(~repeated))
    return Cleaned(conformed, rows, rows - conformed.num_rows, wrong, nulls)


def _out_of_range(table: pa.Table, name: str, column: Column) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    if column.type != "number" or (column.min is None and column.max is None):
        return None
    values = table.column(name).to_numpy()  # nulls are NaN, and NaN is neither below nor above
    low = -np.inf if column.min is None else column.min
    high = np.inf if column.max is None else column.max
    return np.asarray((values < low) | (values > high))


def _unknown(table: pa.Table, name: str, column: Column) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    if column.levels is None or column.type not in {"category", "text"}:
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pc.is_in(table.column(name), value_set=pa.array([*column.levels, None], pa.string()))
    return ~np.asarray(known.to_numpy())


def _nulled(values: pa.ChunkedArray, where: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.chunked_array([_mask(where)]), pa.scalar(None, values.type), values)


def _mask(values: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Array:
    import pyarrow as pa

    return pa.array(values)


def _repeated(table: pa.Table, config: ModelConfig) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Rows whose complete key an earlier row has; rows with a null in the key are never repeated."""
    if not config.key or any(name not in table.column_names for name in config.key):
        return None
    codes = np.zeros((len(config.key), table.num_rows), np.int64)
    for place, name in enumerate(config.key):
        encoded = table.column(name).combine_chunks().dictionary_encode()
        codes[place] = encoded.indices.fill_null(-1).to_numpy()
    _, first = np.unique(codes, axis=1, return_index=True)
    repeated = np.ones(table.num_rows, bool)
    repeated[first] = False
    repeated[(codes < 0).any(axis=0)] = False
    return repeated


def _row_problems(cleaned: Cleaned, config: ModelConfig) -> Iterator[Problem]:
    rules, rows = config.validation, cleaned.table.num_rows
    if rows < rules.min_rows:
        yield Problem(
            "min_rows", None, rows, f"the batch has {rows} rows; at least {rules.min_rows} are needed"
        )
    if rows > rules.max_rows:
        yield Problem("max_rows", None, rows, f"the batch has {rows} rows; at most {rules.max_rows} may be")
    if cleaned.repeated > rules.max_bad_share * cleaned.rows_before:
        yield Problem(
            "unique",
            None,
            cleaned.repeated,
            f"key {', '.join(config.key)}: {cleaned.repeated} of {cleaned.rows_before} rows repeat the key "
            f"of an earlier row; at most {_percent(rules.max_bad_share)} may",
        )


def _column_problems(name: str, cleaned: Cleaned, config: ModelConfig) -> Iterator[Problem]:
    column, rules, rows = config.columns[name], config.validation, cleaned.rows_before
    if name not in cleaned.table.column_names:
        what = "the label's column" if name == config.label else "it"
        found = ", ".join(cleaned.table.column_names) or "none of the declared columns"
        yield Problem("missing", name, rows, f"column {name} is missing: {what} was expected, found {found}")
        return
    wrong = cleaned.wrong.get(name, {})
    bad = sum(value.rows for value in wrong.values())
    if bad > rules.max_bad_share * rows or (bad and not column.nullable):
        limit = f"at most {_percent(rules.max_bad_share)} may be" if column.nullable else "none may be"
        what = " and ".join(_wrong_words(rule, value, rows, column) for rule, value in wrong.items())
        yield Problem("+".join(wrong), name, bad, f"column {name}: {what}; {limit}")
    nulls = cleaned.nulls[name]
    if nulls and not column.nullable:
        yield Problem("nulls", name, nulls, f"column {name}: {_of(nulls, rows)} missing; none may be")
    elif nulls > rules.max_null_share * rows and name != config.label:
        limit = f"at most {_percent(rules.max_null_share)} may be"
        yield Problem("nulls", name, nulls, f"column {name}: {_of(nulls, rows)} missing; {limit}")


def _wrong_words(rule: str, bad: BadValues, rows: int, column: Column) -> str:
    of = _of(bad.rows, rows)
    if rule == "type":
        return f"{of} not {_NOUNS[column.type][bad.rows != 1]} (first: {bad.first})"
    if rule == "range":
        low = "any" if column.min is None else f"{column.min:g}"
        high = "any" if column.max is None else f"{column.max:g}"
        return f"{of} outside {low} to {high} (first: {bad.first})"
    return f"{of} none of the levels {', '.join((column.levels or ())[:8])} (first: {bad.first})"


def _warnings(table: pa.Table, cleaned: Cleaned, config: ModelConfig) -> Iterator[str]:
    for name in table.column_names:
        if name not in config.columns:
            yield f"column {name} is not in the model file: it was left out"
    for name, rules in cleaned.wrong.items():
        for rule, bad in rules.items():
            words = _wrong_words(rule, bad, cleaned.rows_before, config.columns[name])
            yield f"column {name}: {words}; they count as missing"
    if cleaned.repeated:
        yield f"{cleaned.repeated} rows repeat the key of an earlier row: they were left out"
    if cleaned.nulls.get(config.label) == cleaned.rows_before:
        yield f"no row has a value of the label {config.label}"


def _of(some: int, rows: int) -> str:
    return f"{some} of {rows} values {'is' if some == 1 else 'are'}"


def _percent(share: float) -> str:
    return f"{share * 100:g} %"
