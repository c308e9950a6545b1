"""Settle Batch: move a batch to accepted/ or quarantine/, the reasons beside it."""

from perennial import layout
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.contracts.batch import SettleBatchInput, SettledBatch
from perennial.contracts.objects import Manifest


@task(SettleBatchInput)
def handler(request: SettleBatchInput, services: Services) -> SettledBatch:
    """Repeating it moves nothing twice. The manifest follows its objects, so that later states find them."""
    manifest_key = layout.run_key(request.run, layout.MANIFEST)
    manifest = Manifest.model_validate(services.artifacts.get_json(manifest_key))
    day = request.started_at.date() if request.disposition == "accepted" else None
    moved = []
    for item in manifest.objects if manifest.kind == "incoming" else ():
        key = layout.settled(item.key, request.model, request.run, day)
        moved.append(services.data.move(item, key))
    prefix = layout.settled("//", request.model, request.run, day)
    if moved:
        services.artifacts.put_json(
            manifest_key, manifest.model_copy(update={"objects": tuple(moved)}).model_dump(mode="json")
        )
    if request.disposition == "quarantine":
        services.data.put_json(f"{prefix}reasons.json", {"run": request.run, "reasons": request.reasons})
        measure("BatchesQuarantined", 1)
    return SettledBatch(disposition=request.disposition, objects=len(moved), prefix=prefix)
