"""CSV in parts: pyarrow parses blocks of whole rows on all cores, straight to the declared types.

A column with a value that is not of its type comes as strings from that block on, so that the value can be
counted and shown, and does not spoil the rest.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from perennial.data_config import FileFormat
from perennial.dataset.streams import Source, Text, whole_records
from perennial.errors import EmptyObject, UnreadableFile

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 16 * 1024 * 1024
PIECE_BYTES = 2 * 1024 * 1024  # parsed by one thread
_HEAD_BYTES = 256 * 1024
_DELIMITERS = ",;\t|"
_NULLS = ("", "NA", "na", "NaN", "nan", "NULL", "Null", "null", "None", "none")
_FAILED = re.compile(r"CSV column #(\d+)")
_RAGGED = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)")


class CsvParts:
    """A CSV file as tables of its rows in turn. `names`: all columns of the header, once iteration began.

    `wanted` says of each column to read whether it holds numbers; None reads all as strings.
    """

    def __init__(self, source: Source, wanted: Mapping[str, bool] | None) -> None:
        self._source = source
        self._wanted = wanted
        self.names: list[str] = []
        self._rows = 1  # the header

    def __iter__(self) -> Iterator[pa.Table]:
        with self._source.text() as text:
            head, delimiter = self._header(text)
            if len(set(self.names)) < len(self.names):
                return  # refused by who reads `names`
            parser = Parser(delimiter, self._source.format)
            columns = self._types()
            for block in whole_records(text.fill, head, BLOCK_BYTES, self._source.format.quote.encode()):
                table = parser.parse(block, self.names, columns)
                self._rows += table.num_rows
                yield table

    def place(self, message: str) -> str:
        """What pyarrow says of a block, with the number that the row has in the file."""
        found = _RAGGED.search(message)
        if found and found[1]:
            number = int(found[1]) + self._rows
            return f"Row #{number}: Expected {found[2]} columns, got {found[3]}"
        if "straddl" in message:
            return f"a row behind #{self._rows} is too long to be read: expected rows that end"
        return message

    def _types(self) -> dict[str, bool]:
        if self._wanted is None:
            return dict.fromkeys(self.names, False)
        return {name: self._wanted[name] for name in self.names if name in self._wanted}

    def _header(self, stream: Text) -> tuple[bytes, str]:
        """Sets `names`; returns what follows the header in the bytes read so far, and the delimiter."""
        text, line, end = b"", b"", 0
        piece = bytearray(_HEAD_BYTES)
        while count := stream.fill(memoryview(piece)):
            text += piece[:count]
            line, end = _first_line(text, self._source.format.quote.encode())
            if end < len(text) or len(text) > BLOCK_BYTES:
                break
        header = line.decode("utf-8")
        if "\0" in header:
            raise UnreadableFile("the header is binary data: expected names of columns")
        if not header:
            raise EmptyObject("it holds no header: expected CSV with at least one row")
        delimiter = self._source.format.delimiter or self._sniff(header)
        self.names = _fields(header, delimiter, self._source.format)
        return text[end:], delimiter

    def _sniff(self, header: str) -> str:
        """The delimiter that makes most declared columns of the header, or most columns."""

        def fit(delimiter: str) -> tuple[int, int]:
            names = _fields(header, delimiter, self._source.format)
            return sum(name in (self._wanted or ()) for name in names), len(names)

        return max(_DELIMITERS, key=fit)


def _first_line(text: bytes, quote: bytes) -> tuple[bytes, int]:
    """The first line that is not blank, and where the next begins: at the end of the text if it may go on."""
    start = len(text) - len(text.lstrip(b"\r\n"))
    end = start
    while True:
        ends = [place for place in (text.find(b"\n", end), text.find(b"\r", end)) if place >= 0]
        if not ends:
            return text[start:].rstrip(b"\r\n"), len(text)
        end = min(ends) + 1
        if text.count(quote, start, end) % 2 == 0:
            return text[start : end - 1], end


def _fields(header: str, delimiter: str, form: FileFormat) -> list[str]:
    rows = csv.reader(io.StringIO(header, newline=""), delimiter=delimiter, quotechar=form.quote)
    return next((row for row in rows if row), [])


class Parser:
    """Turns blocks of whole rows into tables."""

    def __init__(self, delimiter: str, form: FileFormat) -> None:
        self._delimiter, self._quote = delimiter, form.quote
        # pyarrow splits a block faster where it takes any line's end for a row's; a piece that ends inside of
        # quotes is an error then, though not always the first to be reported
        self._newlines = False

    def parse(self, block: memoryview, names: list[str], columns: dict[str, bool]) -> pa.Table:
        """`columns`: which to read, True for numbers; turns the ones that are no numbers to False."""
        import pyarrow as pa

        while True:
            try:
                return self._read(block, names, columns, threads=True)
            except pa.ArrowInvalid as error:
                failed = _FAILED.search(str(error))
                name = names[int(failed[1])] if failed else ""
                if not self._newlines:
                    self._newlines = True
                elif columns.get(name):
                    columns[name] = False
                elif _RAGGED.search(str(error)):
                    return self._read(block, names, columns, threads=False)  # raises again, with the row
                elif not bytes(block).strip(b"\r\n"):
                    return pa.table({name: pa.array([], pa.string()) for name in columns or names[:1]})
                else:
                    raise

    def _read(
        self, block: memoryview, names: list[str], columns: dict[str, bool], *, threads: bool
    ) -> pa.Table:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        convert = arrow_csv.ConvertOptions(
            column_types={name: pa.float64() if number else pa.string() for name, number in columns.items()},
            include_columns=list(columns),
            null_values=_NULLS,
            strings_can_be_null=False,
        )
        if not columns:  # pyarrow takes none for all
            convert = arrow_csv.ConvertOptions(
                include_columns=names[:1], column_types={names[0]: pa.string()}
            )
        parsing = arrow_csv.ParseOptions(
            delimiter=self._delimiter,
            quote_char=self._quote,
            newlines_in_values=self._newlines,
            ignore_empty_lines=True,
        )
        reading = arrow_csv.ReadOptions(column_names=names, use_threads=threads, block_size=PIECE_BYTES)
        return arrow_csv.read_csv(pa.BufferReader(pa.py_buffer(block)), reading, parsing, convert)
