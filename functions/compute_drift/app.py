"""Compute Drift: compare the batch with what the champion was trained on, its answers with the labels."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from perennial import layout
from perennial.artifacts import load, verified
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import ModelConfig, load_model
from perennial.contracts.drift import ComputeDriftInput, DriftSummary
from perennial.contracts.objects import Artifact, Manifest
from perennial.lineage import VersionRecord

if TYPE_CHECKING:
    from perennial.drift.concept import Rows
    from perennial.drift.verdict import Material, Verdict


@task(ComputeDriftInput)
def handler(request: ComputeDriftInput, services: Services) -> DriftSummary:
    """Only stored summaries, bounded samples and the champion's own holdout are read.

    What accumulates over runs is fed by incoming rows once: not by a window of rows accepted before, and not
    again when the run tries again.
    """
    if request.champion is None:
        return DriftSummary(
            compared=False,
            drifted=False,
            kinds=(),
            columns=(),
            score=0.0,
            summary="there is no champion to compare with",
        )
    from perennial.drift.verdict import judge  # numpy, scipy and scikit-learn: not before they are needed

    manifest = Manifest.model_validate(
        services.artifacts.get_json(layout.run_key(request.run, layout.MANIFEST))
    )
    material = _material(request, manifest, services)
    verdict: Verdict = (
        services.detectors.update(request.model, request.run, lambda states: judge(material, states))
        if material.new
        else judge(material, services.detectors.read(request.model))[1]
    )
    services.artifacts.put_json(layout.run_key(request.run, layout.DRIFT), verdict.document)
    for name, value in verdict.metrics.items():
        measure(name, value, MetricUnit.Count if name == "ColumnsDrifted" else MetricUnit.NoUnit)
    return verdict.summary


def _material(request: ComputeDriftInput, manifest: Manifest, services: Services) -> "Material":
    from perennial.dataset import read_sample
    from perennial.drift.verdict import Material
    from perennial.profile import Profile

    config = load_model(request.model)
    champion = services.registry.version(request.model, request.champion or 0)
    model = load(_verified(champion.artifact, services), champion.artifact.sha256)
    sample = read_sample(services.artifacts.get(layout.run_key(request.run, layout.SAMPLE)), config)
    reference = read_sample(_verified(champion.reference, services), config)
    importances = _verified(champion.importances, services) if champion.importances else None
    return Material(
        config=config,
        version=champion.version,
        model=model,
        baseline=Profile.load(_verified(champion.baseline, services)),
        profile=Profile.load(services.artifacts.get(layout.run_key(request.run, layout.PROFILE))),
        reference=reference,
        batch=_rows(config, model, sample),
        holdout=_holdout(config, model, champion, services),
        importances=json.loads(importances) if importances else None,
        arrived=_arrived(manifest),
        new=manifest.kind == "incoming",
    )


def _arrived(manifest: Manifest) -> datetime:
    """When the first object of the batch was accepted: the time that a training gives its rows."""
    times = [item.stored_at for item in manifest.objects if item.stored_at is not None]
    return min(times, default=datetime(1970, 1, 1, tzinfo=UTC))


def _holdout(config: ModelConfig, model: Any, champion: VersionRecord, services: Services) -> "Rows":
    from perennial.drift.concept import Rows
    from perennial.drift.stored_answers import read_answers
    from perennial.holdout import read_holdout

    frame, _ = read_holdout(_verified(champion.holdout, services), config)
    if champion.predictions is None:  # a version of before they were kept
        return _rows(config, model, frame)
    return Rows(frame, read_answers(_verified(champion.predictions, services), config))


def _rows(config: ModelConfig, model: Any, frame: Any) -> "Rows":
    from perennial.drift.concept import Rows
    from perennial.metrics import ask

    return Rows(frame, ask(model, frame, config))


def _verified(artifact: Artifact, services: Services) -> bytes:
    return verified(services.artifacts.get(artifact.key, artifact.version_id), artifact.sha256)
