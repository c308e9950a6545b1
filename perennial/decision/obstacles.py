"""What holds retraining back although something speaks for it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from perennial.config_fields import in_days
from perennial.decision.causes import Cause, findings_of
from perennial.decision.evidence import Evidence, Retrain
from perennial.decision.value import worth
from perennial.policy_config import RetrainPolicy

_FAR = timedelta(days=36_500)


def obstacles(causes: Sequence[Cause], evidence: Evidence, policy: RetrainPolicy, now: datetime) -> list[str]:
    """Why not to retrain for these causes. A person's word overrides waiting and money's worth, never the
    want of labels or the budget."""
    held = [*_labels(evidence, policy)]
    if evidence.costs is not None and evidence.costs.refusal:
        held.append(f"the budget forbids it: {evidence.costs.refusal}")
    if not evidence.trigger.force:
        held += [*_waits(evidence, policy, now), *_unchanged(causes, evidence, policy)]
        held += _worthless(causes, evidence, policy)
    return held


def _labels(evidence: Evidence, policy: RetrainPolicy) -> Iterator[str]:
    found, needed = evidence.waiting_labels, policy.min_labelled_rows
    if found < needed:
        since = " since the last training" if found != evidence.data.labelled_rows else ""
        yield f"{found} rows have a label{since}, {needed} are needed: {needed - found} more are missing"


def _waits(evidence: Evidence, policy: RetrainPolicy, now: datetime) -> Iterator[str]:
    for event, since, wait in (
        ("the last training", evidence.last_retrained_at, policy.cooldown),
        ("the last rollback", evidence.last_rolled_back_at, policy.cooldown_after_rollback),
    ):
        if since is not None and now - since < wait:
            until = f", until {since + wait:%Y-%m-%d %H:%M} UTC" if wait < _FAR else ""
            yield f"retraining waits {in_days(wait)} after {event}{until}"


def _unchanged(causes: Sequence[Cause], evidence: Evidence, policy: RetrainPolicy) -> Iterator[str]:
    """The champion was kept after the same evidence, which is not much more now."""
    if any(cause.kind in {"first", "age"} for cause in causes):
        return
    last = next((item for item in evidence.trials if item.parent == evidence.champion), None)
    if last is None or last.outcome == "promoted" or _has_grown(causes, evidence, last, policy.growth):
        return
    yield (
        f"the same evidence led to version {last.version}, which was {last.outcome.replace('_', ' ')}: then "
        f"{last.drifted_rows} rows had drifted, now {evidence.drifted_rows}, and no change is "
        f"{policy.growth:g} times as large"
    )


def _has_grown(causes: Sequence[Cause], evidence: Evidence, last: Retrain, growth: float) -> bool:
    if evidence.drifted_rows >= growth * last.drifted_rows:
        return True
    before = {item.kind: item for item in last.findings}
    wanted = {cause.kind for cause in causes}
    return any(
        item.kind not in before
        or (item.size is not None and item.size >= growth * (before[item.kind].size or 0.0))
        for item in findings_of(evidence)
        if item.kind in wanted
    )


def _worthless(causes: Sequence[Cause], evidence: Evidence, policy: RetrainPolicy) -> Iterator[str]:
    if policy.value is None or any(cause.kind in {"first", "age"} for cause in causes):
        return
    found = worth(evidence, policy.value)
    if found is not None and not found.pays:
        yield f"it would not pay: {found.words}"
