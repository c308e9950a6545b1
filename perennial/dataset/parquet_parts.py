"""Parquet in parts: batches of rows, of the wanted columns only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perennial.dataset.streams import Source

if TYPE_CHECKING:
    import pyarrow as pa

# Of a part, the most: so large that what is done once for each costs little.
_BATCH_ROWS = 262_144
_BATCH_VALUES = 5_242_880
_BATCH_BYTES = 64 << 20
_BUSY = 2  # cores, which those that look at the parts keep busy
_BUFFER = 16_384  # bytes; without a buffer a column of a row group is read whole before its first value


class ParquetParts:
    """A Parquet file as tables of its rows in turn. `names`: all its columns, and `rows`: how many rows it
    says it has, once iteration began; `threaded`: whether pyarrow's own threads read it.

    `wanted`: the columns to read; None reads all. Those in `levels` come dictionary-encoded, as they are
    stored.
    """

    def __init__(self, source: Source, wanted: Collection[str] | None, levels: Collection[str]) -> None:
        self._source = source
        self._wanted = wanted
        self._levels = levels
        self.names: list[str] = []
        self.rows: int | None = None
        self.threaded = (os.process_cpu_count() or 1) > _BUSY

    def __iter__(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        with self._plain_file() as path, _opened(path, self._levels) as file:
            self.rows = file.metadata.num_rows
            self.names = [str(name) for name in file.schema_arrow.names]
            if len(set(self.names)) < len(self.names):
                return  # refused by who reads `names`
            size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
            self._source.budget.take(size)
            columns = [name for name in self.names if self._wanted is None or name in self._wanted]
            bytes_a_row = size / max(1, self.rows) * _share(file.metadata, set(columns))
            most = min(_BATCH_ROWS, _BATCH_VALUES / max(1, len(columns)), _BATCH_BYTES / max(1, bytes_a_row))
            parts = ceil(self.rows / max(1, int(most)))
            parts += parts % _BUSY if parts > 1 else 0  # as many for each: at the end none waits for long
            rows = max(1, ceil(self.rows / max(1, parts)))
            for batch in file.iter_batches(rows, columns=columns, use_threads=True):
                file.reader.set_use_threads(self.threaded)  # at the first part nobody else is at work
                table = pa.Table.from_batches([batch])
                yield table if columns else pa.table({self.names[0]: pa.nulls(batch.num_rows)})

    @contextmanager
    def _plain_file(self) -> Iterator[Path]:
        """The file itself, or decompressed beside it: its index stands at the end."""
        if self._source.compression is None:
            yield self._source.path
            return
        with tempfile.NamedTemporaryFile(dir=self._source.path.parent) as plain:
            for block in self._source.raw():
                plain.write(block)
            plain.flush()
            yield Path(plain.name)


def _share(metadata: Any, wanted: Collection[str]) -> float:
    """The part of a file's bytes that these columns take, by its first row group."""
    if not metadata.num_row_groups:
        return 1.0
    group = metadata.row_group(0)
    size, whole = 0.0, float(group.total_byte_size)
    for column in map(group.column, range(group.num_columns)):
        path = column.path_in_schema
        if path in wanted or path.split(".")[0] in wanted:  # of nested values each leaf is a column
            size += column.total_uncompressed_size
    return size / max(1.0, whole)


@contextmanager
def _opened(path: Path, levels: Collection[str]) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(str(path)) as file:
        strings = [
            name
            for name in levels
            if name in file.schema_arrow.names
            and file.schema_arrow.names.count(name) == 1
            and str(file.schema_arrow.field(name).type) in {"string", "large_string"}
        ]
        known = file.metadata
    with pq.ParquetFile(
        str(path), metadata=known, read_dictionary=strings, pre_buffer=False, buffer_size=_BUFFER
    ) as file:
        yield file
