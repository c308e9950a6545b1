"""Compute Drift: compare the batch's profile with the champion's baseline, its answers with the labels."""

from perennial import layout
from perennial.artifacts import load, verified
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import ModelConfig, load_model
from perennial.contracts import Artifact, ComputeDriftInput, DriftSummary
from perennial.dataset import read_sample
from perennial.drift import PerformanceChange, compare_performance, detect_drift
from perennial.holdout import read_holdout
from perennial.lineage import VersionRecord
from perennial.metrics import ask, labels_of
from perennial.profile import Profile


@task(ComputeDriftInput)
def handler(request: ComputeDriftInput, services: Services) -> DriftSummary:
    """Only stored summaries, the bounded sample and the champion's own holdout are read."""
    if request.champion is None:
        return DriftSummary(
            compared=False,
            drifted=False,
            kinds=(),
            columns=(),
            score=0.0,
            summary="there is no champion to compare with",
        )
    config = load_model(request.model)
    champion = services.registry.version(request.model, request.champion)
    profile = Profile.load(services.artifacts.get(layout.run_key(request.run, layout.PROFILE)))
    report = detect_drift(
        Profile.load(_verified(champion.baseline, services)),
        profile,
        config.drift,
        label=config.label,
        columns=[*config.features, config.label],
        performance=_performance(request, config, champion, services),
    )
    services.artifacts.put_json(layout.run_key(request.run, layout.DRIFT), report.to_dict())
    measure("DriftScore", report.score)
    measure("ColumnsDrifted", len(report.drifted_columns))
    return DriftSummary(
        compared=True,
        drifted=report.drifted,
        kinds=report.kinds,
        columns=report.drifted_columns,
        score=report.score,
        summary=report.summary,
    )


def _performance(
    request: ComputeDriftInput, config: ModelConfig, champion: VersionRecord, services: Services
) -> PerformanceChange | None:
    """The champion's answers to labelled rows of the batch against those to its own holdout."""
    sample = read_sample(services.artifacts.get(layout.run_key(request.run, layout.SAMPLE)), config)
    labelled = sample[sample[config.label].notna()]
    if labelled.empty:
        return None
    model = load(_verified(champion.artifact, services), champion.artifact.sha256)
    holdout, _ = read_holdout(_verified(champion.holdout, services), config)
    return compare_performance(
        config.task,
        reference=(labels_of(holdout, config), ask(model, holdout, config).predicted),
        current=(labels_of(labelled, config), ask(model, labelled, config).predicted),
    )


def _verified(artifact: Artifact, services: Services) -> bytes:
    return verified(services.artifacts.get(artifact.key, artifact.version_id), artifact.sha256)
