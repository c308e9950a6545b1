"""Train On EC2: write the job, launch the instance; the instance answers the callback."""

from datetime import UTC, datetime

from perennial import layout
from perennial.aws.handler import logger, task
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts.training import LaunchedTrainer, LaunchTrainerInput, TrainingJob
from perennial.libraries import locked


@task(LaunchTrainerInput)
def handler(request: LaunchTrainerInput, services: Services) -> LaunchedTrainer:
    """Every attempt of a run trains the same version; an earlier attempt's instance is ended first."""
    now, config, run = datetime.now(UTC), load_model(request.model), request.run
    services.attempts.begin(run, request.attempt)
    services.launcher.clear(request.model, run, request.attempt, now)
    reserved = services.launcher.reserve(config, run, request.attempt, now)
    entry = services.ledger.run(run) or {}
    version = int(entry.get("challenger") or services.registry.next_version(request.model))
    services.ledger.note(run, challenger=version, instance_reason=reserved.reason)
    job = TrainingJob(
        run=run,
        model=request.model,
        version=version,
        champion=request.champion,
        attempt=request.attempt,
        token=request.token,
        seed=config.seed,
        code_version=services.settings.code_version,
        strategy=request.strategy,
        max_seconds=reserved.max_seconds,
        instance_reason=reserved.reason,
        libraries=locked(),
    )
    services.artifacts.put_json(layout.run_key(run, layout.JOB), job.model_dump(mode="json"))
    attempt = services.launcher.launch(reserved, config.training.market, request.token, now)
    services.ledger.note(run, instance=f"{attempt.instance_type} {attempt.market}")
    logger.info("launched", extra={"instance": attempt.instance_id, "attempt": request.attempt})
    return LaunchedTrainer(instance_id=str(attempt.instance_id), version=version)
