"""The numbers by which a model is watched."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from perennial.config import load_model
from perennial.contracts.drift import Finding, PerformanceSummary
from perennial.cost import Amount
from perennial.data_config import Column
from perennial.decision import Check
from perennial.health import (
    budget_used,
    data_age,
    drift_to_promotion,
    drift_unanswered,
    false_alarm_budget,
    label_age,
    longest_run,
    null_rate,
    performance_drop,
    quarantine_rate,
    run_age,
    trainings_failed,
)
from perennial.profile import Profile
from perennial.promotion_config import BakePolicy
from perennial.training_config import Training
from perennial.watch_config import WatchPolicy

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FOUND = (Finding(kind="data", p_value=0.001, size=1.5),)


def check(hours_ago: float, action: Any = "alert", **changes: Any) -> Check:
    """A check that found drift, unless it is told otherwise."""
    given = {"run": f"run-{hours_ago}", "at": NOW - hours_ago * HOUR, "champion": 1, "incoming": True}
    return Check.model_validate({**given, "action": action, "findings": FOUND} | changes)


def calm(hours_ago: float, **changes: Any) -> Check:
    return check(hours_ago, "skip", findings=(), **changes)


def batch() -> Profile:
    frame = pd.DataFrame(
        {
            "length": [1.0, None, 3.0, 4.0],
            "colour": ["red", None, None, "blue"],
            "when": pd.to_datetime([f"2026-11-21 {hour}:00" for hour in ("09", "11", "10", "08")]),
        }
    )
    kinds = {"length": "number", "colour": "category", "when": "datetime"}
    return Profile.of(
        frame, schema={name: Column.model_validate({"type": kind}) for name, kind in kinds.items()}
    )


def test_null_rate_is_of_all_values_of_the_features() -> None:
    assert null_rate(batch(), ["length", "colour"]) == pytest.approx(100 * 3 / 8)
    assert null_rate(batch(), ["length"]) == pytest.approx(25)
    assert null_rate(batch(), []) == 0


def test_data_is_as_old_as_its_newest_row_or_object() -> None:
    arrived = [NOW - 3 * HOUR, None, NOW - 2 * HOUR]
    assert data_age(batch(), "when", arrived, NOW) == pytest.approx(3600)
    assert data_age(batch(), None, arrived, NOW) == pytest.approx(7200)
    assert data_age(None, "when", arrived, NOW) == pytest.approx(7200)
    assert data_age(None, None, [None], NOW) is None
    assert data_age(None, None, [NOW + HOUR], NOW) == 0, "a clock that runs ahead"


def test_labels_are_as_old_as_the_last_check_that_saw_some() -> None:
    checks = [calm(1), calm(5, labelled_rows=7), calm(9, labelled_rows=7)]
    assert label_age(checks, NOW - 20 * HOUR, NOW) == 5 * 3600
    assert label_age(checks[:1], NOW - 20 * HOUR, NOW) == 20 * 3600
    assert label_age([], None, NOW) is None


@pytest.mark.parametrize(
    ("checks", "count"),
    [
        ([], 0),
        ([check(1), check(2), calm(3), check(4)], 2),
        ([calm(1), check(2)], 0),
        ([check(1, "retrain"), check(2)], 0),
        ([check(1), check(2, "retrain"), check(3)], 1),
    ],
)
def test_drift_is_unanswered_until_a_training_or_until_it_is_gone(checks: list[Check], count: int) -> None:
    assert drift_unanswered(checks) == count


def test_the_false_alarm_budget_allows_one_and_then_what_chance_gives() -> None:
    assert false_alarm_budget([calm(1)] * 50, 0.01, 0.01) == 0
    assert false_alarm_budget([check(1), *[calm(2)] * 9], 0.01, 0.01) == 100
    assert false_alarm_budget([check(1)] * 4 + [calm(2)] * 396, 0.01, 0.0) == pytest.approx(100)
    assert false_alarm_budget([check(1)] * 3, 0.01, 0.01) == 300


def summary(**changes: Any) -> PerformanceSummary:
    given = {"metric": "accuracy", "reference": 0.9, "current": 0.8, "low": 0.7, "high": 0.9, "rows": 90}
    return PerformanceSummary.model_validate(given | {"allowed": 0.05} | changes)


def test_a_drop_counts_once_it_is_sure_in_multiples_of_what_is_allowed() -> None:
    assert performance_drop(summary(drop=0.1, drop_low=0.02, drop_high=0.18)) == pytest.approx(2)
    assert performance_drop(summary(drop=0.1, drop_low=-0.01, drop_high=0.21)) == 0
    assert performance_drop(summary()) == 0
    assert performance_drop(summary(drop=0.1, drop_low=0.05, drop_high=0.2, allowed=0)) == 1


def test_from_drift_to_promotion_is_counted_from_its_first_check() -> None:
    checks = [check(1, "retrain"), check(3), check(8), calm(9), check(20)]
    assert drift_to_promotion(checks, NOW) == 8 * 3600
    assert drift_to_promotion([calm(1), check(2)], NOW) is None
    assert drift_to_promotion([], NOW) is None


def test_the_quarantine_rate_is_of_the_last_ten_batches() -> None:
    refused, good, empty = (
        {"outcome": "quarantined"},
        {"outcome": "skipped", "check": "{}"},
        {"outcome": "skipped"},
    )
    assert quarantine_rate([]) == 0
    assert quarantine_rate([refused]) == 10, "one of one is no rate yet"
    assert quarantine_rate([refused, empty, empty, good] * 5) == 50
    assert quarantine_rate([good] * 10 + [refused] * 10) == 0


def test_trainings_fail_in_a_row() -> None:
    failed: dict[str, Any] = {"outcome": "failed", "attempt": 0}
    trained: dict[str, Any] = {"outcome": "rejected", "attempt": 1}
    # those came to no training, or to none that ended
    other: list[dict[str, Any]] = [{"outcome": "failed"}, {"outcome": "skipped"}, {"attempt": 0}]
    assert trainings_failed([]) == 0
    assert trainings_failed([*other, failed, *other, failed, trained, failed]) == 2
    assert trainings_failed([trained, failed]) == 0


def test_the_budget_is_used_by_the_nearest_limit() -> None:
    limits = Training(max_dollars_per_month=10, max_minutes_per_month=100)
    assert budget_used(limits, Amount(5, 20)) == pytest.approx(50)
    assert budget_used(limits, Amount(1, 90)) == pytest.approx(90)
    assert budget_used(limits, Amount(None, 10)) == 100
    assert budget_used(Training(), Amount(5, 20)) is None


def test_a_run_is_as_old_as_it_worked() -> None:
    assert run_age(NOW - 3 * HOUR, None, None, NOW) == 3 * HOUR
    assert run_age(NOW - 9 * HOUR, NOW - 8 * HOUR, None, NOW) == HOUR
    assert run_age(NOW - 9 * HOUR, NOW - 8 * HOUR, NOW - 2 * HOUR, NOW) == 3 * HOUR


def test_how_long_a_run_may_take_follows_from_what_it_may_do() -> None:
    iris = load_model("iris")
    usual = longest_run(iris)
    bake = BakePolicy(duration=iris.bake.duration + HOUR, canary=(5, 50, 100))
    longer = iris.model_copy(update={"bake": bake})
    assert longest_run(longer) == usual + HOUR + 2 * longer.bake.step
    said = iris.model_copy(update={"watch": WatchPolicy(longest_run=7 * HOUR)})
    assert longest_run(said) == 7 * HOUR
