"""Whether retraining would pay: what is decided and said in each case."""

from datetime import timedelta
from typing import Any

import pytest

from perennial.config import ModelConfig
from perennial.contracts.drift import Finding
from perennial.decision import check_of, decide
from perennial.policy_config import RetrainPolicy, Rules, ValueModel
from tests.unit.decision_evidence import (
    EVIDENCE,
    NOW,
    SURE,
    UNSURE,
    but,
    check,
    costs,
    data,
    drift,
    performance,
    retrain,
    trigger,
)

POLICY = RetrainPolicy()  # 24 hours, 72 after a rollback, 50 labelled rows, 2 of 3 checks
CONCEPT = Finding(kind="concept", p_value=1e-6, size=4.0)


def action(policy: RetrainPolicy = POLICY, **changes: Any) -> str:
    return decide(but(**changes), policy, NOW).action


def test_sure_drift_retrains() -> None:
    decision = decide(EVIDENCE, POLICY, NOW)
    assert (decision.action, decision.summary) == ("retrain", "data drifted")
    assert decision.reasons == (
        "data drifted",
        "data drift is sure: p < 0.0001, 5 times the smallest change that matters",
    )


def test_of_many_findings_the_first_are_told() -> None:
    many = EVIDENCE.drift.model_copy(update={"summary": "; ".join("abcde")})
    assert decide(but(drift=many), POLICY, NOW).summary == "a; b; and 3 findings more"


def test_no_drift_skips() -> None:
    decision = decide(but(drift=drift()), POLICY, NOW)
    assert (decision.action, decision.summary) == ("skip", "no drift")


def test_the_first_data_trains() -> None:
    decision = decide(but(champion=None, trained_at=None, drift=drift()), POLICY, NOW)
    assert (decision.action, decision.summary) == ("retrain", "there is no champion yet")


def test_an_alarm_that_the_data_does_not_explain_alerts() -> None:
    decision = decide(but(trigger=trigger("alarm"), drift=drift()), POLICY, NOW)
    assert (decision.action, decision.summary) == ("alert", "alarm reason, yet no drift")


# Confirmation


def test_drift_that_is_not_sure_waits_for_confirmation() -> None:
    decision = decide(but(drift=drift(UNSURE)), POLICY, NOW)
    assert decision.action == "alert"
    assert decision.summary == (
        "data drifted; data drift was seen in 1 of the last 3 checks and is not sure enough to count at "
        "once: 2 have to show it"
    )


@pytest.mark.parametrize(
    ("checks", "decided"),
    [
        ([check(1, UNSURE)], "retrain"),
        ([check(1), check(2, UNSURE)], "retrain"),
        ([check(1), check(2), check(3, UNSURE)], "alert"),
        ([check(1, CONCEPT)], "alert"),
        ([check(1, UNSURE, incoming=False)], "alert"),
        ([check(1, UNSURE, champion=7)], "alert"),
    ],
    ids=["the last", "the last but one", "too long ago", "another kind", "the same rows", "another champion"],
)
def test_two_of_three_checks_confirm(checks: list[Any], decided: str) -> None:
    assert action(drift=drift(UNSURE), checks=tuple(checks)) == decided


def test_a_window_confirms_nothing_that_its_batches_showed() -> None:
    assert action(drift=drift(UNSURE), checks=(check(1, UNSURE),), incoming=False) == "alert"
    assert action(drift=drift(UNSURE), checks=(check(1, UNSURE), check(2, UNSURE)), incoming=False) == (
        "retrain"
    )


def test_what_accumulated_over_batches_needs_no_confirmation() -> None:
    assert action(drift=drift(UNSURE.model_copy(update={"lasting": True}))) == "retrain"


def test_sure_but_small_drift_waits_too() -> None:
    assert action(drift=drift(Finding(kind="data", p_value=0.0, size=1.9))) == "alert"


def test_chance_is_told_beside_what_was_seen() -> None:
    checks = tuple(check(day) for day in range(1, 30))
    decision = decide(but(drift=drift(UNSURE), checks=checks), POLICY, NOW)
    assert "1 of the last 30 checks of this champion found drift, by chance alone 0.3 would" in (
        decision.reasons
    )


# Rules


@pytest.mark.parametrize(
    ("kind", "decided"),
    [("data", "retrain"), ("label", "retrain"), ("prediction", "alert"), ("concept", "retrain")],
)
def test_each_kind_has_its_rule(kind: Any, decided: str) -> None:
    assert action(drift=drift(Finding(kind=kind, p_value=1e-9, size=9.0))) == decided


def test_a_changed_schema_alerts_and_is_certain() -> None:
    decision = decide(but(drift=drift(Finding(kind="schema", p_value=0.0))), POLICY, NOW)
    assert decision.action == "alert"
    assert "schema drift is certain" in decision.reasons
    assert "retrain: policy.rules.schema says alert" in decision.alternatives


def test_what_the_model_file_ignores_is_refused_in_words() -> None:
    decision = decide(EVIDENCE, RetrainPolicy(rules=Rules(data="ignore")), NOW)
    assert decision.action == "skip"
    assert decision.alternatives[0].endswith("policy.rules.data says ignore")


def test_a_rule_that_alerts_does_not_hold_back_one_that_retrains() -> None:
    both = drift(SURE, Finding(kind="schema", p_value=0.0))
    decision = decide(but(drift=both), POLICY, NOW)
    assert decision.action == "retrain"
    assert any(line.startswith("alert: schema drift is certain") for line in decision.alternatives)


# Performance


def test_drift_of_the_rows_alerts_where_the_champion_holds() -> None:
    held = drift(SURE, measured=performance(0.0))
    decision = decide(but(drift=held), POLICY, NOW)
    assert decision.action == "alert"
    assert decision.summary == (
        "data drifted; the champion holds: accuracy is 0.9 (0.88 to 0.92) on 500 rows, on the holdout it was "
        "0.9"
    )
    assert action(RetrainPolicy(when_holding="retrain"), drift=held) == "retrain"
    assert action(RetrainPolicy(when_holding="ignore"), drift=held) == "skip"


def test_too_wide_an_interval_proves_no_holding() -> None:
    assert action(drift=drift(SURE, measured=performance(0.0, half=0.06))) == "retrain"


def test_an_estimate_says_nothing_of_other_labels() -> None:
    labels = Finding(kind="label", p_value=1e-9, size=5.0)
    assert action(drift=drift(SURE, estimated=performance(0.0))) == "alert"
    assert action(drift=drift(labels, estimated=performance(0.0))) == "retrain"
    assert action(drift=drift(labels, measured=performance(0.0))) == "alert"


def test_concept_drift_is_not_excused() -> None:
    assert action(drift=drift(CONCEPT, measured=performance(0.0))) == "retrain"


def test_an_estimated_loss_retrains_without_any_drift() -> None:
    decision = decide(but(drift=drift(estimated=performance(0.2))), POLICY, NOW)
    assert decision.action == "retrain"
    assert decision.summary == (
        "a loss of performance (accuracy is estimated to be 0.7 (0.68 to 0.72) on 500 rows, on the holdout "
        "it was 0.9) is sure: p < 0.0001, 4 times the smallest change that matters"
    )


def test_a_loss_that_may_be_chance_or_is_small_does_not() -> None:
    assert action(drift=drift(estimated=performance(0.2, half=0.2))) == "skip"
    assert action(drift=drift(estimated=performance(0.04, half=0.001))) == "skip"


# Obstacles


def test_drift_during_a_cooldown_alerts_and_says_until_when() -> None:
    decision = decide(but(last_retrained_at=NOW - timedelta(hours=1)), POLICY, NOW)
    wait = "retraining waits 24 hours after the last training, until 2026-11-22 05:00 UTC"
    assert (decision.action, decision.summary) == ("alert", f"data drifted; {wait}")
    assert f"retrain: {wait}" in decision.alternatives


@pytest.mark.parametrize(
    ("since", "decided"), [(timedelta(hours=23, minutes=59), "alert"), (timedelta(hours=24), "retrain")]
)
def test_a_cooldown_ends_on_the_dot(since: timedelta, decided: str) -> None:
    assert action(last_retrained_at=NOW - since) == decided


def test_the_cooldown_after_a_rollback_is_longer() -> None:
    rolled_back = NOW - timedelta(hours=30)
    decision = decide(but(last_retrained_at=rolled_back, last_rolled_back_at=rolled_back), POLICY, NOW)
    assert decision.action == "alert"
    assert decision.summary.endswith(
        "retraining waits 72 hours after the last rollback, until 2026-11-23 00:00 UTC"
    )


def test_a_cooldown_beyond_the_calendar_holds_too() -> None:
    policy = RetrainPolicy(cooldown=timedelta(days=3_000_000))
    decision = decide(but(last_retrained_at=NOW), policy, NOW)
    assert decision.summary.endswith("retraining waits 3e+06 days after the last training")


def test_a_person_who_insists_overrides_cooldown_confirmation_and_the_lack_of_drift() -> None:
    asked = but(
        trigger=trigger("on_demand", force=True),
        drift=drift(),
        last_retrained_at=NOW,
        last_rolled_back_at=NOW,
    )
    decision = decide(asked, POLICY, NOW)
    assert (decision.action, decision.summary) == ("retrain", "a person asked for it: on_demand reason")


def test_a_person_who_insists_does_not_override_bad_data() -> None:
    bad = but(trigger=trigger("on_demand", force=True), data=data(valid=False))
    decision = decide(bad, POLICY, NOW)
    assert (decision.action, decision.summary) == ("skip", "the data is not valid, and bad data never trains")
    assert "retrain: a person asked for it: on_demand reason" in decision.alternatives


def test_a_person_who_insists_does_not_override_the_budget() -> None:
    asked = but(trigger=trigger("on_demand", force=True), costs=costs(refusal="the month is spent"))
    decision = decide(asked, POLICY, NOW)
    assert decision.action == "alert"
    assert decision.summary.endswith("the budget forbids it: the month is spent")


def test_too_few_labels_alert_and_say_how_many_are_missing() -> None:
    decision = decide(but(data=data(labelled=38)), POLICY, NOW)
    assert decision.action == "alert"
    assert decision.summary.endswith("38 rows have a label, 50 are needed: 12 more are missing")


def test_labels_of_earlier_batches_count_until_a_training_had_them() -> None:
    few = data(labelled=20)
    waited = check(1, waiting_labels=30)
    assert action(data=few, checks=(waited,)) == "retrain"
    trained = waited.model_copy(update={"action": "retrain"})
    decision = decide(but(data=few, checks=(trained,)), POLICY, NOW)
    assert decision.summary.endswith("20 rows have a label, 50 are needed: 30 more are missing")


def test_an_old_champion_is_retrained_without_drift() -> None:
    policy = RetrainPolicy(max_age=timedelta(days=14))
    decision = decide(but(drift=drift()), policy, NOW)
    assert (decision.action, decision.summary) == (
        "retrain",
        "the last training was 20 days ago, at most 14 days are allowed",
    )
    assert action(policy, drift=drift(), retrains=(retrain("rejected", 3),)) == "skip"


# After a rejection


def test_the_same_evidence_does_not_lead_to_a_second_rejection() -> None:
    rejected = retrain("rejected", findings=(SURE,), drifted_rows=80)
    decision = decide(but(retrains=(rejected,)), POLICY, NOW)
    assert decision.action == "alert"
    assert decision.summary.endswith(
        "the same evidence led to version 2, which was rejected: then 80 rows had drifted, now 90, and no "
        "change is 2 times as large"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"drift": drift(SURE, CONCEPT)},
        {"drift": drift(SURE.model_copy(update={"size": 10.0}))},
        {"checks": (check(3, SURE, drifted_rows=90),)},
        {"champion": 5},
        {"trigger": trigger("on_demand", force=True)},
    ],
    ids=["another kind", "twice as large", "twice the rows", "another champion", "asked for"],
)
def test_evidence_that_has_grown_does(changes: dict[str, Any]) -> None:
    rejected = retrain("rejected", findings=(SURE,), drifted_rows=90)
    assert action(retrains=(rejected,)) == "alert"
    assert action(retrains=(rejected,), **changes) == "retrain"


def test_what_was_promoted_since_makes_the_rejection_old() -> None:
    history = (retrain("rejected", 9, findings=(SURE,), drifted_rows=90), retrain("promoted", 5, version=3))
    assert action(retrains=history) == "retrain"


# Worth


def worth(per_day: float, *history: Any, drop: float = 0.1, price: float = 0.04) -> Any:
    policy = RetrainPolicy(value=ValueModel(error_cost=0.01, predictions_per_day=per_day))
    found = but(drift=drift(SURE, measured=performance(drop)), costs=costs(price), retrains=history)
    return decide(found, policy, NOW)


def test_a_training_that_would_not_pay_is_not_started() -> None:
    decision = worth(2)
    assert decision.action == "alert"
    assert decision.summary == (
        "data drifted; a loss of performance (accuracy is 0.8 (0.78 to 0.82) on 500 rows, on the holdout it "
        "was 0.9) is sure: p < 0.0001, 2 times the smallest change that matters; it would not pay: waiting "
        "30 days would lose $0.06 on the average (2 predictions a day, $0.01 for a wrong prediction); a "
        "training at $0.04 helps with a chance of 50% (by no earlier training) and would save $0.03"
    )


def test_one_that_pays_is_and_says_so() -> None:
    decision = worth(1000)
    assert decision.action == "retrain"
    assert any(line.startswith("it pays: waiting 30 days would lose $30.00") for line in decision.reasons)
    assert any("would save $15.00" in line for line in decision.reasons)


def test_trainings_that_helped_raise_the_chance_and_others_lower_it() -> None:
    helped = [retrain("promoted", day, parent=7, gain=0.1) for day in range(2, 10)]
    failed = [retrain("rejected", day, parent=7) for day in range(2, 10)]
    assert worth(3, *helped).action == "retrain"  # 90 % of $0.09
    assert worth(3, *failed).action == "alert"  # 10 %


def test_small_gains_lower_what_a_training_is_worth() -> None:
    little = [retrain("promoted", day, parent=7, gain=0.01) for day in range(2, 10)]
    assert worth(3, *little).action == "alert"


def test_where_errors_have_a_price_holding_is_a_matter_of_money() -> None:
    assert worth(1e6, drop=0.0).action == "retrain"
    assert worth(1, drop=0.0).action == "alert"


def test_nothing_is_weighed_without_a_performance_or_a_price() -> None:
    policy = RetrainPolicy(value=ValueModel(error_cost=0.0, predictions_per_day=0.0))
    assert action(policy, costs=costs(0.04)) == "retrain"
    assert action(policy, drift=drift(SURE, measured=performance(0.2)), costs=costs(None)) == "retrain"


def test_errors_have_a_price_only_where_the_metric_counts_them() -> None:
    told = {
        "name": "x",
        "task": "regression",
        "label": "y",
        "columns": {"a": {"type": "number"}, "y": {"type": "number"}},
        "estimator": {"class": "sklearn.linear_model.LinearRegression"},
        "policy": {"value": {"error_cost": 1, "predictions_per_day": 1}},
    }
    with pytest.raises(ValueError, match="r2 does not: expected one of accuracy, balanced_accuracy, mae"):
        ModelConfig.model_validate(told)
    ModelConfig.model_validate(told | {"evaluation": {"metric": "mae"}})


def test_confirmations_beyond_the_checks_are_refused() -> None:
    with pytest.raises(ValueError, match="3 checks cannot confirm 4 times"):
        RetrainPolicy(confirmations=4)


def test_what_a_check_leaves_counts_up() -> None:
    first = check_of(EVIDENCE, decide(EVIDENCE, POLICY, NOW), "run-1", NOW)
    assert (first.drifted_rows, first.waiting_labels, first.action) == (90, 90, "retrain")
    calm = but(drift=drift(), checks=(first.model_copy(update={"at": NOW - timedelta(days=1)}),))
    second = check_of(calm, decide(calm, POLICY, NOW), "run-2", NOW)
    assert (second.drifted_rows, second.waiting_labels, second.findings) == (90, 90, ())
