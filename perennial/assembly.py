"""From the files of accepted objects to the rows a model may learn from, and those it never may.

Labelled rows only, cleaned by the rules of validation, each exact row once, the holdout out by the hash of
its key; every row with its time and with whether the run at hand looks at it. Files are read in parts, so
that memory holds the result and little more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perennial import layout
from perennial.config import ModelConfig
from perennial.contracts.objects import AssembledObject, StoredObject
from perennial.dataset.reading import read_parts
from perennial.dataset.streams import Budget
from perennial.encoding import encoder
from perennial.errors import MissingColumn, NoTrainingData
from perennial.growing import Mask
from perennial.holdout import held_out, key_hashes
from perennial.in_line import one_ahead
from perennial.row_store import RowStore, row_hashes
from perennial.rules import Check
from perennial.sketch import Hashes

if TYPE_CHECKING:
    import pyarrow as pa

Times = npt.NDArray[np.datetime64]
Cells = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """One accepted object: where its copy lies, and whether the run at hand looks at it."""

    path: Path
    stored: StoredObject
    recent: bool


@dataclass(frozen=True)
class Assembled:
    """The rows of a training. `training` (n rows) and `holdout` (m rows) have the declared columns, in the
    order of the model file; rows that were known before come first, an equal row of later counts as known.

    Numbers are float64, date-times datetime64[us] in UTC, booleans pandas' boolean, categories categorical
    with the same levels in both, texts pandas' str.

    `times` (n,) and `held_times` (m,), datetime64[us] in UTC: the row's own, where the model file names a
    `time` column and it is not missing, else the arrival of its object. `recent` (n,) and `held_recent` (m,):
    whether the run at hand looks at the object it came from. `objects`: what was read, in that order.
    """

    training: pd.DataFrame
    holdout: pd.DataFrame
    times: Times
    recent: Mask
    held_times: Times
    held_recent: Mask
    objects: tuple[AssembledObject, ...]

    def __len__(self) -> int:
        return len(self.training) + len(self.holdout)


def assemble(sources: Iterable[Source], config: ModelConfig) -> Assembled:
    """Read the objects in turn; of equal rows the first stays.

    Objects of one batch, which follow each other, are cleaned together. A label that is none of the declared
    levels is no label. Raises NoTrainingData where there are no objects, UnreadableFile, EmptyObject or
    MissingColumn.
    """
    assembly = _Assembly(config)
    for source in sources:
        assembly.read(source)
    return assembly.finished()


@dataclass(frozen=True)
class _Part:
    """Cleaned, labelled rows (n): their cells by column, a hash of each whole row, and which are held out."""

    cells: Cells
    hashes: Hashes
    held: Mask


class _Assembly:
    """Rows while objects are read: decoded and cleaned, hashed, and taken, each in a thread of its own."""

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._encoders = {name: encoder(column) for name, column in config.columns.items()}
        self._training, self._holdout = RowStore(self._encoders), RowStore(self._encoders)
        self._read: list[tuple[Source, int]] = []
        self._batch, self._check = "", Check(config, keep_levels=True)

    def read(self, source: Source) -> None:
        """All rows of one object. Its file is not needed any more."""
        key = source.stored.key
        if (batch := layout.batch_of(key)) != self._batch:
            self._batch, self._check = batch, Check(self._config, keep_levels=True)
        before = self._check.counts.rows
        parts = read_parts(source.path, key, self._config, Budget(self._config.validation.max_bytes))
        expected = False
        for part in one_ahead(self._hashed(one_ahead(self._encoded(one_ahead(iter(parts)))))):
            if not expected and (coming := parts.rows) is not None:
                self._training.expect(_about(coming, 1 - self._config.holdout))
                self._holdout.expect(_about(coming, self._config.holdout))
            expected = True
            self._add(part)
        missing = [name for name in self._config.columns if name not in parts.names]
        if missing:
            raise MissingColumn(
                f"{key} has no column {', '.join(map(repr, missing))}: found {', '.join(parts.names)}"
            )
        self._read.append((source, self._check.counts.rows - before))

    def finished(self) -> Assembled:
        """When all objects are read."""
        if not self._read:
            raise NoTrainingData(
                f"expected accepted data of {self._config.name}, came none; the champion serves on"
            )
        training, of_training = self._training.finished(len(self._read))
        holdout, of_holdout = self._holdout.finished(len(self._read))
        used = of_training + of_holdout
        arrivals = np.array([_arrival(source.stored) for source, _ in self._read])
        recent = np.array([source.recent for source, _ in self._read])
        return Assembled(
            training=training,
            holdout=holdout,
            times=self._times(training, np.repeat(arrivals, of_training)),
            recent=np.repeat(recent, of_training),
            held_times=self._times(holdout, np.repeat(arrivals, of_holdout)),
            held_recent=np.repeat(recent, of_holdout),
            objects=tuple(
                AssembledObject(
                    stored=source.stored, recent=source.recent, rows_read=rows, rows_used=int(used[number])
                )
                for number, (source, rows) in enumerate(self._read)
            ),
        )

    def _encoded(self, parts: Iterable[pa.Table]) -> Iterator[tuple[int, Cells]]:
        """Cleaned, labelled rows: how many, and their cells by column."""
        for part in parts:
            cleaned = self._check.add(part)
            labels = cleaned.column(self._config.label)
            if labels.null_count:
                cleaned = cleaned.filter(labels.is_valid())
            yield (
                cleaned.num_rows,
                {name: codec.encode(cleaned.column(name)) for name, codec in self._encoders.items()},
            )

    def _hashed(self, parts: Iterable[tuple[int, Cells]]) -> Iterator[_Part]:
        key = sorted(self._config.key or self._config.features)
        for rows, cells in parts:
            codes = (self._encoders[name].codes(cells[name]) for name in key)
            keys = key_hashes(codes, rows)
            held = held_out(keys, self._config.holdout)
            yield _Part(cells, row_hashes(self._encoders, cells, keys, key), held)

    def _add(self, part: _Part) -> None:
        number = len(self._read)
        self._training.append(part.cells, part.hashes, number, np.flatnonzero(~part.held))
        self._holdout.append(part.cells, part.hashes, number, np.flatnonzero(part.held))

    def _times(self, frame: pd.DataFrame, arrivals: Times) -> Times:
        if self._config.time is None:
            return arrivals
        own = frame[self._config.time].to_numpy()
        return np.asarray(np.where(np.isnat(own), arrivals, own))


def _arrival(stored: StoredObject) -> Any:
    arrived = stored.stored_at or datetime(1970, 1, 1, tzinfo=UTC)
    return np.datetime64(arrived.astimezone(UTC).replace(tzinfo=None), "us")


def _about(rows: int, share: float) -> int:
    """A share of the rows drawn by a hash, five standard deviations high."""
    return min(rows, int(rows * share + 5 * (rows * share * (1 - share)) ** 0.5) + 1)
