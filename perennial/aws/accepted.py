"""Accepted objects of a model, pinned to their versions, as the rows of a training."""

import tempfile
from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from perennial import layout
from perennial.assembly import Assembled, Source, assemble
from perennial.aws.objects import Bucket
from perennial.config import ModelConfig
from perennial.contracts.objects import PinnedObject, StoredObject

_CONNECTIONS = 8
_UNKNOWN = datetime.min.replace(tzinfo=UTC)


def pin_accepted(bucket: Bucket, model: str, recent: Collection[str]) -> list[PinnedObject]:
    """Everything under `accepted/<model>/` as it is now, in the order of `by_arrival`.

    `recent` are the keys of the objects that the run at hand looks at, as its manifest lists them.
    """
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        listed = [item.key for item in bucket.list(layout.accepted(model))]
        stored = [item for item in pool.map(bucket.head, listed) if item is not None]
    pinned = [PinnedObject(stored=item, recent=item.key in recent) for item in stored]
    return by_arrival(pinned)


def by_arrival(pinned: Sequence[PinnedObject]) -> list[PinnedObject]:
    """Objects known before first, batch after batch as they arrived, the files of a batch by name.

    Not by key alone: runs are named by chance, and what a training draws at random depends on the order of
    its rows, so that the same batches would make another version whenever they came again.
    """
    came: dict[str, datetime] = {}
    for item in pinned:
        batch, at = layout.batch_of(item.stored.key), item.stored.stored_at or _UNKNOWN
        came[batch] = min(came.get(batch, at), at)
    return sorted(
        pinned, key=lambda item: (item.recent, came[layout.batch_of(item.stored.key)], item.stored.key)
    )


def assemble_pinned(
    bucket: Bucket,
    pinned: Sequence[PinnedObject],
    config: ModelConfig,
    tell: Callable[[float], None] = lambda _share: None,
) -> Assembled:
    """Download the objects, a few ahead of what is read, and assemble their rows in this order.

    `tell` is told after each object which share of their bytes is read, from 0 to 1.
    Raises NoTrainingData where there are none, and UnreadableFile, EmptyObject or MissingColumn.
    """
    with (
        tempfile.TemporaryDirectory(prefix="perennial-") as scratch,
        closing(_downloaded(bucket, pinned, Path(scratch), tell)) as sources,
    ):
        return assemble(sources, config)


def _downloaded(
    bucket: Bucket, pinned: Sequence[PinnedObject], scratch: Path, tell: Callable[[float], None]
) -> Generator[Source]:
    """Each copy is there until the next is asked for. Once closed, nothing writes to `scratch` any more."""

    def download(number: int, item: StoredObject) -> Path:
        path = scratch / f"{number:06d}"
        bucket.download(item.key, path, item.version_id)
        return path

    read, whole = 0, sum(item.stored.size for item in pinned)
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        coming: deque[Future[Path]] = deque()
        try:
            for number, item in enumerate(pinned):
                while len(coming) < _CONNECTIONS and number + len(coming) < len(pinned):
                    following = number + len(coming)
                    coming.append(pool.submit(download, following, pinned[following].stored))
                path = coming.popleft().result()
                yield Source(path, item.stored, item.recent)
                path.unlink()
                read += item.stored.size
                tell(read / whole if whole else 1.0)
        finally:
            pool.shutdown(cancel_futures=True)
