"""JSON Lines in parts: pyarrow parses blocks of whole lines to the declared types.

A block that it cannot read so, for mixed types, say, is read line by line: slowly, but every value is kept
as it came and every error has its line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from perennial.dataset.streams import Source, whole_records
from perennial.errors import EmptyObject, UnreadableFile

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 8 * 1024 * 1024
PIECE_BYTES = 1024 * 1024  # parsed by one thread


class JsonParts:
    """A JSON Lines file as tables of its rows in turn. `names`: the columns seen so far.

    `wanted`: the pyarrow types of the columns to read; None reads all as they are.
    """

    def __init__(self, source: Source, wanted: Mapping[str, pa.DataType] | None) -> None:
        self._source = source
        self._wanted = wanted
        self._seen: dict[str, None] = {}
        self._line = 0

    @property
    def names(self) -> list[str]:
        """In the order of their first coming."""
        return list(self._seen)

    def __iter__(self) -> Iterator[pa.Table]:
        some = False
        with self._source.text() as text:
            for view in whole_records(text.fill, b"", BLOCK_BYTES, quote=None):
                block = bytes(view)
                table = self._parse(block)
                self._line += block.count(b"\n")
                if table is not None:
                    some = True
                    yield table
        if not some:
            raise EmptyObject("it holds no rows: expected JSON Lines with at least one row")

    def _parse(self, block: bytes) -> pa.Table | None:
        table = None if self._wanted is None else self._fast(block, self._wanted)
        if table is not None:
            return table
        rows = [
            _row(line, number)
            for number, line in enumerate(block.decode("utf-8").split("\n"), start=self._line + 1)
            if line.strip()
        ]
        if not rows:
            return None
        import pyarrow as pa

        names = dict.fromkeys(name for row in rows for name in row)
        self._seen.update(names)
        return pa.table({name: _column([row.get(name) for row in rows]) for name in names})

    def _fast(self, block: bytes, wanted: Mapping[str, pa.DataType]) -> pa.Table | None:
        """The wanted columns, or None where pyarrow cannot tell."""
        import pyarrow as pa

        first = block.lstrip().partition(b"\n")[0]
        here = {name: of for name, of in wanted.items() if json.dumps(name).encode() in block}
        try:
            names = json.loads(first, object_pairs_hook=_without_duplicates)
            table = _read(block, pa.schema(list(here.items())))
        except (pa.ArrowException, ValueError, TypeError, UnreadableFile):
            return None
        if not here or table.num_columns != len(here) or not isinstance(names, dict):
            return None
        self._seen.update(dict.fromkeys([*names, *here]))
        return table


def _read(block: bytes, schema: pa.Schema) -> pa.Table:
    """In pieces, by all cores; whole where a line is longer than a piece."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    parsing = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        reading = arrow_json.ReadOptions(block_size=PIECE_BYTES)
        return arrow_json.read_json(pa.BufferReader(block), reading, parsing)
    except pa.ArrowInvalid as error:
        if "straddl" not in str(error):
            raise
    reading = arrow_json.ReadOptions(block_size=len(block) + 1)
    return arrow_json.read_json(pa.BufferReader(block), reading, parsing)


def _row(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"line {number} is not JSON: {error}") from error
    except RecursionError as error:
        raise UnreadableFile(
            f"line {number} is nested too deeply: expected an object of plain values"
        ) from error
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


def _column(values: list[Any]) -> pa.Array:
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
