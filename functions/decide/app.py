"""Decide: would retraining pay?"""

from datetime import UTC, datetime

from aws_lambda_powertools.metrics import MetricUnit

from perennial import layout
from perennial.aws.ancestry import known
from perennial.aws.evidence import gather, price
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import ModelConfig, load_model
from perennial.contracts.decision import DecideInput, Decision
from perennial.contracts.drift import DriftSummary, Observed
from perennial.contracts.strategy import Strategy
from perennial.decision import Check, Evidence, check_of, decide, record
from perennial.health import drift_unanswered, false_alarm_budget, label_age
from perennial.strategy import choose


@task(DecideInput)
def handler(request: DecideInput, services: Services) -> Decision:
    """The decision is stored, with all that it was taken by, before anything follows from it."""
    now, config = datetime.now(UTC), load_model(request.model)
    policy = config.policy
    evidence = gather(services, request, config, now)
    decision = decide(evidence, policy, now)
    if decision.action == "retrain":
        evidence = price(services, config, evidence, now)
        decision = decide(evidence, policy, now)
    if decision.action == "retrain":
        past_of = known(services.registry, services.ledger, request.model, request.champion)
        decision = choose(request.drift, request.data, past_of, config).told_in(decision)
    services.artifacts.put_json(
        layout.run_key(request.run, layout.DECISION), record(decision, evidence, policy, now)
    )
    check = check_of(evidence, decision, request.run, now)
    services.ledger.note(
        request.run,
        decision=decision.action,
        check=check.model_dump_json(),
        **_noted(decision.strategy),
        **_observed(request.drift),
    )
    measure("RetrainDecisions", decision.action == "retrain")
    if evidence.champion is not None:
        _measure_champion(evidence, check, config, now)
    return decision


def _measure_champion(evidence: Evidence, check: Check, config: ModelConfig, now: datetime) -> None:
    """What checks of the champion add up to; rows of a window were counted when they came."""
    checks = [*([check] if check.incoming else []), *evidence.of_champion]
    measure("DriftUnanswered", drift_unanswered(checks))
    spent = false_alarm_budget(checks, config.drift.alpha, config.drift.lifetime_alpha)
    measure("FalseAlarmBudgetUsed", spent, MetricUnit.Percent)
    age = label_age([check, *evidence.checks], evidence.trained_at, now)
    if age is not None:
        measure("LabelAge", age, MetricUnit.Seconds)


def _noted(strategy: Strategy | None) -> dict[str, str]:
    """What the ledger keeps of a strategy: its name, and from when on rows count."""
    if strategy is None:
        return {}
    return {"strategy": strategy.name} | ({"since": strategy.since.isoformat()} if strategy.since else {})


def _observed(drift: DriftSummary) -> dict[str, str]:
    """What the ledger keeps of the champion's performance, longer than the documents of the run are kept."""
    if drift.measured is None and drift.estimated is None:
        return {}
    found = Observed(measured=drift.measured, estimated=drift.estimated)
    return {"performance": found.model_dump_json()}
