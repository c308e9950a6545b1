"""Decide: would retraining pay?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from perennial import layout
from perennial.aws.ancestry import known
from perennial.aws.handler import measure, task
from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts import DecideInput, Decision, Strategy
from perennial.policy import Evidence, decide
from perennial.strategy import choose


@task(DecideInput)
def handler(request: DecideInput, services: Services) -> Decision:
    """The decision is stored with its reasons before anything follows from it."""
    now, config = datetime.now(UTC), load_model(request.model)
    policy = config.policy
    past = services.ledger.latest(
        request.model, since=now - max(policy.cooldown, policy.cooldown_after_rollback) - timedelta(days=1)
    )
    evidence = Evidence(
        champion=request.champion,
        trigger=request.trigger,
        data=request.data,
        drift=request.drift,
        last_retrained_at=max(
            (at for outcome, at in past.items() if outcome in {"promoted", "rejected", "rolled_back"}),
            default=None,
        ),
        last_rolled_back_at=past.get("rolled_back"),
    )
    decision = decide(evidence, policy, now)
    if decision.action == "retrain" and (why := services.launcher.refusal(config, now)):
        decision = decide(replace(evidence, over_budget=why), policy, now)
    if decision.action == "retrain":
        past_of = known(services.registry, services.ledger, request.model, request.champion)
        decision = choose(request.drift, request.data, past_of, config).told_in(decision)
    services.artifacts.put_json(
        layout.run_key(request.run, layout.DECISION), decision.model_dump(mode="json")
    )
    services.ledger.note(request.run, decision=decision.action, **_noted(decision.strategy))
    measure("RetrainDecisions", decision.action == "retrain")
    return decision


def _noted(strategy: Strategy | None) -> dict[str, str]:
    """What the ledger keeps of a strategy: its name, and from when on rows count."""
    if strategy is None:
        return {}
    return {"strategy": strategy.name} | ({"since": strategy.since.isoformat()} if strategy.since else {})
