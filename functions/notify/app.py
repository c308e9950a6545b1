"""Notify: tell people what became of a run, in their words, and not more often than they want."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from perennial.aws.handler import logger, measure, task
from perennial.aws.measuring import measure_of
from perennial.aws.wiring import Services
from perennial.budget import month_of
from perennial.config import ModelConfig, load_model, model_names
from perennial.contracts.outcome import Notified, NotifyInput
from perennial.errors import InvalidModelFile, UnknownModel
from perennial.health import budget_used, quarantine_rate, trainings_failed
from perennial.notices import Ended, of_outcome
from perennial.triggers import EVERY_MODEL
from perennial.watch_config import WatchPolicy


@task(NotifyInput)
def handler(request: NotifyInput, services: Services) -> Notified:
    """What is held back is counted; the run's entry says so, too. How the model fares now is measured."""
    now, config = datetime.now(UTC), _config(request.model)
    entry = services.ledger.run(request.run) or {}
    if config is not None:
        _measure_model(config, entry, services, now)
    settings = services.settings
    notice = of_outcome(Ended(request, entry, settings.stack, settings.data_bucket))
    every = (config.watch if config else WatchPolicy()).notify_every
    sent = services.notices.send(notice, request.run, every, now)
    services.ledger.note(request.run, notice="sent" if sent.told else "held back")
    if not sent.told:
        logger.info("held back", extra={"kind": notice.kind, "subject": notice.subject})
    return Notified(told=sent.told, held_back=sent.held_back)


def _config(model: str) -> ModelConfig | None:
    """None where it is the model file that the run failed at."""
    try:
        return load_model(model)
    except (UnknownModel, InvalidModelFile):
        return None


def _measure_model(config: ModelConfig, own: dict[str, Any], services: Services, now: datetime) -> None:
    """How the model fares after this run, by all of its latest; the index may not have its outcome yet."""
    earlier = [entry for entry in services.ledger.runs(config.name) if entry["run"] != own.get("run")]
    entries, month = [own, *earlier], month_of(now)
    measure("QuarantineRate", quarantine_rate(entries), MetricUnit.Percent)
    measure("TrainingsFailedInRow", trainings_failed(entries))
    spent = services.attempts.month(config.name, month)
    if spent.dollars is not None:
        measure("MonthCost", spent.dollars, MetricUnit.NoUnit)
    used = budget_used(config.training, spent)
    if used is not None:
        measure("BudgetUsed", used, MetricUnit.Percent)
    everything = sum(services.attempts.month(name, month).dollars or 0.0 for name in model_names())
    measure_of(EVERY_MODEL, "MonthCost", everything, MetricUnit.NoUnit)
