"""Delivery: the champion as one zip under a fixed key, where a delivery pipeline picks it up.

CodePipeline's S3 source takes one object, a zip, of a versioned bucket.
https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html
"""

import hashlib
import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from perennial import layout
from perennial.aws.objects import Bucket
from perennial.aws.registry import Registry
from perennial.contracts.objects import Artifact, StoredObject
from perennial.errors import ArtifactCorrupted
from perennial.lineage import ChampionAlias, VersionRecord

EVENT = "Champion Delivered"
_FACTS = {"estimator", "params", "metrics", "libraries", "code_version", "created_at"}


class Delivery:
    """The champion of each model, laid ready for others."""

    def __init__(self, registry: Registry, artifacts: Bucket, events: Any, stack: str) -> None:
        self._registry, self._artifacts = registry, artifacts
        self._events, self._stack = events, stack

    def deliver(self, model: str) -> int | None:
        """Lay the version that serves now ready and announce it; None where none serves.

        Whoever wrote looks again who serves: of calls that overtake one another, none leaves an older version
        behind than the last one found. Raises ArtifactCorrupted.
        """
        delivered: tuple[ChampionAlias, VersionRecord, StoredObject] | None = None
        while True:
            alias = self._registry.champion(model)
            if alias is None or alias.version is None:
                return None
            if delivered and delivered[1].version == alias.version:
                break
            record = self._registry.version(model, alias.version)
            delivered = alias, record, self._put(alias, record)
        self._announce(*delivered)
        return delivered[1].version

    def _put(self, alias: ChampionAlias, record: VersionRecord) -> StoredObject:
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder, "champion.zip")
            files = {layout.MODEL: record.artifact} | ({layout.CARD: record.card} if record.card else {})
            with ZipFile(bundle, "w", ZIP_STORED) as archive:  # the model is compressed already
                archive.writestr(ZipInfo("champion.json"), _facts(alias, record))
                for name, artifact in files.items():
                    self._add(archive, name, artifact, Path(folder, name))
            return self._artifacts.put_file(layout.delivery_key(record.model), bundle, "application/zip")

    def _add(self, archive: ZipFile, name: str, artifact: Artifact, path: Path) -> None:
        self._artifacts.download(artifact.key, path, artifact.version_id)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != artifact.sha256:
            raise ArtifactCorrupted(
                f"{artifact.key} has the digest {found[:12]}: expected {artifact.sha256[:12]}, not delivered"
            )
        # every file of the same time, so that the same version makes the same zip
        with path.open("rb") as file, archive.open(ZipInfo(name), "w", force_zip64=True) as entry:
            while block := file.read(1 << 20):
                entry.write(block)
        path.unlink()

    def _announce(self, alias: ChampionAlias, record: VersionRecord, stored: StoredObject) -> None:
        said = {
            "model": record.model,
            "version": record.version,
            "previous": alias.previous,
            "run": alias.run,
            "bucket": self._artifacts.name,
            "key": stored.key,
            "version_id": stored.version_id,
            "sha256": record.artifact.sha256,
        }
        entry = {"Source": "perennial", "DetailType": EVENT, "Detail": json.dumps(said)}
        self._events.put_events(Entries=[{**entry, "Resources": [self._stack]}])


def _facts(alias: ChampionAlias, record: VersionRecord) -> str:
    """What a pipeline may want to know of the model beside it."""
    since: datetime = alias.changed_at
    facts = {
        "model": record.model,
        "version": record.version,
        "since": since.isoformat(),
        "run": alias.run,
        "sha256": record.artifact.sha256,
        **record.model_dump(mode="json", include=_FACTS),
    }
    return json.dumps(facts, indent=1)
