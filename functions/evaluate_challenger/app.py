"""Evaluate Challenger: both versions answer the same holdout rows."""

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from perennial import layout
from perennial.artifacts import load, verified
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts import EvaluateChallengerInput, Evaluation
from perennial.evaluation import evaluate
from perennial.holdout import read_holdout


@task(EvaluateChallengerInput)
def handler(request: EvaluateChallengerInput, services: Services) -> Evaluation:
    """No artefact is loaded before its bytes have the registered digest."""
    config = load_model(request.model)
    challenger = services.registry.version(request.model, request.challenger)
    holdout, recent = read_holdout(
        verified(
            services.artifacts.get(challenger.holdout.key, challenger.holdout.version_id),
            challenger.holdout.sha256,
        ),
        config,
    )
    evaluation = evaluate(
        config,
        _model(request.model, request.champion, services),
        _model(request.model, request.challenger, services),
        holdout,
        recent,
    ).model_copy(update={"needs_approval": config.needs_approval(request.strategy.name)})
    services.artifacts.put_json(
        layout.run_key(request.run, layout.EVALUATION), evaluation.model_dump(mode="json")
    )
    measure("TrainingSeconds", request.training_seconds, MetricUnit.Seconds)
    score = evaluation.metrics.get(f"challenger.{config.metric}")
    if score is not None:
        measure("ChallengerScore", score)
    return evaluation


def _model(name: str, version: int | None, services: Services) -> Any:
    if version is None:
        return None
    artifact = services.registry.version(name, version).artifact
    return load(services.artifacts.get(artifact.key, artifact.version_id), artifact.sha256)
