"""A version trained again from its manifest: the same object versions, model file, strategy and seed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from perennial.artifacts import digest, dump, load, verified
from perennial.aws.accepted import assemble_pinned
from perennial.aws.objects import Bucket
from perennial.aws.way import find_way
from perennial.aws.wiring import Services
from perennial.config import parse_model
from perennial.contracts.objects import Artifact, PinnedObject
from perennial.contracts.training import TrainingManifest
from perennial.errors import InvalidRequest
from perennial.lineage import VersionRecord, gone
from perennial.reproduction import differences, libraries, surroundings
from perennial.selection import select
from perennial.training import fit

_CONNECTIONS = 8


@dataclass(frozen=True)
class Reproduction:
    """What came of it. `same_bytes`: the file of the model is the same, byte for byte; `differing`: what is
    not as it was, in words, of the model or where there is none of the data; `surroundings`: libraries and
    code of another version, which may be why."""

    version: int
    rows_trained: int
    same_bytes: bool
    differing: tuple[str, ...]
    surroundings: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether the same model came out."""
        return not self.differing


def reproduce(services: Services, model: str, version: int) -> Reproduction:
    """Train a version again and compare; nothing is written.

    A version whose files are gone is compared by the digest of its model.
    Raises VersionNotFound, InvalidRequest where the version was stored without a manifest, VersionExpired
    where the version that it went on from has no files any more, ArtifactCorrupted, and what training raises.
    """
    record = services.registry.version(model, version)
    manifest = read_manifest(services.artifacts, record)
    then = manifest.libraries | {"code": manifest.code_version}
    now = libraries() | {"code": services.settings.code_version}
    if services.settings.code_version == "unknown":
        del then["code"], now["code"]
    around = tuple(surroundings(then, now))
    if missing := _gone(services.data, manifest):
        return Reproduction(version, 0, False, missing, around)

    text = _stored(services.artifacts, manifest.model_file).decode()
    config = parse_model(text, model).model_copy(update={"seed": manifest.seed})
    assembled = assemble_pinned(
        services.data,
        [PinnedObject(stored=item.stored, recent=item.recent) for item in manifest.objects],
        config,
    )
    way = find_way(services, config, manifest.strategy, manifest.parent)
    selected = select(assembled, way.strategy, way.config, config.seed)
    fit_as, config = way.fit_as(selected.applied), way.config
    if fit_as == "search" and record.chosen:  # what was found is fitted again; finding it took time
        fit_as, config = "full", config.model_copy(update={"estimator": record.chosen.estimator})
    fitted = fit(selected, config, strategy=fit_as, parent=way.parent_for(selected.applied))
    body = dump(fitted.pipeline)
    if digest(body) == record.artifact.sha256:
        return Reproduction(version, len(selected.frame), True, (), around)
    if record.expired:
        unlike = "another file came out than the registered one, and in what they differ cannot be said"
        return Reproduction(version, len(selected.frame), False, (f"{unlike}: {gone(record)}",), around)
    first = load(_stored(services.artifacts, record.artifact), record.artifact.sha256)
    differing = differences(first, load(body, digest(body)), selected.holdout, config)
    return Reproduction(version, len(selected.frame), False, tuple(differing), around)


def read_manifest(bucket: Bucket, record: VersionRecord) -> TrainingManifest:
    """What a version was trained from. Raises InvalidRequest where it was stored without."""
    if record.manifest is None:
        raise InvalidRequest(
            f"version {record.version} of {record.model} has no manifest: it cannot be trained again"
        )
    return TrainingManifest.model_validate_json(_stored(bucket, record.manifest))


def _stored(bucket: Bucket, artifact: Artifact) -> bytes:
    return verified(bucket.get(artifact.key, artifact.version_id), artifact.sha256)


def _gone(bucket: Bucket, manifest: TrainingManifest) -> tuple[str, ...]:
    """The objects that are no longer there, or not in that version."""
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        answers = [
            pool.submit(bucket.head, item.stored.key, item.stored.version_id) for item in manifest.objects
        ]
        return tuple(
            f"version {item.stored.version_id} of {item.stored.key} is gone"
            for item, answer in zip(manifest.objects, answers, strict=True)
            if answer.result() is None
        )
