"""Bytes of a file as it arrived: what its name promises, decompressed and in UTF-8, block by block."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perennial.data_config import FileFormat
from perennial.errors import BatchTooLarge, UnreadableFile

FORMATS = {
    ".csv": "CSV",
    ".parquet": "Parquet",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
    ".json": "JSON Lines",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CHUNK = 1024 * 1024  # small enough for the same memory to be taken again
_TRIES = 64
_PIECE = 65_536  # bytes looked at once: a cache holds them


@dataclass
class Budget:
    """Bytes that may still be read of a batch. A small file can hold a great many zeros."""

    most: int
    used: int = 0

    def take(self, count: int) -> None:
        """Raises BatchTooLarge where they are used up."""
        self.used += count
        if self.used > self.most:
            raise BatchTooLarge(
                f"the files of the batch hold more than {self.most:,} bytes when decompressed, "
                "which is what the model file allows (validation.max_bytes)"
            )


@dataclass(frozen=True)
class Source:
    """One file. `name` tells its format by its suffix."""

    path: Path
    kind: str
    compression: str | None
    format: FileFormat
    budget: Budget

    @contextmanager
    def open(self) -> Iterator[Any]:
        """The decompressed bytes as a stream of pyarrow."""
        import pyarrow as pa

        with pa.input_stream(str(self.path), compression=self.compression, buffer_size=0) as stream:
            yield stream

    def raw(self) -> Iterator[bytes]:
        """The decompressed bytes in blocks. Raises BatchTooLarge."""
        with self.open() as stream:
            while block := self._read(stream):
                yield block

    @contextmanager
    def text(self) -> Iterator[Text]:
        """The decompressed text."""
        with self.open() as stream:
            yield Text(self, stream)

    def _read(self, stream: Any) -> bytes:
        block = bytes(stream.read(_CHUNK))
        self.budget.take(len(block))
        return block


class Text:
    """A stream of text in UTF-8 without a byte order mark; ends of lines as they are."""

    def __init__(self, source: Source, stream: Any) -> None:
        self._budget, self._stream = source.budget, stream
        block = self._next()
        self._encoding, mark = _encoding(block, source.format)
        self._decoder: codecs.IncrementalDecoder | None = None
        self._ready = block[len(mark) :]
        if self._encoding != "utf-8":  # which is checked where it is parsed
            self._decoder = codecs.getincrementaldecoder(self._encoding)()
            self._ready = self._decoded(self._ready)

    def fill(self, view: memoryview) -> int:
        """Write the next bytes into the view and return how many; 0 at the end.

        Raises UnreadableFile where the bytes are not of their encoding, BatchTooLarge.
        """
        while self._decoder is not None and not self._ready:
            block = self._next()
            self._ready = self._decoded(block)
            if not block:
                self._decoder = None
                self._stream = None
        if self._ready or self._stream is None:
            count = min(len(view), len(self._ready))
            view[:count] = self._ready[:count]
            self._ready = self._ready[count:]
            return count
        count = int(self._stream.readinto(view))
        self._budget.take(count)
        return count

    def _next(self) -> bytes:
        block = bytes(self._stream.read(_CHUNK))
        self._budget.take(len(block))
        return block

    def _decoded(self, block: bytes) -> bytes:
        assert self._decoder is not None  # noqa: S101 - for the type checker
        try:
            return self._decoder.decode(block, final=not block).encode("utf-8")
        except UnicodeError as error:
            reason = getattr(error, "reason", str(error))
            raise UnreadableFile(f"it is not {self._encoding} text: {reason}") from error


def promise(name: str) -> tuple[str, str | None]:
    """Format and compression by the name's suffixes. Raises UnreadableFile."""
    suffixes = Path(name.lower()).suffixes
    compression = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes = suffixes[:-1]
    kind = FORMATS.get(suffixes[-1]) if suffixes else None
    if kind is None:
        known = ", ".join(FORMATS)
        raise UnreadableFile(
            f"{name} is of no known format: expected a name ending in {known} (also .gz, .zst)"
        )
    return kind, compression


def _encoding(block: bytes, declared: FileFormat) -> tuple[str, bytes]:
    for mark, encoding in _MARKS:
        if block.startswith(mark):
            return encoding, mark
    return codecs.lookup(declared.encoding).name, b""


def whole_records(
    fill: Callable[[memoryview], int], head: bytes, size: int, quote: bytes | None
) -> Iterator[memoryview]:
    """Blocks of about `size` bytes that end where a record ends: at a line's end outside of quotes. They
    share their memory: each is valid until the next is asked for.

    The text is `head` and what `fill` writes (see `Text.fill`). `quote` None: a line is a record. Raises
    UnreadableFile where a record is longer than four blocks.
    """
    buffer = bytearray(max(size, len(head)) + _CHUNK)
    buffer[: len(head)] = head
    filled = len(head)
    while count := fill(memoryview(buffer)[filled:]):
        filled += count
        if filled >= size and (end := _last_end(buffer, filled, quote)):
            yield memoryview(buffer)[:end]
            rest = buffer[end:filled]
            buffer[: len(rest)] = rest
            filled = len(rest)
        elif filled > 4 * size:
            raise UnreadableFile(
                f"a record is longer than {4 * size // 1024**2} MB: "
                "expected rows that end, and quotes that close"
            )
        if filled == len(buffer):
            buffer = buffer + bytes(size)
    if filled:
        yield memoryview(buffer)[:filled]


def _last_end(text: bytearray, length: int, quote: bytes | None) -> int:
    """Just behind the last line's end outside of quotes; 0 where there is none.

    A line's end lies outside where an even number of quotes stands before it, doubled ones included. Where
    that does not come out, quotes stand inside of fields, where they mean nothing: then any line's end is
    taken.
    """
    if quote is None:
        return text.rfind(b"\n", 0, length) + 1
    end = last = _line_end(text, length, length - 1)  # a return may be half of a line's end
    if text.find(quote, 0, length) < 0:
        return end
    quotes = _count(text, quote, end)
    for _ in range(_TRIES):
        if not end or quotes % 2 == 0:
            return end
        opening = text.rfind(quote, 0, end)  # of the quotes that this line's end is in
        before = _line_end(text, opening, opening)
        quotes -= text.count(quote, before, end)
        end = before
    return last


def _line_end(text: bytearray, newline_before: int, return_before: int) -> int:
    """Just behind the last newline or return before these places; 0 where there is none."""
    newline = text.rfind(b"\n", 0, newline_before)
    return max(newline, text.rfind(b"\r", newline + 1, return_before)) + 1


def _count(text: bytearray, quote: bytes, length: int) -> int:
    """Without the interpreter's lock, and in a third of the time of `text.count` where there are many."""
    if len(quote) > 1:
        return text.count(quote, 0, length)
    codes = np.frombuffer(text, np.uint8, length)
    return sum(int(np.count_nonzero(codes[at : at + _PIECE] == quote[0])) for at in range(0, length, _PIECE))
