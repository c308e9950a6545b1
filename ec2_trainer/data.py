"""All accepted rows of a model, pinned to the versions of the objects they came from."""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from perennial import layout
from perennial.assembly import Assembled, Source, assemble
from perennial.aws.objects import Bucket
from perennial.config import ModelConfig
from perennial.contracts import StoredObject

_CONNECTIONS = 8


def load_accepted(bucket: Bucket, config: ModelConfig, recent: Collection[str], scratch: Path) -> Assembled:
    """Download and assemble everything under `accepted/<model>/`, objects known before first.

    `recent` are the keys of the objects that this run looks at, as its manifest lists them.

    Raises NoTrainingData where nothing is there, and UnreadableFile, EmptyObject or MissingColumn.
    """
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        listed = [item.key for item in bucket.list(layout.accepted(config.name))]
        pinned = [item for item in pool.map(bucket.head, listed) if item is not None]
        objects = sorted(pinned, key=lambda item: (item.key in recent, item.key))
        paths = pool.map(partial(_download, bucket, scratch), enumerate(objects))

        def sources() -> Iterator[Source]:
            for path, item in zip(paths, objects, strict=True):
                yield Source(path, item, item.key in recent)
                path.unlink()

        return assemble(sources(), config)


def _download(bucket: Bucket, scratch: Path, numbered: tuple[int, StoredObject]) -> Path:
    number, item = numbered
    path = scratch / f"{number:06d}"
    bucket.download(item.key, path, item.version_id)
    return path
