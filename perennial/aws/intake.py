"""What a run is to look at: what has arrived, or accepted data that the champion has not learnt from."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from perennial import layout
from perennial.aws.ancestry import learnt_keys
from perennial.aws.ledger import Claims
from perennial.aws.objects import Bucket
from perennial.contracts.objects import Manifest, StoredObject
from perennial.contracts.words import BatchKind

BATCH_OBJECTS = 1000  # what is beyond them is left to the next run
WINDOW_OBJECTS = 200


class Intake:
    """Finds a run's objects, pins their versions, and leaves the run's manifest."""

    def __init__(self, data: Bucket, artifacts: Bucket, claims: Claims) -> None:
        self._data, self._artifacts, self._claims = data, artifacts, claims

    def arrived(self, model: str, run: str, now: datetime) -> Manifest | None:
        """Claim all that has arrived, also what an earlier run left behind; None where there is nothing."""
        listed = islice(self._data.list(layout.incoming(model)), BATCH_OBJECTS)
        taken = self._claims.take(model, run, self._pinned(listed), now)
        return self._manifest(model, run, "incoming", taken)

    def newest(self, model: str) -> datetime | None:
        """When the youngest of what has arrived was stored; None where nothing is or no more can be taken."""
        listed = list(islice(self._data.list(layout.incoming(model)), BATCH_OBJECTS))
        stored = [item.stored_at for item in listed if item.stored_at]
        return max(stored) if 0 < len(stored) < BATCH_OBJECTS else None

    def unlearnt(self, model: str, run: str, champion: int | None) -> Manifest | None:
        """The newest of what was accepted since the champion was trained; None where there is nothing."""
        learnt = learnt_keys(self._artifacts, model, champion) if champion is not None else set()
        new = [item for item in self._data.list(layout.accepted(model)) if item.key not in learnt]
        return self._manifest(model, run, "window", self._pinned(new[-WINDOW_OBJECTS:]))

    def _pinned(self, listed: Iterable[StoredObject]) -> list[StoredObject]:
        found = (self._data.head(item.key) for item in listed)
        return [item for item in found if item is not None]

    def _manifest(
        self, model: str, run: str, kind: BatchKind, objects: list[StoredObject]
    ) -> Manifest | None:
        if not objects:
            return None
        manifest = Manifest(run=run, model=model, kind=kind, objects=tuple(objects))
        self._artifacts.put_json(layout.run_key(run, layout.MANIFEST), manifest.model_dump(mode="json"))
        return manifest
