"""All accepted rows of a model, pinned to the versions of the objects they came from."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd

from perennial import layout
from perennial.aws.objects import Bucket
from perennial.config import ModelConfig
from perennial.contracts import StoredObject
from perennial.dataset import conform_table, read_table, to_frame
from perennial.errors import NoTrainingData
from perennial.holdout import RECENT

_CONNECTIONS = 8


@dataclass(frozen=True)
class Accepted:
    """The rows, with the column RECENT: true where they came with this run's batch; and their objects."""

    frame: pd.DataFrame
    objects: tuple[StoredObject, ...]


def load_accepted(bucket: Bucket, config: ModelConfig, run: str, scratch: Path) -> Accepted:
    """Download and read everything under `accepted/<model>/`, rows known before first.

    Raises NoTrainingData where nothing is there, and UnreadableFile, EmptyObject or MissingColumn.
    """
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        listed = [item.key for item in bucket.list(layout.accepted(config.name))]
        pinned = [item for item in pool.map(bucket.head, listed) if item is not None]
        objects = sorted(pinned, key=lambda item: (is_recent(item.key, run), item.key))
        if not objects:
            raise NoTrainingData(f"expected accepted data of {config.name}, came none")
        paths = pool.map(partial(_download, bucket, scratch), enumerate(objects))
        frames = [
            _read(path, item.key, config).assign(**{RECENT: is_recent(item.key, run)})
            for path, item in zip(paths, objects, strict=True)
        ]
    return Accepted(pd.concat(frames, ignore_index=True), tuple(objects))


def is_recent(key: str, run: str) -> bool:
    """Did an accepted object come with this run's batch?

    >>> is_recent("accepted/iris/dt=2026-01-02/run-1/a/x.csv", "run-1")
    True
    """
    return PurePosixPath(key).parts[3] == run


def _download(bucket: Bucket, scratch: Path, numbered: tuple[int, StoredObject]) -> Path:
    number, item = numbered
    path = scratch / f"{number:06d}"
    bucket.download(item.key, path, item.version_id)
    return path


def _read(path: Path, key: str, config: ModelConfig) -> pd.DataFrame:
    table, _ = conform_table(read_table(path, key), config)
    path.unlink()
    return to_frame(table, config)
