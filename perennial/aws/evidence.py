"""What a decision is taken by, gathered from where it lies: ledger, registry, documents, budget."""

from datetime import datetime, timedelta
from statistics import median

from perennial import layout
from perennial.aws.documents import document
from perennial.aws.wiring import Services
from perennial.config import ModelConfig
from perennial.contracts.decision import DecideInput
from perennial.contracts.objects import Manifest
from perennial.decision import Check, Costs, Evidence, Retrain

_RUNS = 100  # whose checks are looked at
_RETRAINS = 10  # of the last ones
_EVER = timedelta(days=365 * 100)
_TRAINED = frozenset({"promoted", "rejected", "rolled_back"})


def gather(services: Services, request: DecideInput, config: ModelConfig, now: datetime) -> Evidence:
    """Everything but the costs, which are asked for where a training is wanted."""
    policy = config.policy
    longest = max(policy.cooldown, policy.cooldown_after_rollback)
    past = services.ledger.latest(request.model, since=now - min(longest + timedelta(days=1), _EVER))
    versions = {record.version: record for record in services.registry.versions(request.model)}
    champion = versions.get(request.champion) if request.champion is not None else None
    latest = sorted(versions.values(), key=lambda record: record.version)[-_RETRAINS:]
    found = (
        _retrain(services, record.run, record.version, record.parent)
        for record in latest
        if record.run != request.run
    )
    return Evidence(
        champion=request.champion,
        trained_at=champion.created_at if champion else None,
        trigger=request.trigger,
        data=request.data,
        drift=request.drift,
        incoming=_incoming(services, request.run),
        checks=tuple(checks_of(services, request.model, but=request.run)),
        retrains=tuple(item for item in found if item),
        last_retrained_at=max((at for outcome, at in past.items() if outcome in _TRAINED), default=None),
        last_rolled_back_at=past.get("rolled_back"),
        alpha=config.drift.alpha,
    )


def price(services: Services, config: ModelConfig, evidence: Evidence, now: datetime) -> Evidence:
    """The same evidence with what a training would cost, by earlier ones where there are any."""
    quote = services.launcher.quote(config, now)
    known = [item.dollars for item in evidence.retrains if item.dollars is not None]
    costs = Costs(
        expected=median(known) if known else quote.asked.dollars,
        most=quote.asked.dollars,
        most_minutes=quote.asked.minutes,
        month=quote.month.dollars,
        month_minutes=quote.month.minutes,
        refusal=quote.refusal,
    )
    return evidence.model_copy(update={"costs": costs})


def checks_of(services: Services, model: str, but: str = "") -> list[Check]:
    """What the model's latest runs found and decided, except one run's."""
    entries = services.ledger.runs(model, _RUNS)
    return [
        Check.model_validate_json(entry["check"])
        for entry in entries
        if "check" in entry and entry["run"] != but
    ]


def _retrain(services: Services, run: str, version: int, parent: int | None) -> Retrain | None:
    """None where the run has not ended or is not known any more."""
    entry = services.ledger.run(run) or {}
    if "outcome" not in entry or "ended_at" not in entry:
        return None
    check = Check.model_validate_json(entry["check"]) if "check" in entry else None
    dollars = entry.get("training_dollars")
    return Retrain(
        run=run,
        version=version,
        parent=parent,
        at=datetime.fromisoformat(entry["ended_at"]),
        outcome=entry["outcome"],
        gain=_gain(services, run),
        dollars=None if dollars is None else float(dollars),
        findings=check.findings if check else (),
        drifted_rows=check.drifted_rows if check else 0,
    )


def _gain(services: Services, run: str) -> float | None:
    evaluation = document(services, run, layout.EVALUATION) or {}
    gain = evaluation.get("metrics", {}).get("gain")
    return None if gain is None else float(gain)


def _incoming(services: Services, run: str) -> bool:
    """Are the rows new? Those of a window were looked at when they came."""
    stored = document(services, run, layout.MANIFEST)
    return stored is None or Manifest.model_validate(stored).kind == "incoming"
