"""CSV, Parquet and JSON Lines files, plain or compressed, to pyarrow tables, whole or in parts.

Reading judges only whether a file is what its name promises. What is not of its column's type comes as
strings, so that a wrong value is counted later (see `conform_table`) and does not spoil the file.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from perennial.config import ModelConfig
from perennial.data_config import FileFormat
from perennial.dataset.csv_parts import CsvParts
from perennial.dataset.json_parts import JsonParts
from perennial.dataset.parquet_parts import ParquetParts
from perennial.dataset.streams import Budget, Source, promise
from perennial.errors import EmptyObject, InvalidData, UnreadableFile

if TYPE_CHECKING:
    import pyarrow as pa

Parts = CsvParts | JsonParts | ParquetParts

_NO_BOUND = 1 << 60
_GZIP = b"\x1f\x8b"
_STARTS = {_GZIP: "gzip", b"PAR1": "Parquet", b"PK\x03\x04": "a zip archive or an Excel workbook"}
_STARTS |= {b"\x28\xb5\x2f\xfd": "zstd"}


def read_table(path: Path, name: str, form: FileFormat | None = None) -> pa.Table:
    """Read one file whole. `name` (an S3 key, say) tells its format by its suffix, and stands in the
    messages.

    Suffixes: .csv, .parquet, .jsonl, .ndjson, .json, each also with .gz or .zst. Text is UTF-8 or UTF-16 by
    its byte order mark, else as `form` says; CSV has a header first, and an empty field is a missing value.
    All CSV columns are strings.

    Raises EmptyObject where there are no bytes or no rows, UnreadableFile where the file is not what its name
    promises, is cut off, has rows of different lengths or a column name twice.
    """
    return read_head(path, name, _NO_BOUND, form)


def read_head(path: Path, name: str, rows: int, form: FileFormat | None = None) -> pa.Table:
    """The first rows of a file, at least `rows` where it has so many; else as `read_table`."""
    import pyarrow as pa

    kind, compression = promise(name)
    source = Source(path, kind, compression, form or FileFormat(), Budget(_NO_BOUND))
    parts: Parts
    if kind == "CSV":
        parts = CsvParts(source, None)
    elif kind == "Parquet":
        parts = ParquetParts(source, None, ())
    else:
        parts = JsonParts(source, None)
    tables, read = [], 0
    for table in _checked(parts, source, name):
        tables.append(table.replace_schema_metadata())
        read += table.num_rows
        if read >= rows:
            break
    names = list(dict.fromkeys(column for table in tables for column in table.column_names))
    for column in names:
        types = {table.schema.field(column).type for table in tables if column in table.column_names}
        if len(types - {pa.null()}) > 1:
            tables = [_as_text(table, column) for table in tables]
    return pa.concat_tables(tables, promote_options="default").select(names)


def read_parts(path: Path, name: str, config: ModelConfig, budget: Budget) -> FileParts:
    """Open one file to be read in parts, the declared columns only, as near to their types as they come."""
    import pyarrow as pa

    kind, compression = promise(name)
    source = Source(path, kind, compression, config.format, budget)
    numbers = {column: rules.type == "number" for column, rules in config.columns.items()}
    if kind == "CSV":
        return FileParts(CsvParts(source, numbers), source, name)
    if kind == "Parquet":
        levels = [column for column, rules in config.columns.items() if rules.type == "category"]
        return FileParts(ParquetParts(source, numbers, levels), source, name)
    types = {"number": pa.float64(), "boolean": pa.bool_()}
    wanted = {column: types.get(rules.type, pa.string()) for column, rules in config.columns.items()}
    return FileParts(JsonParts(source, wanted), source, name)


class FileParts:
    """One file in parts, to be iterated once. `names`: its columns, of which the declared are read."""

    def __init__(self, parts: Parts, source: Source, name: str) -> None:
        self._parts, self._source, self._name = parts, source, name

    def __iter__(self) -> Iterator[pa.Table]:
        """Tables of the rows in turn. Raises what `read_table` does, and BatchTooLarge."""
        return _checked(self._parts, self._source, self._name)

    @property
    def names(self) -> list[str]:
        """Complete when iteration has ended."""
        return self._parts.names

    @property
    def threaded(self) -> bool:
        """Whether pyarrow reads it with threads of its own."""
        return not isinstance(self._parts, ParquetParts) or self._parts.threaded

    @property
    def rows(self) -> int | None:
        """How many rows the file says it has, once iteration began; None where its format does not say."""
        return self._parts.rows if isinstance(self._parts, ParquetParts) else None


def combine_tables(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of all the files of a batch: the rows of each in turn, the columns that all of them have.

    A column that some file lacks is thus missing from the whole, which validation refuses if it is declared.
    A column whose type differs between files becomes strings. Raises EmptyObject where there are no tables.
    """
    import pyarrow as pa

    if not tables:
        raise EmptyObject("the batch holds no files: expected at least one")
    names = set.intersection(*(set(table.column_names) for table in tables))
    shared = [name for name in tables[0].column_names if name in names]
    parts = [table.select(shared).replace_schema_metadata() for table in tables]
    for name in shared:
        types = {part.schema.field(name).type for part in parts} - {pa.null()}
        if len(types) > 1:
            parts = [_as_text(part, name) for part in parts]
    return pa.concat_tables(parts, promote_options="default")


def _checked(parts: Parts, source: Source, name: str) -> Iterator[pa.Table]:
    """The parts, and what is wrong with the file in words with its name."""
    if source.path.stat().st_size == 0:
        raise EmptyObject(f"{name} holds no bytes: expected {source.kind} with at least one row")
    rows = 0
    with _named(name, source, parts):
        for table in parts:
            rows += table.num_rows
            yield table
    twice = [column for column, times in Counter(parts.names).items() if times > 1]
    if twice:
        raise UnreadableFile(f"{name} has the column {twice[0]!r} more than once: expected names that differ")
    if rows == 0:
        held = "a header but no rows" if source.kind == "CSV" else "no rows"
        raise EmptyObject(f"{name} has {held}: expected at least one row")


@contextmanager
def _named(name: str, source: Source, parts: Parts) -> Iterator[None]:
    """Turn what the parsers raise into UnreadableFile with the file's name."""
    import pyarrow as pa

    kind = source.kind
    try:
        yield
    except InvalidData as error:
        if isinstance(error, UnreadableFile):
            _refuse_other_kind(name, source, error)
        raise type(error)(f"{name}: {error}") from error
    except UnicodeDecodeError as error:
        _refuse_other_kind(name, source, error)
        raise UnreadableFile(_not_utf8(name, kind, error.reason)) from error
    except (pa.ArrowException, OSError, csv.Error, ValueError, EOFError) as error:
        _refuse_other_kind(name, source, error)
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        if "Truncated" in reason:
            reason = f"the {source.compression} stream ends too early; was the upload broken off?"
        if "invalid UTF8" in reason:
            raise UnreadableFile(_not_utf8(name, kind, reason)) from error
        if isinstance(parts, CsvParts):
            reason = parts.place(reason)
        raise UnreadableFile(f"{name} cannot be read as {kind}: {reason}") from error


def _refuse_other_kind(name: str, source: Source, error: Exception) -> None:
    """Say so where the first bytes are those of another kind of file than the name promises."""
    with source.path.open("rb") as file:
        first = file.read(4)
    promised = source.compression or source.kind
    if source.compression == "gzip" and not first.startswith(_GZIP):
        raise UnreadableFile(f"{name} is not {source.kind} compressed by gzip, as its name says") from error
    found = next((kind for start, kind in _STARTS.items() if first.startswith(start)), promised)
    if found != promised:
        raise UnreadableFile(f"{name} is {found} by its first bytes, and {promised} by its name") from error


def _not_utf8(name: str, kind: str, reason: str) -> str:
    return (
        f"{name} is not UTF-8 text: expected {kind} ({reason}); "
        "another encoding, such as latin-1, can be declared in the model file (format.encoding)"
    )


def _as_text(table: pa.Table, column: str) -> pa.Table:
    import pyarrow as pa

    if column not in table.column_names:
        return table
    values = table.column(column)
    try:
        text = values.cast(pa.string())
    except pa.ArrowException:
        text = pa.chunked_array(
            [pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string())]
        )
    return table.set_column(table.column_names.index(column), column, text)
