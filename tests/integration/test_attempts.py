"""Money in DynamoDB: reserved once, charged once, never above a limit however many come at once."""

from datetime import date, timedelta
from typing import Any

import pytest

from perennial.aws.attempts import Attempts
from perennial.cost import NOTHING, Amount, Attempt, most
from perennial.errors import BudgetExceeded, CallbackExpired
from perennial.training_config import Training
from tests.integration.moto_support import NOW

PRICE = 0.6  # dollars an hour: a training of 50 minutes may cost 60 cents
FREE = Training()


def attempt(number: int = 0, *, run: str = "run-1", **changes: Any) -> Attempt:
    asked = most(PRICE, 3000)
    known = Attempt(
        model="iris",
        run=run,
        attempt=number,
        month="2026-11",
        reserved_at=NOW,
        types=("c6i.large",),
        reason="for the test",
        max_seconds=3000,
        price=PRICE,
        price_note="on demand",
        prices_of=date(2026, 1, 19),
        dollars=asked.dollars,
        minutes=asked.minutes,
    )
    return known.model_copy(update=changes)


def launched(known: Attempt) -> Attempt:
    return known.model_copy(
        update={"instance_id": "i-1", "instance_type": "c6i.large", "market": "spot", "launched_at": NOW}
    )


@pytest.fixture
def attempts(table: Any) -> Attempts:
    return Attempts(table)


def month(attempts: Attempts) -> Amount:
    return attempts.month("iris", "2026-11")


def test_what_an_attempt_may_take_is_set_aside_once(attempts: Attempts) -> None:
    assert month(attempts) == NOTHING
    first = attempts.reserve(attempt(), FREE)
    again = attempts.reserve(attempt(types=("m6i.large",)), FREE)  # the data has grown since
    assert first == again
    assert month(attempts) == Amount(0.6, 60.0)


def test_what_it_took_replaces_what_was_reserved_once(attempts: Attempts, table: Any) -> None:
    known = launched(attempts.reserve(attempt(), FREE))
    attempts.begin("run-1", 0)
    attempts.launched(known, "i-1", "token")
    assert attempts.of_instance("i-1") == (known, "token")
    final = attempts.settle(known, NOW + timedelta(minutes=5))
    assert final
    assert final.amount == Amount(0.05, 5.0)
    assert attempts.settle(known, NOW + timedelta(minutes=50)) is None
    assert month(attempts) == Amount(0.05, 5.0)
    assert attempts.open("iris") == []
    entry = table.get_item(Key={"pk": "run#run-1", "sk": "run"})["Item"]
    assert (float(entry["training_dollars"]), float(entry["training_minutes"])) == (0.05, 5.0)


def test_an_attempt_without_an_instance_costs_nothing(attempts: Attempts) -> None:
    final = attempts.settle(attempts.reserve(attempt(), FREE), NOW)
    assert final
    assert final.amount == month(attempts) == NOTHING
    assert attempts.reserve(attempt(1), FREE).attempt == 1  # a month that is empty again


def test_a_later_attempt_shuts_out_an_earlier_one(attempts: Attempts) -> None:
    known = launched(attempts.reserve(attempt(), FREE))
    attempts.begin("run-1", 0)
    assert attempts.is_current(known.run, known.attempt)
    attempts.begin("run-1", 1)
    attempts.begin("run-1", 1)
    assert not attempts.is_current(known.run, known.attempt)
    with pytest.raises(CallbackExpired, match="another attempt"):
        attempts.begin("run-1", 0)
    with pytest.raises(CallbackExpired, match="another attempt"):
        attempts.launched(known, "i-1", "token")
    assert attempts.of_instance("i-1") is None


def test_a_runs_limit_counts_its_earlier_attempts(attempts: Attempts) -> None:
    limits = Training(max_dollars=0.9)
    known = launched(attempts.reserve(attempt(), limits))
    with pytest.raises(BudgetExceeded, match=r"\$0.60 of the run's \$0.90"):
        attempts.reserve(attempt(1), limits)
    attempts.settle(known, NOW + timedelta(minutes=20))
    assert attempts.reserve(attempt(1), limits).attempt == 1


def test_a_month_is_charged_by_the_model(attempts: Attempts) -> None:
    limits = Training(max_minutes_per_month=100)
    attempts.reserve(attempt(), limits)
    with pytest.raises(BudgetExceeded, match="60 of the month's 100"):
        attempts.reserve(attempt(run="run-2"), limits)
    attempts.reserve(attempt(run="run-2", month="2026-12"), limits)
    attempts.reserve(attempt(run="run-3", model="housing"), limits)
    assert attempts.month("iris", "2026-12") == attempts.month("housing", "2026-11") == month(attempts)


@pytest.mark.parametrize("before", [0, 1])
def test_two_that_look_at_once_do_not_both_pass(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """The second has seen the month as it was before the first took its share."""
    limits = Training(max_dollars_per_month=0.6 * (before + 1))
    for number in range(before):
        attempts.reserve(attempt(run=f"before-{number}"), limits)
    look, seen = attempts.month, [month(attempts)]
    attempts.reserve(attempt(), limits)
    monkeypatch.setattr(attempts, "month", lambda *which: seen.pop() if seen else look(*which))
    with pytest.raises(BudgetExceeded):
        attempts.reserve(attempt(run="run-2"), limits)
    assert seen == []
    assert look("iris", "2026-11").minutes == 60 * (before + 1)


def test_an_unknown_cost_is_charged_in_minutes_only(attempts: Attempts) -> None:
    known = launched(attempts.reserve(attempt(price=None, dollars=None), FREE))
    assert month(attempts) == Amount(0.0, 60.0)
    final = attempts.settle(known, NOW + timedelta(minutes=5))
    assert final
    assert final.amount == Amount(None, 5.0)
    assert month(attempts) == Amount(0.0, 5.0)
