"""CSV, Parquet and JSON Lines files, plain or compressed, to pyarrow tables.

Reading judges only whether a file is what its name promises. CSV columns stay strings and mixed JSON columns
become strings, so that a wrong value is counted later (see `conform_table`) and does not spoil the file.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perennial.errors import EmptyObject, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

_FORMATS = {
    ".csv": "CSV",
    ".parquet": "Parquet",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
    ".json": "JSON Lines",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def read_table(path: Path, name: str) -> pa.Table:
    """Read one file whole. `name` (an S3 key, say) tells its format by its suffix, and stands in the
    messages.

    Suffixes: .csv, .parquet, .jsonl, .ndjson, .json, each also with .gz or .zst. CSV is UTF-8 with or without
    a byte order mark, commas between the fields, a header first; an empty field is a missing value. All CSV
    columns are strings.

    Raises EmptyObject where there are no bytes or no rows, UnreadableFile where the file is not what its name
    promises, is cut off, has rows of different lengths or a column name twice.
    """
    kind, compression = _promise(name)
    if path.stat().st_size == 0:
        raise EmptyObject(f"{name} holds no bytes: expected {kind} with at least one row")
    with _named(name, kind):
        table = _READERS[kind](path, compression)
    twice = [column for column, times in Counter(table.column_names).items() if times > 1]
    if twice:
        raise UnreadableFile(f"{name} has the column {twice[0]!r} more than once: expected names that differ")
    if table.num_rows == 0:
        raise EmptyObject(f"{name} has a header but no rows: expected at least one row")
    return table


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


def _promise(name: str) -> tuple[str, str | None]:
    suffixes = Path(name.lower()).suffixes
    compression = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes = suffixes[:-1]
    kind = _FORMATS.get(suffixes[-1]) if suffixes else None
    if kind is None:
        known = ", ".join(_FORMATS)
        raise UnreadableFile(
            f"{name} is of no known format: expected a name ending in {known} (also .gz, .zst)"
        )
    return kind, compression


@contextmanager
def _named(name: str, kind: str) -> Iterator[None]:
    """Turn what the parsers raise into UnreadableFile with the file's name."""
    import pyarrow as pa

    try:
        yield
    except (EmptyObject, UnreadableFile) as error:
        raise type(error)(f"{name}: {error}") from error
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{name} is not UTF-8 text: expected {kind} ({error.reason})") from error
    except (pa.ArrowInvalid, OSError, csv.Error, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0][:300]
        raise UnreadableFile(f"{name} cannot be read as {kind}: {reason}") from error


def _open(path: Path, compression: str | None) -> Any:
    import pyarrow as pa

    return pa.input_stream(str(path), compression=compression)


def _read_csv(path: Path, compression: str | None) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = _csv_header(path, compression)
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
    )
    parse = arrow_csv.ParseOptions(newlines_in_values=True)

    def read(threads: bool) -> pa.Table:
        options = arrow_csv.ReadOptions(use_threads=threads)
        with _open(path, compression) as stream:
            return arrow_csv.read_csv(stream, options, parse, convert)

    try:
        return read(threads=True)
    except pa.ArrowInvalid as error:
        if "Expected" not in str(error):
            raise
        return read(threads=False)  # raises again: only the serial reader knows the row's number


def _csv_header(path: Path, compression: str | None) -> list[str]:
    with (
        _open(path, compression) as stream,
        io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text,
    ):
        header = next((row for row in csv.reader(text) if row), None)
    if header is None:
        raise EmptyObject("it holds no header: expected CSV with at least one row")
    if any("\0" in name for name in header):
        raise UnreadableFile("the header is binary data: expected names of columns")
    return header


def _read_parquet(path: Path, compression: str | None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if compression is None:
        with pq.ParquetFile(str(path)) as file:
            return file.read()
    with _open(path, compression) as stream:
        return pq.ParquetFile(pa.BufferReader(stream.read())).read()


def _read_json_lines(path: Path, compression: str | None) -> pa.Table:
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    with _open(path, compression) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig") as text:
        for number, line in enumerate(text, start=1):
            if line.strip():
                rows.append(_json_row(line, number))
    if not rows:
        raise EmptyObject("it holds no rows: expected JSON Lines with at least one row")
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _json_column([row.get(name) for row in rows]) for name in names})


def _json_row(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"line {number} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise UnreadableFile(
            f"line {number} holds a {type(row).__name__}: expected an object of named values"
        )
    return row


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        twice = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
        raise UnreadableFile(f"a row has the column {twice[0]!r} more than once: expected names that differ")
    return row


def _json_column(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    types = {type(value) for value in values if value is not None}
    if types <= {bool} or types <= {str}:
        return pa.array(values, pa.bool_() if types == {bool} else pa.string())
    if types <= {int, float}:
        try:
            return pa.array(values, pa.float64() if float in types else pa.int64())
        except (OverflowError, pa.ArrowInvalid):
            return pa.array(_texts(values), pa.string())
    return pa.array(_texts(values), pa.string())


def _texts(values: Iterable[Any]) -> list[str | None]:
    return [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]


def _as_text(table: pa.Table, column: str) -> pa.Table:
    import pyarrow as pa

    values = table.column(column)
    try:
        text = values.cast(pa.string())
    except pa.ArrowException:
        text = pa.chunked_array(
            [pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string())]
        )
    return table.set_column(table.column_names.index(column), column, text)


_READERS = {"CSV": _read_csv, "Parquet": _read_parquet, "JSON Lines": _read_json_lines}
