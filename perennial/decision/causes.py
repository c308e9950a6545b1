"""What speaks for retraining, and what the policy makes of each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from perennial.config_fields import in_days
from perennial.contracts.decision import Decision
from perennial.contracts.drift import Finding
from perennial.contracts.words import CauseKind
from perennial.decision.evidence import Check, Evidence
from perennial.decision.performance import finding, known
from perennial.policy_config import RetrainPolicy, Rule

_KINDS: tuple[CauseKind, ...] = get_args(CauseKind)
_OF_ROWS = {"data", "prediction"}  # other rows come: harmless where the champion's performance holds
_STRENGTH = {"ignore": 0, "alert": 1, "retrain": 2}


@dataclass(frozen=True)
class Cause:
    """One reason to act. `leads_to` what the policy makes of it; `instead`: why not to a retrain, if so."""

    kind: Literal["first", "asked", "age"] | CauseKind
    leads_to: Rule
    sentence: str
    instead: str = ""
    size: float = 0.0


def causes_of(evidence: Evidence, policy: RetrainPolicy, now: datetime) -> list[Cause]:
    """All of them, the weightiest first."""
    found = [_judged(item, evidence, policy) for item in findings_of(evidence)]
    found.sort(key=lambda cause: (-_STRENGTH[cause.leads_to], -cause.size))
    first: list[Cause] = []
    if evidence.champion is None:
        first.append(Cause("first", "retrain", "there is no champion yet"))
    if evidence.trigger.force:
        first.append(Cause("asked", "retrain", f"a person asked for it: {evidence.trigger.reason}"))
    return [*first, *found, *_age(evidence, policy, now)]


def findings_of(evidence: Evidence) -> list[Finding]:
    """The kinds of drift found, and a loss of performance; one for each kind."""
    drift = evidence.drift
    found = {item.kind: item for item in drift.findings}
    kinds: list[CauseKind] = [*drift.kinds]
    if drift.drifted and not kinds and not found:
        kinds.append("data")
    for kind in kinds:  # whose strength nobody told: seen once
        found.setdefault(kind, Finding(kind=kind, p_value=evidence.alpha, size=1.0))
    lost = finding(evidence)
    if lost is not None:
        found["performance"] = lost
    return [found[kind] for kind in _KINDS if kind in found]


def check_of(evidence: Evidence, decision: Decision, run: str, now: datetime) -> Check:
    """What the next decisions are told of this one."""
    return Check(
        run=run,
        at=now,
        champion=evidence.champion,
        incoming=evidence.incoming,
        action=decision.action,
        findings=tuple(findings_of(evidence)),
        drifted_rows=evidence.drifted_rows,
        waiting_labels=evidence.waiting_labels,
        labelled_rows=evidence.data.labelled_rows if evidence.incoming else 0,
    )


def is_sure(found: Finding, policy: RetrainPolicy) -> bool:
    """Is one check enough?"""
    large = found.size is None or found.size >= policy.strong
    return found.lasting or (large and found.p_value <= policy.sure)


def times_seen(found: Finding, evidence: Evidence, policy: RetrainPolicy) -> int:
    """In how many of the last checks, this one included. A window's rows were looked at when they came."""
    earlier = evidence.of_champion[: policy.of_checks - (1 if evidence.incoming else 0)]
    times = sum(any(item.kind == found.kind for item in check.findings) for check in earlier)
    return times + 1 if evidence.incoming else max(1, times)


def _judged(found: Finding, evidence: Evidence, policy: RetrainPolicy) -> Cause:
    size = found.size or 0.0
    sentence, rule = _sentence(found, evidence, policy), policy.rules.of(found.kind)
    if rule != "retrain":
        return Cause(found.kind, rule, sentence, f"policy.rules.{found.kind} says {rule}", size)
    holds = _holds(found, evidence, policy)
    if holds and policy.when_holding != "retrain":
        return Cause(found.kind, policy.when_holding, sentence, holds, size)
    times = times_seen(found, evidence, policy)
    if not is_sure(found, policy) and times < policy.confirmations:
        instead = (
            f"{_NAMES[found.kind]} was seen in {times} of the last {policy.of_checks} checks and is not sure "
            f"enough to count at once: {policy.confirmations} have to show it"
        )
        return Cause(found.kind, "alert", sentence, instead, size)
    return Cause(found.kind, "retrain", sentence, size=size)


def _holds(found: Finding, evidence: Evidence, policy: RetrainPolicy) -> str:
    """Why drift of the rows does no harm, if that is known; empty otherwise. With prices, these decide."""
    performance = known(evidence)
    if policy.value is not None or performance is None or not performance.holds:
        return ""
    harmless = found.kind in _OF_ROWS or (found.kind == "label" and performance.how == "measured")
    return f"the champion holds: {performance.words}" if harmless else ""


def _age(evidence: Evidence, policy: RetrainPolicy, now: datetime) -> list[Cause]:
    times = [evidence.trained_at, *(item.at for item in evidence.trials[:1])]
    known_times = [time for time in times if time is not None]
    if policy.max_age is None or evidence.champion is None or not known_times:
        return []
    age = now - max(known_times)
    if age < policy.max_age:
        return []
    said = f"the last training was {in_days(age)} ago, at most {in_days(policy.max_age)} are allowed"
    return [Cause("age", "retrain", said)]


def _sentence(found: Finding, evidence: Evidence, policy: RetrainPolicy) -> str:
    """What was found and how sure it is."""
    name = _NAMES[found.kind]
    if found.kind == "performance":
        performance = known(evidence)
        name = f"{name} ({performance.words})" if performance else name
    if found.size is None and not found.p_value:
        return f"{name} is certain"
    size = f"{found.size:.3g} times the smallest change that matters" if found.size is not None else ""
    parts = [p_words(found.p_value), size, "over several batches" if found.lasting else ""]
    sure = is_sure(found, policy)
    verdict = "is sure" if sure else f"was seen in {times_seen(found, evidence, policy)} of the last checks"
    return f"{name} {verdict}: {', '.join(part for part in parts if part)}"


def p_words(p: float) -> str:
    """A p-value for people.

    >>> p_words(0.0031), p_words(1e-9)
    ('p = 0.0031', 'p < 0.0001')
    """
    return f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001"


_NAMES: dict[str, str] = {
    "data": "data drift",
    "label": "label drift",
    "prediction": "prediction drift",
    "concept": "concept drift",
    "schema": "schema drift",
    "performance": "a loss of performance",
}
