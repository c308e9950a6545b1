"""Whether retraining would pay: the rules that hold for all evidence, then what is said in each case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.config import RetrainPolicy
from perennial.contracts import DataSummary, DriftSummary, Trigger
from perennial.policy import Evidence, decide

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
POLICY = RetrainPolicy()  # 24 hours, 72 after a rollback, 50 labelled rows


def trigger(kind: Any = "upload", *, force: bool = False) -> Trigger:
    return Trigger(kind=kind, reason=f"{kind} reason", at=NOW, force=force)


def drift(*, drifted: bool) -> DriftSummary:
    return DriftSummary(
        compared=True,
        drifted=drifted,
        kinds=("data",) if drifted else (),
        columns=("petal_length",) if drifted else (),
        score=0.4 if drifted else 0.0,
        summary="petal_length drifted" if drifted else "no drift",
    )


EVIDENCE = Evidence(
    champion=1,
    trigger=trigger(),
    data=DataSummary(valid=True, rows=90, labelled_rows=90, reasons=()),
    drift=drift(drifted=True),
    last_retrained_at=None,
    last_rolled_back_at=None,
)


def data(*, valid: bool = True, labelled: int = 90) -> DataSummary:
    return DataSummary(
        valid=valid, rows=90, labelled_rows=labelled, reasons=() if valid else ("column x is missing",)
    )


times = st.none() | st.timedeltas(timedelta(0), timedelta(days=50)).map(lambda ago: NOW - ago)
evidences = st.builds(
    Evidence,
    champion=st.none() | st.integers(1, 99),
    trigger=st.builds(
        trigger, st.sampled_from(["schedule", "upload", "alarm", "on_demand"]), force=st.booleans()
    ),
    data=st.builds(data, valid=st.booleans(), labelled=st.integers(0, 200)),
    drift=st.builds(drift, drifted=st.booleans()),
    last_retrained_at=times,
    last_rolled_back_at=times,
)
policies = st.builds(
    RetrainPolicy,
    cooldown=st.timedeltas(timedelta(0), timedelta(days=30)),
    cooldown_after_rollback=st.timedeltas(timedelta(0), timedelta(days=30)),
    min_labelled_rows=st.integers(1, 100),
)


def waiting(evidence: Evidence, policy: RetrainPolicy) -> bool:
    waits = (
        (evidence.last_retrained_at, policy.cooldown),
        (evidence.last_rolled_back_at, policy.cooldown_after_rollback),
    )
    return any(since is not None and NOW - since < wait for since, wait in waits)


@given(evidences, policies)
def test_bad_data_never_retrains(evidence: Evidence, policy: RetrainPolicy) -> None:
    bad = replace(evidence, data=data(valid=False, labelled=evidence.data.labelled_rows))
    assert decide(bad, policy, NOW).action == "skip"


@given(evidences, policies)
def test_a_cooldown_holds_unless_a_person_insists(evidence: Evidence, policy: RetrainPolicy) -> None:
    if waiting(evidence, policy) and not evidence.trigger.force:
        assert decide(evidence, policy, NOW).action != "retrain"


@given(evidences, policies)
def test_nothing_is_learnt_from_too_few_labels(evidence: Evidence, policy: RetrainPolicy) -> None:
    if evidence.data.labelled_rows < policy.min_labelled_rows:
        assert decide(evidence, policy, NOW).action != "retrain"


@given(evidences, policies)
def test_without_a_cause_nothing_is_trained(evidence: Evidence, policy: RetrainPolicy) -> None:
    if evidence.champion is not None and not evidence.drift.drifted and not evidence.trigger.force:
        assert decide(evidence, policy, NOW).action != "retrain"


@given(evidences, policies)
def test_a_cause_that_nothing_holds_back_retrains(evidence: Evidence, policy: RetrainPolicy) -> None:
    cause = evidence.champion is None or evidence.drift.drifted or evidence.trigger.force
    free = evidence.trigger.force or not waiting(evidence, policy)
    enough = evidence.data.labelled_rows >= policy.min_labelled_rows
    if cause and free and enough and evidence.data.valid:
        assert decide(evidence, policy, NOW).action == "retrain"


@given(evidences, policies)
def test_every_decision_says_why_and_what_it_turned_down(evidence: Evidence, policy: RetrainPolicy) -> None:
    decision = decide(evidence, policy, NOW)
    assert decision.reasons
    assert decision.summary == "; ".join(decision.reasons)
    turned_down = {alternative.split(":")[0] for alternative in decision.alternatives}
    assert turned_down <= {"skip", "retrain"} - {decision.action}
    if evidence.data.valid:
        assert turned_down


@given(evidences, policies)
def test_the_same_evidence_decides_the_same(evidence: Evidence, policy: RetrainPolicy) -> None:
    assert decide(evidence, policy, NOW) == decide(evidence, policy, NOW)


def test_drift_retrains() -> None:
    assert decide(EVIDENCE, POLICY, NOW).summary == "petal_length drifted"
    assert decide(EVIDENCE, POLICY, NOW).action == "retrain"


def test_no_drift_skips() -> None:
    decision = decide(replace(EVIDENCE, drift=drift(drifted=False)), POLICY, NOW)
    assert (decision.action, decision.summary) == ("skip", "no drift")


def test_the_first_data_trains() -> None:
    first = replace(EVIDENCE, champion=None, drift=drift(drifted=False))
    decision = decide(first, POLICY, NOW)
    assert (decision.action, decision.summary) == ("retrain", "there is no champion yet")


def test_an_alarm_that_the_data_does_not_explain_alerts() -> None:
    alarmed = replace(EVIDENCE, trigger=trigger("alarm"), drift=drift(drifted=False))
    decision = decide(alarmed, POLICY, NOW)
    assert (decision.action, decision.summary) == ("alert", "alarm reason, yet no drift")


def test_drift_during_a_cooldown_alerts_and_says_until_when() -> None:
    decision = decide(replace(EVIDENCE, last_retrained_at=NOW - timedelta(hours=1)), POLICY, NOW)
    assert decision.action == "alert"
    assert decision.reasons == (
        "petal_length drifted",
        "retraining waits 24 hours after the last training, until 2026-11-22 05:00 UTC",
    )


@pytest.mark.parametrize(
    ("since", "action"),
    [(timedelta(hours=23, minutes=59), "alert"), (timedelta(hours=24), "retrain")],
)
def test_a_cooldown_ends_on_the_dot(since: timedelta, action: str) -> None:
    assert decide(replace(EVIDENCE, last_retrained_at=NOW - since), POLICY, NOW).action == action


def test_the_cooldown_after_a_rollback_is_longer() -> None:
    rolled_back = NOW - timedelta(hours=30)
    evidence = replace(EVIDENCE, last_retrained_at=rolled_back, last_rolled_back_at=rolled_back)
    decision = decide(evidence, POLICY, NOW)
    assert decision.action == "alert"
    assert decision.reasons[1:] == (
        "retraining waits 72 hours after the last rollback, until 2026-11-23 00:00 UTC",
    )


def test_a_person_who_insists_overrides_the_cooldown_and_the_lack_of_drift() -> None:
    evidence = replace(
        EVIDENCE,
        trigger=trigger("on_demand", force=True),
        drift=drift(drifted=False),
        last_retrained_at=NOW,
        last_rolled_back_at=NOW,
    )
    decision = decide(evidence, POLICY, NOW)
    assert (decision.action, decision.summary) == ("retrain", "a person asked for it: on_demand reason")


def test_a_person_who_insists_does_not_override_bad_data() -> None:
    evidence = replace(EVIDENCE, trigger=trigger("on_demand", force=True), data=data(valid=False))
    decision = decide(evidence, POLICY, NOW)
    assert (decision.action, decision.summary) == ("skip", "the data is not valid, and bad data never trains")
    assert decision.alternatives == (
        "retrain: petal_length drifted",
        "retrain: a person asked for it: on_demand reason",
    )


def test_drift_with_too_few_labels_alerts() -> None:
    decision = decide(replace(EVIDENCE, data=data(labelled=49)), POLICY, NOW)
    assert decision.action == "alert"
    assert decision.reasons[1:] == ("49 rows have a label, 50 are needed",)


def test_short_waits_are_told_in_minutes() -> None:
    policy = RetrainPolicy(cooldown=timedelta(minutes=15))
    decision = decide(replace(EVIDENCE, last_retrained_at=NOW), policy, NOW)
    assert "retraining waits 15 minutes after the last training" in decision.summary
