"""What the counts of a batch mean: reasons to refuse it and warnings, for programs and in words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from perennial.config import ModelConfig
from perennial.data_config import Action, Column
from perennial.dataset.casting import BadValues
from perennial.rules import Counts

_INFINITE = re.compile(r"'?[-+]?(inf|infinity)'?", re.IGNORECASE).fullmatch
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
class Found:
    """A batch as it was read: what was counted, the declared columns that all its files have, and all others.

    `cut` where reading stopped at `max_rows`.
    """

    counts: Counts
    present: tuple[str, ...]
    undeclared: tuple[str, ...] = ()
    cut: bool = False


def problems(found: Found, config: ModelConfig, now: datetime | None) -> Iterator[Problem]:
    """Why the batch is refused; nothing where it is not. Without `now`, nothing is too old."""
    yield from _row_problems(found, config)
    for name in config.columns:
        yield from _column_problems(name, found, config)
    if now is not None and config.validation.stale == "reject":
        for name, words in _stale(found, config, now):
            yield Problem("freshness", name, found.counts.rows, words)


def warnings(
    found: Found, config: ModelConfig, now: datetime | None, refused: Collection[Problem] = ()
) -> Iterator[str]:
    """What was noticed but is no reason to refuse; what is `refused` need not be said twice."""
    counts = found.counts
    yield from _undeclared(found.undeclared)
    for name, rules in counts.wrong.items():
        column = config.columns[name]
        for rule, bad in rules.items():
            if any(problem.column == name and rule in problem.rule.split("+") for problem in refused):
                continue
            words = _wrong_words(rule, bad, counts.rows, column)
            yield f"column {name}: {words}; {_fate(rule, _action(column, config))}"
    for name, column in config.columns.items():
        nulls = counts.nulls.get(name, 0)
        action = _action(column, config)
        if nulls and not column.nullable and action != "reject":
            yield f"column {name}: {_of(nulls, counts.rows)} missing; {_fate('nulls', action)}"
    yield from _repeated_rows(found, config)
    if counts.nulls.get(config.label) == counts.rows:
        yield f"no row has a value of the label {config.label}"
    if now is not None and config.validation.stale == "warn":
        yield from (words for _, words in _stale(found, config, now))


def _repeated_rows(found: Found, config: ModelConfig) -> Iterator[str]:
    counts = found.counts
    if counts.repeated:
        fate = "stay" if config.validation.repeated == "warn" else "were left out"
        yield f"{counts.repeated} rows repeat the key of an earlier row: they {fate}"
    if repeated := counts.duplicates.repeated:
        yield _duplicates(counts, repeated)
    if counts.keys_beyond:
        yield "there are more keys than can be compared: repeated ones among the last rows may be left"


def _row_problems(found: Found, config: ModelConfig) -> Iterator[Problem]:
    rules, counts = config.validation, found.counts
    if counts.kept < rules.min_rows:
        left = f" left of {counts.rows}" if counts.dropped else ""
        yield Problem(
            "min_rows",
            None,
            counts.kept,
            f"the batch has {counts.kept} rows{left}; at least {rules.min_rows} are needed",
        )
    if found.cut or counts.kept > rules.max_rows:
        rows = f"more than {rules.max_rows}" if found.cut else f"{counts.kept}"
        words = f"the batch has {rows} rows; at most {rules.max_rows} may be"
        yield Problem("max_rows", None, counts.kept, words)
    if rules.repeated == "reject" and counts.repeated > rules.max_bad_share * counts.rows:
        yield Problem(
            "unique",
            None,
            counts.repeated,
            f"key {', '.join(config.key)}: {counts.repeated} of {counts.rows} rows repeat the key "
            f"of an earlier row; at most {_percent(rules.max_bad_share)} may",
        )
    if config.label in found.present and counts.labelled < rules.min_label_share * counts.kept:
        yield Problem(
            "label",
            config.label,
            counts.kept - counts.labelled,
            f"label {config.label}: {counts.labelled} of {counts.kept} rows have one; "
            f"at least {_percent(rules.min_label_share)} must",
        )


def _instead(name: str, found: Found, config: ModelConfig) -> str:
    """What came where a column was expected; the nearest name, and what its absence may come from."""
    what = "the label's column" if name == config.label else "it"
    names = {_plainly(each): each for each in found.undeclared}
    near = get_close_matches(_plainly(name), names, n=1)
    words = f"{what} was expected, found {_some([*found.present, *found.undeclared])}"
    if near:
        return f"{words}; {names[near[0]]!r} is near, but names count to the letter"
    return words if found.present else f"{words}; is the first line of the file its header?"


def _plainly(name: str) -> str:
    return name.strip().lower()


def _some(names: Sequence[str], most: int = 8) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _undeclared(names: Sequence[str]) -> Iterator[str]:
    if len(names) == 1:
        yield f"column {names[0]} is not in the model file: it was left out"
    elif names:
        yield f"{len(names)} columns are not in the model file, they were left out: {_some(names)}"


def _column_problems(name: str, found: Found, config: ModelConfig) -> Iterator[Problem]:
    column, rules, counts = config.columns[name], config.validation, found.counts
    rows = counts.rows
    if name not in found.present:
        words = f"MissingColumn: column {name} is missing: {_instead(name, found, config)}"
        yield Problem("missing", name, rows, words)
        return
    refusing = _action(column, config) == "reject"
    wrong = counts.wrong.get(name, {}) if refusing else {}
    bad = sum(value.rows for value in wrong.values())
    if bad > rules.max_bad_share * rows or (bad and not column.nullable):
        limit = f"at most {_percent(rules.max_bad_share)} may be" if column.nullable else "none may be"
        what = " and ".join(_wrong_words(rule, value, rows, column) for rule, value in wrong.items())
        yield Problem("+".join(wrong), name, bad, f"column {name}: {what}; {limit}")
    nulls = counts.nulls.get(name, 0) + counts.absent.get(name, 0)
    if nulls and not column.nullable:
        if refusing:
            yield Problem("nulls", name, nulls, f"column {name}: {_of(nulls, rows)} missing; none may be")
    elif nulls > rules.max_null_share * rows and name != config.label and refusing:
        limit = f"at most {_percent(rules.max_null_share)} may be"
        yield Problem("nulls", name, nulls, f"column {name}: {_of(nulls, rows)} missing; {limit}")


def _duplicates(counts: Counts, repeated: int) -> str:
    advice = "without a key nothing tells whether that is meant"
    if counts.duplicates.sampled:
        share = repeated / counts.duplicates.compared
        return f"about {share:.2g} of all rows are the same as an earlier one in every column: {advice}"
    some = f"{repeated} of {counts.duplicates.compared} rows {'is' if repeated == 1 else 'are'}"
    return f"{some} the same as an earlier one in every column: {advice}"


def _stale(found: Found, config: ModelConfig, now: datetime) -> Iterable[tuple[str, str]]:
    moment = (now.astimezone(UTC) if now.tzinfo else now).replace(tzinfo=None)
    for name, column in config.columns.items():
        newest = found.counts.newest.get(name)
        if column.max_age is not None and newest is not None and moment - newest > column.max_age:
            yield (
                name,
                (
                    f"column {name}: the newest value is {newest:%Y-%m-%d %H:%M:%S}, "
                    f"{_duration(moment - newest)} old; at most {_duration(column.max_age)} may it be"
                ),
            )


def _action(column: Column, config: ModelConfig) -> Action:
    return column.action or config.validation.action


def _fate(rule: str, action: Action) -> str:
    if action == "drop":
        return "their rows were left out"
    return {"unique": "they stay", "nulls": "their rows stay"}.get(rule, "they count as missing")


def _wrong_words(rule: str, bad: BadValues, rows: int, column: Column) -> str:
    of = _of(bad.rows, rows)
    if rule == "type":
        comma = column.type == "number" and re.fullmatch(r"'-?\d+,\d+'", bad.first)
        hint = "; a decimal point was expected" if comma else ""
        hint = "; a finite one was expected" if column.type == "number" and _INFINITE(bad.first) else hint
        return f"{of} not {_NOUNS[column.type][bad.rows != 1]} (first: {bad.first}{hint})"
    if rule == "range":
        low = "any" if column.min is None else f"{column.min:g}"
        high = "any" if column.max is None else f"{column.max:g}"
        return f"{of} outside {low} to {high} (first: {bad.first})"
    if rule == "unique":
        return f"{of} the same as an earlier one (first: {bad.first})"
    return f"{of} none of the levels {', '.join((column.levels or ())[:8])} (first: {bad.first})"


def _of(some: int, rows: int) -> str:
    return f"{some} of {rows} values {'is' if some == 1 else 'are'}"


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _duration(span: timedelta) -> str:
    for unit, seconds in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if span.total_seconds() >= seconds:
            return f"{span.total_seconds() / seconds:.3g} {unit}"
    return f"{span.total_seconds():.3g} seconds"
