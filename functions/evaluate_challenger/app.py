"""Evaluate Challenger: champion and challenger, and who served before, answer the same holdout rows."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from perennial import layout
from perennial.artifacts import load, verified
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import ModelConfig, load_model
from perennial.contracts.evaluation import EvaluateChallengerInput, Evaluation, Gate
from perennial.contracts.objects import Artifact
from perennial.evaluation import evaluate, gates
from perennial.evaluation.clean import CleanLoad
from perennial.holdout import read_holdout
from perennial.lineage import VersionRecord, archived


@task(EvaluateChallengerInput)
def handler(request: EvaluateChallengerInput, services: Services) -> Evaluation:
    """No artefact is loaded before its bytes have the registered digest."""
    config = load_model(request.model)
    challenger = services.registry.version(request.model, request.challenger)
    holdout, recent = read_holdout(_bytes(challenger.holdout, services), config)
    champion = services.registry.version(request.model, request.champion) if request.champion else None
    serving = _model(champion.artifact, services) if champion else None
    body = _bytes(challenger.artifact, services)
    model = load(body, challenger.artifact.sha256)
    with CleanLoad(body, challenger.artifact.sha256, holdout[config.features]) as clean:
        evaluation = evaluate(
            config,
            serving,
            model,
            holdout,
            recent,
            archived=_archived(config, challenger, request.champion, services),
            checks=(*_size(config, challenger.artifact), partial(clean.gate, model)),
            clock=time.perf_counter,
        )
    services.artifacts.put_json(
        layout.run_key(request.run, layout.EVALUATION), evaluation.model_dump(mode="json")
    )
    measure("TrainingSeconds", request.training_seconds, MetricUnit.Seconds)
    score = evaluation.metrics.get(f"challenger.{config.metric}")
    if score is not None:
        measure("ChallengerScore", score)
    return evaluation


def _size(config: ModelConfig, artifact: Artifact) -> tuple[Callable[[], Gate], ...]:
    most = config.evaluation.max_bytes
    return (partial(gates.size, artifact.size, most),) if most is not None else ()


def _archived(
    config: ModelConfig, challenger: VersionRecord, champion: int | None, services: Services
) -> dict[int, Callable[[], Any]]:
    """The newest that served before, made with the libraries at hand; loaded when their turn comes."""
    if not config.evaluation.archived:
        return {}
    others = [
        record
        for record in archived(services.registry.versions(config.name))
        if record.version not in {champion, challenger.version} and record.libraries == challenger.libraries
    ]
    newest = sorted(others, key=lambda record: -record.version)[: config.evaluation.archived]
    return {record.version: partial(_model, record.artifact, services) for record in newest}


def _bytes(artifact: Artifact, services: Services) -> bytes:
    return verified(services.artifacts.get(artifact.key, artifact.version_id), artifact.sha256)


def _model(artifact: Artifact, services: Services) -> Any:
    return load(services.artifacts.get(artifact.key, artifact.version_id), artifact.sha256)
