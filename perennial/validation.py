"""Whether a batch can be used, and what it looks like: one reading gives verdict, profile and sample.

A few wrong values are nulled and their rows kept; more than the model file allows, and the batch is refused
whole, with reasons that say what was expected, what came, and in how many rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perennial.config import ModelConfig
from perennial.dataset.casting import BadValues, Cast
from perennial.dataset.reading import FileParts, read_parts
from perennial.dataset.streams import Budget
from perennial.errors import EmptyObject
from perennial.in_line import Step, in_line
from perennial.number_scan import NumberSums
from perennial.problems import Found, Problem, problems, warnings
from perennial.profile import Profile, ProfileStream
from perennial.profiling import Part, Scanned
from perennial.reservoir import Reservoir
from perennial.rules import Check

if TYPE_CHECKING:
    import pyarrow as pa

    _Coming = tuple[FileParts, pa.Table | None] | None  # a part of a file, its end, or the end of all

__all__ = ["Cleaned", "Problem", "Validation", "clean", "validate", "validate_files"]

_FIRST_ROWS = 131_072  # of which bins are made where no baseline fixes them
_THREADS = 8  # each holds a part of a file


@dataclass(frozen=True)
class Cleaned:
    """The declared columns with wrong values nulled and repeated keys dropped (the first row stays).

    `wrong` counts by column and rule (`type`, `range`, `levels`, `unique`), `rows_before` includes the rows
    left out, `repeated` ones among them; `nulls` counts what came missing, by column.
    """

    table: pa.Table
    rows_before: int
    repeated: int
    wrong: dict[str, dict[str, BadValues]]
    nulls: dict[str, int]


@dataclass(frozen=True)
class Validation:
    """The verdict on a batch. `rows` and `labelled_rows` count what is left of it, `bad` wrong values by
    column; `warnings` are what was noticed but is no reason to refuse.

    `table` is the clean batch where it was given whole; `sample` a part of it, drawn at random, where it
    was read from files. `profile` is there where no column is missing.
    """

    valid: bool
    rows: int
    labelled_rows: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    bad: dict[str, int]
    table: pa.Table = None
    sample: pa.Table = None
    profile: Profile | None = None

    @property
    def reasons(self) -> list[str]:
        """Why the batch is refused, in sentences; empty where it is not."""
        return [problem.message for problem in self.problems]

    def to_dict(self) -> dict[str, Any]:
        """Everything but table, sample and profile, as plain JSON values."""
        return {
            "valid": self.valid,
            "rows": self.rows,
            "labelled_rows": self.labelled_rows,
            "reasons": self.reasons,
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": list(self.warnings),
            "bad": self.bad,
        }


def validate(table: pa.Table, config: ModelConfig, now: datetime | None = None) -> Validation:
    """Judge a batch as it was read (see `perennial.dataset`) by the rules of the model file.

    Refused: a declared column missing (the label too: its values may be null, its column may not be absent),
    wrong values in more than `max_bad_share` of a column's rows or in a column that may have no nulls, nulls
    in more than `max_null_share` of a column's rows (the label exempt) or where none may be, rows below
    `min_rows` or above `max_rows`, keys repeated in more than `max_bad_share` of the rows, too few labels, a
    newest date-time older than `max_age` before `now`; all of that as the rules' actions say.
    """
    check = Check(config, count_duplicates=True)
    cleaned = check.add(table)
    present = tuple(name for name in config.columns if name in table.column_names)
    undeclared = tuple(name for name in table.column_names if name not in config.columns)
    found = Found(check.counts, present, undeclared)
    return replace(_verdict(found, config, now), table=cleaned.select(present))


def clean(table: pa.Table, config: ModelConfig) -> Cleaned:
    """Cast the declared columns, null what is no value of theirs, drop rows whose key came before."""
    check = Check(config)
    present = [name for name in config.columns if name in table.column_names]
    cleaned = check.add(table).select(present)
    counts = check.counts
    return Cleaned(cleaned, counts.rows, counts.repeated, counts.wrong, counts.nulls)


def validate_files(
    files: Iterable[tuple[Path, str]],
    config: ModelConfig,
    *,
    like: Profile | None = None,
    now: datetime | None = None,
    sample_rows: int = 5_000,
) -> Validation:
    """Judge the files of a batch, given with their names (see `read_table`), by the same rules as `validate`.

    Each file is read once, in parts: memory does not grow with the files. The profile is counted into the
    bins of `like`, else into bins of the first rows. Raises InvalidData where a file cannot be read.
    """
    reading = _Reading(config, like, sample_rows)
    parts = _in_parts(files, config, reading)
    first = next(parts)
    cores = os.process_cpu_count() or 1
    threads = cores + 1 if first and first[0].threaded else cores  # who waits for others' threads is no load
    threads = min(threads, _THREADS)
    steps: list[Step] = [reading.check, reading.count]
    in_line(chain([first], parts), reading.look, steps, reading.finish, threads)
    return reading.verdict(now)


def _in_parts(files: Iterable[tuple[Path, str]], config: ModelConfig, reading: _Reading) -> Iterator[_Coming]:
    """The parts of each file in turn, None at its end; None at the end of all."""
    budget = Budget(config.validation.max_bytes)
    for path, name in files:
        parts = read_parts(path, name, config, budget)
        for part in parts:
            yield parts, part
            if reading.cut:
                return
        yield parts, None
    yield None


@dataclass(frozen=True)
class _Looked:
    """Rows of a file, of their types, and what was found in the numbers, if these were scanned."""

    file: FileParts
    rows: int
    casts: Mapping[str, Cast]
    found: Sequence[Scanned] | None


class _Reading:
    """A batch while it is read."""

    def __init__(self, config: ModelConfig, like: Profile | None, sample_rows: int) -> None:
        self._config = config
        self._check = Check(config, keep_levels=True, count_duplicates=True)
        self._sample = Reservoir(sample_rows, config.seed)
        known = like.columns if like else ()
        self._unprofiled = [name for name in config.key if name not in known]  # new in every batch
        self._profile = ProfileStream({}, like, None) if like is not None else None
        self._clean = True  # so far: the numbers of a part that will be changed need not be scanned before
        self._waiting: list[pa.Table] = []
        self._names: dict[str, None] = {}
        self._present: set[str] | None = None
        self.cut = False

    def look(self, coming: _Coming) -> _Looked | FileParts | None:
        """Rows to their types, in any order; the file at its end, None at the end of all."""
        if coming is None:
            return None
        file, part = coming
        if part is None:
            return file
        profile = self._profile
        if profile is None or not self._clean or not set(profile.numbers) <= set(part.column_names):
            return _Looked(file, part.num_rows, self._check.cast(part), None)
        casts = self._check.cast(part, profile.numbers)
        found = profile.scan({name: cast.values for name, cast in casts.items()})
        odd = [name for sums, _ in found for name, of in sums.items() if _odd(of, casts[name].values)]
        if odd:
            casts |= self._check.cast(part.select(odd))
        same = all(casts[name].bad is None for name in odd)  # a missing value was found missing either way
        return _Looked(file, part.num_rows, casts, found if same else None)

    def check(self, part: _Looked | FileParts | None) -> Part | None:
        """What follows, in its order. Returns what is to be profiled."""
        if self.cut:
            return None
        if part is None:
            self._settle()
            return None
        if isinstance(part, FileParts):
            self._end_file(part.names)
            return None
        of = part.file.rows
        if of is not None and part.rows < of and not self._check.counts.rows:
            self._check.counts.duplicates.expect(of)
            self._sample.expect(of)
        cleaned, same = self._check.hold(part.rows, part.casts)
        self._clean = same and all(cast.bad is None for cast in part.casts.values())
        counts = self._check.counts
        self.cut = counts.rows > self._config.validation.max_rows
        if self.cut:
            self._end_file(part.file.names)
        columns = _columns(cleaned)
        self._sample.add(columns)
        if self._profile is not None:
            return self._profile.begin(columns, part.found if same else None)
        self._waiting.append(cleaned.drop_columns(self._unprofiled))
        return self._start_profile() if counts.kept >= _FIRST_ROWS else None

    def count(self, part: Part | None) -> Part | None:
        """What is counted in the order of the rows."""
        if part is not None and self._profile is not None:
            self._profile.count(part)
        return part

    def finish(self, part: Part | None) -> None:
        """What is counted in any order."""
        if part is not None and self._profile is not None:
            self._profile.finish(part)

    def _settle(self) -> None:
        """What else the verdict would wait for, while the last rows are scanned."""
        self._sample.columns()
        self._check.counts.duplicates.settle()

    def _end_file(self, names: list[str]) -> None:
        """All columns of the file are known now."""
        self._names.update(dict.fromkeys(names))
        self._present = set(names) if self._present is None else self._present & set(names)

    def verdict(self, now: datetime | None) -> Validation:
        """When all files are read."""
        if self._present is None:
            raise EmptyObject("the batch holds no files: expected at least one")
        if self._profile is None:
            self.finish(self.count(self._start_profile()))
        present = tuple(name for name in self._config.columns if name in self._present)
        undeclared = tuple(name for name in self._names if name not in self._config.columns)
        found = Found(self._check.counts, present, undeclared, self.cut)
        whole = len(present) == len(self._config.columns)
        return replace(
            _verdict(found, self._config, now),
            sample=_table(self._sample.columns(), self._config),
            profile=self._profiled() if whole else None,
        )

    def _start_profile(self) -> Part | None:
        import pyarrow as pa

        if not self._waiting:
            return None
        tables = [_plain(table) for table in self._waiting] if len(self._waiting) > 1 else self._waiting
        first = _columns(pa.concat_tables(tables))
        self._waiting = []
        declared = {name: self._config.columns[name] for name in first}
        profile = ProfileStream(first, None, declared)
        begun = profile.begin(first)
        self._profile = profile  # other threads may scan from now on
        return begun

    def _profiled(self) -> Profile | None:
        if self._profile is None:
            return None
        rows, columns, _, products = self._profile.parts()
        came = tuple((name, self._came_as(name)) for name in self._names if name not in self._unprofiled)
        return Profile(rows, columns, came, products)

    def _came_as(self, name: str) -> str:
        """The type that a column came with: its declared one, unless most of its values are none of it."""
        column = self._config.columns.get(name)
        if column is None:
            return ""
        counts = self._check.counts
        wrong = counts.wrong.get(name, {}).get("type")
        if wrong is not None and 2 * wrong.rows > counts.rows - counts.nulls.get(name, 0):
            return "string"
        return "string" if column.type in {"category", "text"} else column.type


def _verdict(found: Found, config: ModelConfig, now: datetime | None) -> Validation:
    counts = found.counts
    reasons = tuple(problems(found, config, now))
    return Validation(
        valid=not reasons,
        rows=counts.kept,
        labelled_rows=counts.labelled if config.label in found.present else 0,
        problems=reasons,
        warnings=tuple(warnings(found, config, now, reasons)),
        bad={name: sum(bad.rows for bad in rules.values()) for name, rules in counts.wrong.items()},
    )


def _odd(sums: NumberSums, values: pa.ChunkedArray) -> bool:
    """Whether some of the values are neither numbers nor missing."""
    return bool(sums.infinite or sums.nulls != values.null_count)


def _columns(table: pa.Table) -> dict[str, Any]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _plain(table: pa.Table) -> pa.Table:
    """Without dictionaries, which differ from part to part."""
    import pyarrow as pa

    for place, of in enumerate(table.schema):
        if pa.types.is_dictionary(of.type):
            table = table.set_column(place, of.name, table.column(place).cast(of.type.value_type))
    return table


def _table(columns: dict[str, Any], config: ModelConfig) -> pa.Table:
    import pyarrow as pa

    return _plain(pa.table({name: columns[name] for name in config.columns if name in columns}))
