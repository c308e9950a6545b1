"""What the champion's own past says: for how to train its successor."""

from datetime import datetime

from perennial import layout
from perennial.aws.ledger import Ledger
from perennial.aws.objects import Bucket
from perennial.aws.registry import Registry
from perennial.lineage import VersionRecord, archived
from perennial.strategy import Known


def known(registry: Registry, ledger: Ledger, model: str, champion: int | None) -> Known:
    """What `perennial.strategy` asks of the champion of a run; little where it is not in the registry."""
    if champion is None:
        return Known(None)
    versions = registry.versions(model)
    record = next((record for record in versions if record.version == champion), None)
    if record is None:
        return Known(champion)
    return Known(
        champion=champion,
        rows=record.rows_trained,
        trained_at=record.created_at,
        since=_since(registry, ledger, record),
        archived=len(archived(versions)),
    )


def learnt_keys(artifacts: Bucket, model: str, version: int) -> set[str]:
    """Keys of the data objects that a version was trained on."""
    lineage = artifacts.get_json(layout.version_key(model, version, layout.LINEAGE))
    return {item["key"] for item in lineage["data"]}


def _since(registry: Registry, ledger: Ledger, champion: VersionRecord) -> datetime | None:
    """From when on the rows are of the champion's concept: as it was trained, or as it was recalled."""
    alias = registry.champion(champion.model)
    if alias is not None and alias.run != champion.run:
        entry = ledger.run(alias.run) or {}
        if entry.get("recalled") == champion.version and entry.get("since"):
            return datetime.fromisoformat(entry["since"])
    return champion.strategy.since if champion.strategy else None
