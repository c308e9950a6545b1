"""Watch Runs: how long the runs that hold a model have held it; a run that is stuck says nothing itself."""

from datetime import datetime, timedelta

from aws_lambda_powertools.metrics import MetricUnit

from perennial.aws.handler import logger, task
from perennial.aws.measuring import measure_of
from perennial.aws.wiring import Services
from perennial.config import load_model, model_names
from perennial.contracts.watching import WatchedRuns, WatchRunsInput
from perennial.errors import InvalidModelFile
from perennial.health import longest_run, run_age


@task(WatchRunsInput)
def handler(event: WatchRunsInput, services: Services) -> WatchedRuns:
    """A lock whose run has ended is nobody's: the next run takes it over."""
    at_work, overdue = [], []
    for model in model_names():
        held = services.lock.held_since(model)
        if held is None or not services.workflow.alive(held[0]):
            continue
        run, since = held
        age = _age(services, run, since, event.time)
        over = max(timedelta(), age - _longest(model))
        measure_of(model, "RunAge", age.total_seconds(), MetricUnit.Seconds)
        measure_of(model, "RunOverdue", over.total_seconds(), MetricUnit.Seconds)
        at_work.append(run)
        if over:
            overdue.append(run)
    return WatchedRuns(at_work=tuple(at_work), overdue=tuple(overdue))


def _age(services: Services, run: str, since: datetime, now: datetime) -> timedelta:
    question, answer = services.approvals.question(run), services.approvals.answer(run)
    return run_age(since, question.asked_at if question else None, answer.at if answer else None, now)


def _longest(model: str) -> timedelta:
    """A model file that became invalid under a run explains no time at all."""
    try:
        return longest_run(load_model(model))
    except InvalidModelFile as error:
        logger.info("the model file cannot be read", extra={"model": model, "error": str(error)})
        return timedelta()
