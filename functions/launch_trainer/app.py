"""Train On EC2: write the job, launch the instance; the instance answers the callback."""

from datetime import UTC, datetime

from perennial import layout
from perennial.aws.handler import logger, task
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts import LaunchedTrainer, LaunchTrainerInput, TrainingJob


@task(LaunchTrainerInput)
def handler(request: LaunchTrainerInput, services: Services) -> LaunchedTrainer:
    """A retried attempt keeps its version number and its instance; a new attempt gets a new token."""
    config = load_model(request.model)
    entry = services.ledger.run(request.run) or {}
    version = int(entry.get("challenger") or services.registry.next_version(request.model))
    services.ledger.note(request.run, challenger=version, attempt=request.attempt)
    job = TrainingJob(
        run=request.run,
        model=request.model,
        version=version,
        champion=request.champion,
        attempt=request.attempt,
        token=request.token,
        seed=config.seed,
        code_version=services.settings.code_version,
        max_seconds=int(config.training.max_duration.total_seconds()),
        strategy=request.strategy,
    )
    services.artifacts.put_json(layout.run_key(request.run, layout.JOB), job.model_dump(mode="json"))
    instance = services.fleet.launch(
        config.training, run=request.run, model=request.model, attempt=request.attempt
    )
    services.fleet.remember(
        instance, run=request.run, model=request.model, token=request.token, now=datetime.now(UTC)
    )
    logger.info("launched", extra={"instance": instance, "attempt": request.attempt})
    return LaunchedTrainer(instance_id=instance, version=version)
