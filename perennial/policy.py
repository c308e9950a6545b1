"""Would retraining pay? Pure: everything that the answer depends on is an argument."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial.config import RetrainPolicy
from perennial.contracts import DataSummary, Decision, DriftSummary, Trigger


@dataclass(frozen=True)
class Evidence:
    """What is known when the decision is taken; times are None for what never happened."""

    champion: int | None
    trigger: Trigger
    data: DataSummary
    drift: DriftSummary
    last_retrained_at: datetime | None
    last_rolled_back_at: datetime | None
    over_budget: str | None = None  # why a training would not be started, where its limits forbid it


def decide(evidence: Evidence, policy: RetrainPolicy, now: datetime) -> Decision:
    """Skip, alert or retrain, with the reasons and the alternatives turned down; by which strategy is
    `perennial.strategy`'s to say.

    Bad data never retrains (AWS Well-Architected MLSUS-16: retrain only when it pays); a person's
    `force` overrides the cooldown and the lack of drift, never the quality of the data or the budget.
    """
    causes = _causes(evidence)
    held = _obstacles(evidence, policy, now)
    if not evidence.data.valid:
        return _decision(
            "skip",
            ["the data is not valid, and bad data never trains"],
            [f"retrain: {cause}" for cause in causes],
        )
    if not causes:
        return _quiet(evidence)
    if held:
        return _decision("alert", [*causes, *held], [f"retrain: {reason}" for reason in held])
    return _decision("retrain", causes, ["skip: the champion would go on serving what no longer fits"])


def _causes(evidence: Evidence) -> list[str]:
    """What speaks for retraining."""
    causes = []
    if evidence.champion is None:
        causes.append("there is no champion yet")
    if evidence.drift.drifted:
        causes.append(evidence.drift.summary)
    if evidence.trigger.force:
        causes.append(f"a person asked for it: {evidence.trigger.reason}")
    return causes


def _obstacles(evidence: Evidence, policy: RetrainPolicy, now: datetime) -> list[str]:
    """What holds retraining back although something speaks for it."""
    held = []
    if evidence.data.labelled_rows < policy.min_labelled_rows:
        held.append(f"{evidence.data.labelled_rows} rows have a label, {policy.min_labelled_rows} are needed")
    if evidence.over_budget:
        held.append(f"the budget forbids it: {evidence.over_budget}")
    if not evidence.trigger.force:
        waits: Mapping[str, tuple[datetime | None, timedelta]] = {
            "the last training": (evidence.last_retrained_at, policy.cooldown),
            "the last rollback": (evidence.last_rolled_back_at, policy.cooldown_after_rollback),
        }
        held += [
            f"retraining waits {_words(wait)} after {event}, until {since + wait:%Y-%m-%d %H:%M} UTC"
            for event, (since, wait) in waits.items()
            if since is not None and now < since + wait
        ]
    return held


def _quiet(evidence: Evidence) -> Decision:
    if evidence.trigger.kind == "alarm":
        return _decision(
            "alert",
            [f"{evidence.trigger.reason}, yet {evidence.drift.summary}"],
            ["retrain: there is nothing new to learn from"],
        )
    return _decision("skip", [evidence.drift.summary], ["retrain: it would cost and change nothing"])


def _decision(action: str, reasons: list[str], alternatives: list[str]) -> Decision:
    return Decision.model_validate(
        {
            "action": action,
            "summary": "; ".join(reasons),
            "reasons": tuple(reasons),
            "alternatives": tuple(alternatives),
        }
    )


def _words(wait: timedelta) -> str:
    hours = wait.total_seconds() / 3600
    return f"{hours:g} hours" if hours >= 1 else f"{wait.total_seconds() / 60:g} minutes"
