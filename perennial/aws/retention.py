"""Retention: the files of versions that nobody needs any more are deleted; their records stay.

First a version is marked, in a transaction that holds only while nobody serves it or goes back to it and no
run holds the model; from then on it cannot come to serve. Then its files are deleted. Whoever dies in between
leaves a mark that is not `done`, which the next call finishes; of two at once one marks, and both may delete.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from perennial.aws.ledger import Ledger, Lock
from perennial.aws.objects import Bucket
from perennial.aws.registry import ALIAS, Registry
from perennial.aws.table import model_key, refused, version_key
from perennial.config import ModelConfig
from perennial.contracts.objects import Artifact
from perennial.lineage import Expiry, VersionRecord
from perennial.retention import to_expire

_FILES = ("artifact", "baseline", "holdout", "reference", "predictions", "importances", "search")
_NAMES_VERSION = ("challenger", "recalled", "champion_before")  # facts of a run in the ledger
_RUNS = 200


class Retention:
    """The files of old versions of one stack. S3 keeps what was deleted for as long as its lifecycle says."""

    def __init__(self, table: Any, registry: Registry, ledger: Ledger, lock: Lock, artifacts: Bucket) -> None:
        self._table, self._registry, self._ledger = table, registry, ledger
        self._lock, self._artifacts = lock, artifacts

    def apply(self, config: ModelConfig, now: datetime) -> list[int]:
        """Delete what the model's retention lets go; the versions whose files went, oldest first.

        Nothing is begun while a run holds the model: it may refer to any version. What was begun is finished.
        """
        model = config.name
        records = self._registry.versions(model)
        marked = [record for record in records if record.expired and not record.expired.done]
        if config.retention is not None and self._lock.holder(model) is None:
            marked += self._mark_all(config, records, now)
        for record in marked:
            self._delete(record)
        return sorted(record.version for record in marked)

    def _mark_all(
        self, config: ModelConfig, records: Sequence[VersionRecord], now: datetime
    ) -> list[VersionRecord]:
        chosen = to_expire(
            records,
            self._registry.champion(config.name),
            self._referred_to(config.name),
            self._used_at(config.name, records),
            config,
            now,
        )
        return [
            record
            for record in records
            if record.version in chosen
            and self._mark(record, Expiry(since=now, reason=chosen[record.version]))
        ]

    def _referred_to(self, model: str) -> set[int]:
        """What runs without an outcome name, under way or stopped: one that was stopped may be redriven."""
        entries = self._ledger.runs(model, _RUNS)
        return {
            int(entry[name])
            for entry in entries
            if "outcome" not in entry
            for name in _NAMES_VERSION
            if entry.get(name) is not None
        }

    def _used_at(self, model: str, records: Sequence[VersionRecord]) -> dict[int, datetime]:
        """When each version was last trained, served or tried."""
        used = {record.version: record.created_at for record in records}
        for move in self._registry.audit(model):
            at = datetime.fromisoformat(move["changed_at"])
            for version in (move.get("version"), move.get("from"), move.get("canary")):
                if version is not None and int(version) in used:
                    used[int(version)] = max(at, used[int(version)])
        return used

    def _mark(self, record: VersionRecord, expiry: Expiry) -> bool:
        """Say that the files of a version go, unless it has come into use since; says whether it was said."""
        name, model, version = self._table.name, record.model, record.version
        nobody_serves_it = {
            "TableName": name,
            "Key": model_key(model, ALIAS),
            "ConditionExpression": (
                "attribute_not_exists(pk) OR (#version <> :version AND previous <> :version AND "
                "(attribute_not_exists(canary) OR canary.#version <> :version))"
            ),
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":version": version},
        }
        no_run_holds_it = {
            "TableName": name,
            "Key": model_key(model, "lock"),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        mark = {
            "TableName": name,
            "Key": version_key(model, version),
            "UpdateExpression": "SET expired = :expired",
            "ConditionExpression": "attribute_not_exists(expired) AND #status = :status",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {
                ":expired": expiry.model_dump(mode="json"),
                ":status": record.status,
            },
        }
        try:
            self._table.meta.client.transact_write_items(
                TransactItems=[
                    {"ConditionCheck": nobody_serves_it},
                    {"ConditionCheck": no_run_holds_it},
                    {"Update": mark},
                ]
            )
        except ClientError as error:
            if not refused(error):
                raise
            return False
        return True

    def _delete(self, record: VersionRecord) -> None:
        """Delete the files of a marked version; done again, S3 keeps its earlier versions all the same."""
        for name in _FILES:
            file: Artifact | None = getattr(record, name)
            if file is not None:
                self._artifacts.delete(file.key)
        self._table.update_item(
            Key=version_key(record.model, record.version),
            UpdateExpression="SET expired.done = :true",
            ConditionExpression="attribute_exists(expired)",
            ExpressionAttributeValues={":true": True},
        )
