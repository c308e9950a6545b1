"""What is left of a run, gathered to be told of."""

from botocore.exceptions import ClientError

from perennial import layout
from perennial.aws.clients import error_code
from perennial.aws.documents import document
from perennial.aws.wiring import Services
from perennial.contracts.objects import StoredObject
from perennial.errors import InvalidRequest, VersionNotFound
from perennial.explaining import Facts, moves_during
from perennial.lineage import VersionRecord


def facts_of(services: Services, run: str) -> Facts:
    """Everything that a run left. Raises InvalidRequest where the ledger does not know it."""
    entry = services.ledger.run(run)
    if entry is None:
        raise InvalidRequest(f"no run is named {run}: perennial status lists them")
    model, challenger = entry["model"], entry.get("challenger", entry.get("recalled"))
    version = None if challenger is None else _version(services, model, int(challenger))
    served = None if version is None else version.version
    audit = services.registry.audit(model)
    meanwhile = moves_during(entry, audit)
    return Facts(
        entry=entry,
        validation=document(services, run, layout.VALIDATION),
        drift=document(services, run, layout.DRIFT),
        decision=document(services, run, layout.DECISION),
        evaluation=document(services, run, layout.EVALUATION),
        attempts=services.attempts.of_run(model, run),
        version=version,
        moves=[
            move
            for move in audit
            if move in meanwhile or (served is not None and served in {move["version"], move["from"]})
        ],
    )


def run_of(services: Services, model: str, version: int) -> str:
    """The run that a version came of. Raises VersionNotFound."""
    return services.registry.version(model, version).run


def _version(services: Services, model: str, version: int) -> VersionRecord | None:
    """A version with its data objects; None where the training left none."""
    try:
        record = services.registry.version(model, version)
    except VersionNotFound:
        return None
    try:
        lineage = services.artifacts.get_json(layout.version_key(model, version, layout.LINEAGE))
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return record
        raise
    data = tuple(StoredObject.model_validate(item) for item in lineage["data"])
    return record.model_copy(update={"data": data})
