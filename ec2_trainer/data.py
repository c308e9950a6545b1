"""All accepted rows of a model, pinned to the versions of the objects they came from."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from perennial import layout
from perennial.aws.objects import Bucket
from perennial.config import ModelConfig
from perennial.contracts import StoredObject
from perennial.dataset import read_table, to_frame
from perennial.errors import NoTrainingData
from perennial.holdout import RECENT
from perennial.validation import clean

_CONNECTIONS = 8


@dataclass(frozen=True)
class Accepted:
    """The rows, with the column RECENT: true where this run looks at them; and their objects."""

    frame: pd.DataFrame
    objects: tuple[StoredObject, ...]


def load_accepted(bucket: Bucket, config: ModelConfig, recent: Collection[str], scratch: Path) -> Accepted:
    """Download and read everything under `accepted/<model>/`, rows known before first.

    `recent` are the keys of the objects that this run looks at, as its manifest lists them.

    Raises NoTrainingData where nothing is there, and UnreadableFile, EmptyObject or MissingColumn.
    """
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        listed = [item.key for item in bucket.list(layout.accepted(config.name))]
        pinned = [item for item in pool.map(bucket.head, listed) if item is not None]
        objects = sorted(pinned, key=lambda item: (item.key in recent, item.key))
        if not objects:
            raise NoTrainingData(f"expected accepted data of {config.name}, came none")
        paths = pool.map(partial(_download, bucket, scratch), enumerate(objects))
        frames = [
            _read(path, item.key, config).assign(**{RECENT: item.key in recent})
            for path, item in zip(paths, objects, strict=True)
        ]
    return Accepted(pd.concat(frames, ignore_index=True), tuple(objects))


def _download(bucket: Bucket, scratch: Path, numbered: tuple[int, StoredObject]) -> Path:
    number, item = numbered
    path = scratch / f"{number:06d}"
    bucket.download(item.key, path, item.version_id)
    return path


def _read(path: Path, key: str, config: ModelConfig) -> pd.DataFrame:
    table = clean(read_table(path, key, config.format), config).table
    path.unlink()
    return to_frame(table, config)
