"""Objects in S3, as runs, trainings and versions speak of them."""

from datetime import datetime

from pydantic import Field

from perennial.contracts.base import Contract
from perennial.contracts.words import BatchKind


class StoredObject(Contract):
    """One object of a batch, pinned to its S3 version. `stored_at`: when S3 took that version in."""

    key: str
    version_id: str | None
    etag: str
    size: int = Field(ge=0)
    stored_at: datetime | None = None


class PinnedObject(Contract):
    """An object that a training reads. `recent`: its run looked at it."""

    stored: StoredObject
    recent: bool


class AssembledObject(PinnedObject):
    """An object that a training read: `rows_used` of its rows were labelled and new."""

    rows_read: int = Field(ge=0)
    rows_used: int = Field(ge=0)


class Manifest(Contract):
    """The objects that a run looks at: `incoming` ones are its to settle, a `window` was accepted before."""

    run: str
    model: str
    kind: BatchKind
    objects: tuple[StoredObject, ...]


class Artifact(Contract):
    """A stored file that may be loaded only if its bytes have this digest."""

    key: str
    version_id: str | None
    sha256: str
    size: int
