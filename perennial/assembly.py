"""From the files of accepted objects to the rows a model may learn from, and those it never may.

Labelled rows only, cleaned by the rules of validation, each exact row once, the holdout out by the hash of
its key; every row with its time and with whether the run at hand looks at it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perennial.config import ModelConfig
from perennial.contracts import AssembledObject, StoredObject
from perennial.dataset import read_table, to_frame
from perennial.errors import NoTrainingData
from perennial.holdout import holdout_mask
from perennial.validation import clean

Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]

_RECENT, _TIME, _OBJECT = "perennial:recent", "perennial:time", "perennial:object"


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

    Raises NoTrainingData where there are no objects, UnreadableFile, EmptyObject or MissingColumn.
    """
    objects: list[AssembledObject] = []
    frames: list[pd.DataFrame] = []
    for source in sources:
        table = read_table(source.path, source.stored.key, config.format)
        frame = to_frame(clean(table, config).table, config)
        arrived = _arrival(source.stored)
        frame[_RECENT], frame[_OBJECT] = source.recent, len(objects)
        frame[_TIME] = arrived
        if config.time is not None:
            frame[_TIME] = frame[config.time].fillna(pd.Timestamp(arrived))
        frames.append(frame)
        objects.append(
            AssembledObject(stored=source.stored, recent=source.recent, rows_read=table.num_rows, rows_used=0)
        )
    if not frames:
        raise NoTrainingData(f"expected accepted data of {config.name}, came none")
    rows = pd.concat(frames, ignore_index=True)
    labels, levels = rows[config.label], config.columns[config.label].levels
    usable = labels.isin(levels) if levels else labels.notna()
    rows = rows[usable].drop_duplicates(subset=list(config.columns))
    held_out = holdout_mask(rows[[*(config.key or config.features)]], config.key, config.holdout)
    used = np.bincount(rows[_OBJECT], minlength=len(objects))
    parts = (_part(rows[~held_out], config), _part(rows[held_out], config))
    (training, times, recent), (holdout, held_times, held_recent) = parts
    return Assembled(
        training=training,
        holdout=holdout,
        times=times,
        recent=recent,
        held_times=held_times,
        held_recent=held_recent,
        objects=tuple(
            item.model_copy(update={"rows_used": int(count)})
            for item, count in zip(objects, used, strict=True)
        ),
    )


def _part(rows: pd.DataFrame, config: ModelConfig) -> tuple[pd.DataFrame, Times, Mask]:
    times = rows[_TIME].to_numpy().astype("datetime64[us]")
    return rows[list(config.columns)].reset_index(drop=True), times, rows[_RECENT].to_numpy(bool)


def _arrival(stored: StoredObject) -> Any:
    arrived = stored.stored_at or datetime(1970, 1, 1, tzinfo=UTC)
    return np.datetime64(arrived.astimezone(UTC).replace(tzinfo=None), "us")
