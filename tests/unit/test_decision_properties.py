"""What decide() promises, for any evidence and any policy."""

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from perennial.contracts.drift import Finding, PerformanceSummary
from perennial.decision import Evidence, decide, record, replay
from perennial.policy_config import RetrainPolicy
from tests.unit.decision_evidence import KINDS, NOW, but, drift, evidences, policies

STRENGTH = {"skip": 0, "alert": 1, "retrain": 2}


def strength(evidence: Evidence, policy: RetrainPolicy) -> int:
    return STRENGTH[decide(evidence, policy, NOW).action]


def waiting(evidence: Evidence, policy: RetrainPolicy) -> bool:
    waits = (
        (evidence.last_retrained_at, policy.cooldown),
        (evidence.last_rolled_back_at, policy.cooldown_after_rollback),
    )
    return any(since is not None and NOW - since < wait for since, wait in waits)


@given(evidences, policies)
def test_it_answers_always_and_says_why(evidence: Evidence, policy: RetrainPolicy) -> None:
    decision = decide(evidence, policy, NOW)
    assert decision.reasons
    assert decision.summary
    assert set(decision.summary.split("; ")) <= {
        part for reason in decision.reasons for part in reason.split("; ")
    }
    turned_down = {alternative.split(":")[0] for alternative in decision.alternatives}
    assert turned_down <= {"skip", "alert", "retrain"} - {decision.action}
    if evidence.data.valid:
        assert turned_down


@given(evidences, policies)
def test_bad_data_never_retrains(evidence: Evidence, policy: RetrainPolicy) -> None:
    bad = but(evidence, data=evidence.data.model_copy(update={"valid": False}))
    assert decide(bad, policy, NOW).action == "skip"


@given(evidences, policies)
def test_a_cooldown_holds_unless_a_person_insists(evidence: Evidence, policy: RetrainPolicy) -> None:
    if waiting(evidence, policy) and not evidence.trigger.force:
        assert decide(evidence, policy, NOW).action != "retrain"


@given(evidences, policies)
def test_nothing_is_trained_over_the_budget_even_if_a_person_insists(
    evidence: Evidence, policy: RetrainPolicy
) -> None:
    if evidence.costs is not None and evidence.costs.refusal:
        assert decide(evidence, policy, NOW).action != "retrain"


@given(evidences, policies)
def test_nothing_is_learnt_from_too_few_labels(evidence: Evidence, policy: RetrainPolicy) -> None:
    if evidence.waiting_labels < policy.min_labelled_rows:
        assert decide(evidence, policy, NOW).action != "retrain"


@given(evidences, policies)
def test_without_a_cause_nothing_is_trained(evidence: Evidence, policy: RetrainPolicy) -> None:
    calm = but(evidence, champion=evidence.champion or 1, drift=drift())
    if not calm.trigger.force and policy.max_age is None:
        assert decide(calm, policy, NOW).action != "retrain"


@given(evidences, policies)
def test_the_stored_evidence_gives_the_same_decision(evidence: Evidence, policy: RetrainPolicy) -> None:
    decision = decide(evidence, policy, NOW)
    assert replay(record(decision, evidence, policy, NOW)) == decision


@given(evidences, policies, st.sampled_from(KINDS), st.floats(0, 1), st.none() | st.floats(0, 1e6))
def test_another_kind_of_drift_never_leads_to_less(
    evidence: Evidence, policy: RetrainPolicy, kind: Any, p_value: float, size: float | None
) -> None:
    seen = evidence.drift
    assume(kind not in seen.kinds)
    more = drift(
        *seen.findings,
        Finding(kind=kind, p_value=p_value, size=size),
        measured=seen.measured,
        estimated=seen.estimated,
    )
    assert strength(but(evidence, drift=more), policy) >= strength(evidence, policy)


@given(evidences, policies, st.floats(0, 1), st.floats(1, 100), st.booleans())
def test_stronger_evidence_never_leads_to_less(
    evidence: Evidence, policy: RetrainPolicy, factor: float, larger: float, lasting: bool
) -> None:
    seen = evidence.drift
    assume(seen.findings)
    first, *others = seen.findings
    stronger = first.model_copy(
        update={
            "p_value": first.p_value * factor,
            "size": None if first.size is None else first.size * larger,
            "lasting": lasting or first.lasting,
        }
    )
    more = seen.model_copy(update={"findings": (stronger, *others)})
    assert strength(but(evidence, drift=more), policy) >= strength(evidence, policy)


def lower(found: PerformanceSummary, by: float) -> PerformanceSummary:
    names = {"current": -by, "low": -by, "high": -by, "drop": by, "drop_low": by, "drop_high": by}
    return found.model_copy(update={name: getattr(found, name) + step for name, step in names.items()})


@given(evidences, policies, st.floats(0, 1))
def test_a_worse_performance_never_leads_to_less(
    evidence: Evidence, policy: RetrainPolicy, by: float
) -> None:
    seen = evidence.drift
    assume(seen.measured or seen.estimated)
    worse = seen.model_copy(
        update={
            "measured": lower(seen.measured, by) if seen.measured else None,
            "estimated": lower(seen.estimated, by) if seen.estimated else None,
        }
    )
    assert strength(but(evidence, drift=worse), policy) >= strength(evidence, policy)


@given(evidences, policies, st.integers(0, 300))
def test_more_labels_never_lead_to_less(evidence: Evidence, policy: RetrainPolicy, more: int) -> None:
    labelled = min(evidence.data.rows, evidence.data.labelled_rows + more)
    richer = evidence.data.model_copy(update={"labelled_rows": labelled})
    assert strength(but(evidence, data=richer), policy) >= strength(evidence, policy)
