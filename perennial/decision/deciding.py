"""Skip, alert or retrain."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from perennial.contracts.decision import Decision
from perennial.contracts.words import Action
from perennial.cost import in_words
from perennial.decision.causes import Cause, causes_of
from perennial.decision.evidence import Evidence
from perennial.decision.obstacles import obstacles
from perennial.decision.performance import known
from perennial.decision.value import worth
from perennial.policy_config import RetrainPolicy

_TOLD = 2


def decide(evidence: Evidence, policy: RetrainPolicy, now: datetime) -> Decision:
    """Skip, alert or retrain, with the reasons, the weightiest first, and the alternatives turned down; by
    which strategy is `perennial.strategy`'s to say.

    Bad data never retrains (AWS Well-Architected MLSUS-16: retrain only when it pays); a person's `force`
    overrides cooldown, confirmation and value, never the quality of the data, the labels or the budget.
    More or stronger drift, a worse performance and more labels never lead to less.
    """
    causes = causes_of(evidence, policy, now)
    if not evidence.data.valid:
        return _decision(
            "skip",
            ["the data is not valid, and bad data never trains"],
            alternatives=[f"retrain: {cause.sentence}" for cause in causes],
        )
    wanted = [cause for cause in causes if cause.leads_to == "retrain"]
    if wanted:
        held = obstacles(wanted, evidence, policy, now)
        return _held(evidence, causes, held) if held else _retrain(evidence, policy, causes)
    if any(cause.leads_to == "alert" for cause in causes):
        return _alert(evidence, causes)
    return _quiet(evidence, causes)


def _retrain(evidence: Evidence, policy: RetrainPolicy, causes: Sequence[Cause]) -> Decision:
    for_it = [cause for cause in causes if cause.leads_to == "retrain"]
    value = worth(evidence, policy.value) if policy.value else None
    return _decision(
        "retrain",
        _lead(evidence, for_it),
        [*_told(for_it), *([f"it pays: {value.words}"] if value and value.pays else []), *_cost(evidence)],
        [
            "skip: the champion would go on serving what no longer fits"
            if evidence.champion is not None
            else "skip: nothing would serve",
            *_instead(causes, "alert"),
        ],
    )


def _held(evidence: Evidence, causes: Sequence[Cause], held: Sequence[str]) -> Decision:
    for_it = [cause for cause in causes if cause.leads_to == "retrain"]
    return _decision(
        "alert",
        [*_lead(evidence, for_it), *held],
        _told(causes),
        [*(f"retrain: {reason}" for reason in held), *_skip(evidence)],
    )


def _alert(evidence: Evidence, causes: Sequence[Cause]) -> Decision:
    acting = [cause for cause in causes if cause.leads_to == "alert"]
    instead = _unique(cause.instead for cause in acting)
    return _decision(
        "alert",
        [*_lead(evidence, acting), *instead],
        [*_told(causes), *_false_alarms(evidence)],
        [*(f"retrain: {reason}" for reason in instead), *_skip(evidence)],
    )


def _quiet(evidence: Evidence, causes: Sequence[Cause]) -> Decision:
    ignored = _instead(causes, "retrain")
    if evidence.trigger.kind == "alarm":
        return _decision(
            "alert",
            [f"{evidence.trigger.reason}, yet {evidence.drift.summary}"],
            _performance(evidence),
            ["retrain: there is nothing new to learn from", *ignored],
        )
    return _decision(
        "skip",
        [evidence.drift.summary],
        [*_told(causes), *_performance(evidence)],
        [*ignored, *([] if ignored else ["retrain: it would cost and change nothing"])],
    )


def _lead(evidence: Evidence, causes: Sequence[Cause]) -> list[str]:
    """What is told first: the drift in one sentence, and what else there is."""
    plain = {"first", "asked", "age", "performance"}
    others = [cause.sentence for cause in causes if cause.kind in plain]
    drift = [_brief(evidence.drift.summary)] if any(cause.kind not in plain for cause in causes) else []
    return [*others, *drift] if causes and causes[0].kind in {"first", "asked"} else [*drift, *others]


def _brief(summary: str) -> str:
    """The first findings of many: all of them are in the run's drift report."""
    findings = summary.split("; ")
    more = len(findings) - _TOLD
    return summary if more <= 1 else "; ".join([*findings[:_TOLD], f"and {more} findings more"])


def _told(causes: Iterable[Cause]) -> list[str]:
    return [cause.sentence for cause in causes]


def _instead(causes: Iterable[Cause], refused: str) -> list[str]:
    found = [cause for cause in causes if cause.leads_to != "retrain"]
    return [f"{refused}: {cause.sentence}; {cause.instead}" for cause in found]


def _skip(evidence: Evidence) -> list[str]:
    return ["skip: somebody should know"] if evidence.champion is not None else []


def _performance(evidence: Evidence) -> list[str]:
    found = known(evidence)
    return [found.words] if found else []


def _cost(evidence: Evidence) -> list[str]:
    costs = evidence.costs
    if costs is None or costs.expected is None:
        return []
    expected, most, month = (in_words(amount) for amount in (costs.expected, costs.most, costs.month))
    bound = f", at most {most}" if most != expected else ""
    return [f"a training is expected to cost {expected}{bound}; this month's took {month}"]


def _false_alarms(evidence: Evidence) -> list[str]:
    """How much of what was found chance alone would explain."""
    checks = evidence.of_champion
    if not checks:
        return []
    drifted = sum(bool(check.findings) for check in checks) + 1
    total = len(checks) + 1
    found = f"{drifted} of the last {total} checks of this champion found drift"
    return [f"{found}, by chance alone {total * evidence.alpha:.2g} would"]


def _unique(sentences: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(sentence for sentence in sentences if sentence))


def _decision(
    action: Action, lead: Sequence[str], more: Sequence[str] = (), alternatives: Sequence[str] = ()
) -> Decision:
    return Decision(
        action=action,
        summary="; ".join(_unique(lead)),
        reasons=tuple(_unique([*lead, *more])),
        alternatives=tuple(_unique(alternatives)),
    )
