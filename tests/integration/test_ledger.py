"""The ledger of runs, the lock of a model and the claims on a batch."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from perennial.aws.ledger import LEASE, Claims, Holder, Ledger, Lock
from perennial.aws.table import run_key
from perennial.contracts.objects import StoredObject
from perennial.contracts.trigger import Trigger
from tests.integration.moto_support import NOW


def trigger(at: datetime = NOW) -> Trigger:
    return Trigger(kind="upload", reason="x.csv was uploaded", at=at, key="incoming/iris/x.csv")


def end(table: Any, run: str, outcome: str, at: datetime) -> None:
    """What the workflow's Record Outcome writes."""
    table.update_item(
        Key=run_key(run),
        UpdateExpression="SET outcome = :outcome, ended_at = :ended",
        ExpressionAttributeValues={":outcome": outcome, ":ended": f"{at:%Y-%m-%dT%H:%M:%S.123Z}"},
    )


def test_a_run_is_entered_once(table: Any) -> None:
    ledger = Ledger(table)
    ledger.open("run-1", "iris", trigger(), champion=1)
    ledger.note("run-1", decision="retrain", challenger=2)
    ledger.open("run-1", "iris", trigger(NOW + timedelta(hours=1)), champion=5)
    entry = ledger.run("run-1")
    assert entry
    assert entry["started_at"] == "2026-11-21T06:00:00+00:00"
    assert (entry["champion_before"], entry["decision"], entry["challenger"]) == (1, "retrain", 2)
    assert (entry["trigger"], entry["trigger_reason"]) == ("upload", "x.csv was uploaded")
    assert ledger.run("run-2") is None


def test_runs_come_newest_first_by_model(table: Any) -> None:
    ledger = Ledger(table)
    for hours in (2, 1, 3):
        ledger.open(f"run-{hours}", "iris", trigger(NOW + timedelta(hours=hours)), champion=None)
    ledger.open("other", "housing", trigger(), champion=None)
    assert [entry["run"] for entry in ledger.runs("iris")] == ["run-3", "run-2", "run-1"]
    assert [entry["run"] for entry in ledger.runs("iris", limit=1)] == ["run-3"]


def test_the_latest_of_each_outcome(table: Any) -> None:
    ledger = Ledger(table)
    for hours, outcome in ((1, "promoted"), (2, "skipped"), (3, "promoted"), (4, "failed"), (5, None)):
        at = NOW + timedelta(hours=hours)
        ledger.open(f"run-{hours}", "iris", trigger(at), champion=1)
        if outcome:
            end(table, f"run-{hours}", outcome, at + timedelta(minutes=5))
    ledger.open("other", "housing", trigger(NOW), champion=1)
    end(table, "other", "rolled_back", NOW)
    latest = ledger.latest("iris", since=NOW)
    assert set(latest) == {"promoted", "skipped", "failed"}
    assert latest["promoted"] - (NOW + timedelta(hours=3, minutes=5)) < timedelta(seconds=1)
    assert latest["promoted"].tzinfo is not None


def test_what_ended_last_counts_not_what_started_last(table: Any) -> None:
    ledger = Ledger(table)
    ledger.open("long", "iris", trigger(NOW), champion=1)
    ledger.open("short", "iris", trigger(NOW + timedelta(minutes=1)), champion=1)
    end(table, "long", "promoted", NOW + timedelta(hours=2))
    end(table, "short", "promoted", NOW + timedelta(minutes=2))
    assert ledger.latest("iris", since=NOW - timedelta(days=1))["promoted"].hour == 8


def test_runs_before_the_window_are_left_out(table: Any) -> None:
    ledger = Ledger(table)
    ledger.open("old", "iris", trigger(NOW - timedelta(days=9)), champion=1)
    end(table, "old", "promoted", NOW - timedelta(days=9))
    assert ledger.latest("iris", since=NOW - timedelta(days=8)) == {}


def test_more_runs_than_fit_a_page_are_all_read(table: Any) -> None:
    ledger = Ledger(table)
    for number in range(30):
        at = NOW + timedelta(minutes=number)
        ledger.open(f"run-{number}", "iris", trigger(at), champion=1)
        ledger.note(f"run-{number}", reason="x" * 90_000)
        end(table, f"run-{number}", "promoted" if number == 29 else "skipped", at)
    assert set(ledger.latest("iris", since=NOW - timedelta(days=1))) == {"promoted", "skipped"}


def lock(table: Any, *alive: str) -> Lock:
    return Lock(table, alive=lambda run: run in alive)


def test_a_free_lock_is_taken_and_a_held_one_names_its_holder(table: Any) -> None:
    mine = lock(table, "run-1")
    assert mine.holder("iris") is None
    assert mine.acquire("iris", "run-1", NOW) is None
    assert mine.acquire("iris", "run-2", NOW) == Holder("run-1", collecting=False)
    assert mine.holder("iris") == "run-1"


def test_the_holder_may_take_its_lock_again(table: Any) -> None:
    mine = lock(table, "run-1")
    assert mine.acquire("iris", "run-1", NOW) is None
    assert mine.acquire("iris", "run-1", NOW) is None


def test_each_model_has_a_lock_of_its_own(table: Any) -> None:
    mine = lock(table, "run-1")
    assert mine.acquire("iris", "run-1", NOW) is None
    assert mine.acquire("housing", "run-2", NOW) is None


def test_the_lock_of_a_dead_run_is_taken_over(table: Any) -> None:
    assert lock(table, "run-1").acquire("iris", "run-1", NOW) is None
    assert lock(table).acquire("iris", "run-2", NOW) is None
    assert lock(table).holder("iris") == "run-2"


def test_of_two_that_find_it_dead_one_takes_it(table: Any) -> None:
    """The other got in between: the lock is no longer the dead run's."""
    assert lock(table).acquire("iris", "dead", NOW) is None

    def alive(run: str) -> bool:
        if run == "dead":
            assert lock(table).acquire("iris", "quicker", NOW) is None
        return run == "quicker"

    assert Lock(table, alive).acquire("iris", "slower", NOW) == Holder("quicker", collecting=False)
    assert lock(table).holder("iris") == "quicker"


def test_a_lease_that_is_over_ends_even_a_run_that_seems_alive(table: Any) -> None:
    mine = lock(table, "run-1")
    assert mine.acquire("iris", "run-1", NOW) is None
    assert mine.acquire("iris", "run-2", NOW + LEASE - timedelta(seconds=1)) == Holder(
        "run-1", collecting=False
    )
    assert mine.acquire("iris", "run-2", NOW + LEASE + timedelta(seconds=1)) is None
    assert mine.holder("iris") == "run-2"


class Refusing:
    """A table whose lock is given back between a refused write and the look at who holds it."""

    def __init__(self, table: Any, give_back: Callable[[], Any]) -> None:
        self._table, self._give_back = table, give_back

    def get_item(self, **request: Any) -> Any:
        self._give_back()
        return self._table.get_item(**request)

    def update_item(self, **request: Any) -> Any:
        self._give_back()
        return self._table.update_item(**request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def test_a_lock_that_is_given_back_meanwhile_is_really_taken(table: Any) -> None:
    assert lock(table, "run-1").acquire("iris", "run-1", NOW) is None
    refusing = Refusing(table, lambda: table.delete_item(Key={"pk": "model#iris", "sk": "lock"}))
    assert lock(refusing, "run-1").acquire("iris", "run-2", NOW) is None
    assert lock(table).holder("iris") == "run-2"


def word(table: Any) -> bool:
    """Has somebody left word that he waits?"""
    return bool(table.get_item(Key={"pk": "model#iris", "sk": "lock"})["Item"].get("waiting"))


def test_who_waits_leaves_word_and_learns_whether_the_holder_collects(table: Any) -> None:
    mine = lock(table, "run-1")
    assert mine.acquire("iris", "run-1", NOW, collecting=True) is None
    assert mine.acquire("iris", "run-2", NOW) == Holder("run-1", collecting=True)
    assert not word(table)
    assert mine.acquire("iris", "run-3", NOW, waiting=True) == Holder("run-1", collecting=True)
    assert word(table)


def test_word_left_before_the_batch_is_listed_is_taken_up_by_it(table: Any) -> None:
    mine = lock(table, "run-1")
    assert mine.acquire("iris", "run-1", NOW, collecting=True) is None
    mine.acquire("iris", "run-2", NOW, waiting=True)
    mine.settle("iris", "run-1")
    assert not word(table)
    assert mine.acquire("iris", "run-3", NOW, waiting=True) == Holder("run-1", collecting=False)
    assert word(table)


def test_only_the_holder_settles(table: Any) -> None:
    mine = lock(table, "run-1")
    assert mine.acquire("iris", "run-1", NOW, collecting=True) is None
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        mine.settle("iris", "run-2")
    assert mine.acquire("iris", "run-2", NOW) == Holder("run-1", collecting=True)


def test_word_is_not_left_with_a_lock_that_was_given_back(table: Any) -> None:
    """The one who came too late to leave word takes the model."""
    assert lock(table, "run-1").acquire("iris", "run-1", NOW) is None
    refusing = Refusing(table, lambda: table.delete_item(Key={"pk": "model#iris", "sk": "lock"}))
    assert lock(refusing, "run-1").acquire("iris", "run-2", NOW, waiting=True) is None
    assert lock(table).holder("iris") == "run-2"
    assert not word(table)


def stored(name: str = "x.csv", version: str | None = "1") -> StoredObject:
    return StoredObject(key=f"incoming/iris/{name}", version_id=version, etag="e", size=1)


def test_what_one_run_has_taken_and_finished_is_not_taken_again(table: Any) -> None:
    claims, ledger = Claims(table), Ledger(table)
    ledger.open("run-1", "iris", trigger(), champion=None)
    assert claims.take("iris", "run-1", [stored("x.csv"), stored("y.csv")], NOW) == [
        stored("x.csv"),
        stored("y.csv"),
    ]
    end(table, "run-1", "skipped", NOW)
    assert claims.take("iris", "run-2", [stored("x.csv"), stored("z.csv")], NOW) == [stored("z.csv")]


@pytest.mark.parametrize("outcome", ["promoted", "rejected", "rolled_back", "quarantined", "skipped"])
def test_a_finished_run_keeps_its_claims(table: Any, outcome: str) -> None:
    claims = Claims(table)
    claims.take("iris", "run-1", [stored()], NOW)
    end(table, "run-1", outcome, NOW)
    assert claims.take("iris", "run-2", [stored()], NOW) == []


def test_a_failed_run_frees_its_claims(table: Any) -> None:
    claims = Claims(table)
    claims.take("iris", "run-1", [stored()], NOW)
    end(table, "run-1", "failed", NOW)
    assert claims.take("iris", "run-2", [stored()], NOW) == [stored()]
    end(table, "run-2", "promoted", NOW)
    assert claims.take("iris", "run-3", [stored()], NOW) == []


def test_a_run_that_died_without_a_word_frees_its_claims(table: Any) -> None:
    """Who takes holds the model's lock, so nobody else can be at work."""
    claims = Claims(table)
    claims.take("iris", "run-1", [stored()], NOW)
    assert claims.take("iris", "run-2", [stored()], NOW) == [stored()]


def test_a_run_may_take_again_what_is_its_own(table: Any) -> None:
    claims = Claims(table)
    for _ in range(2):
        assert claims.take("iris", "run-1", [stored()], NOW) == [stored()]


def test_another_version_of_the_same_key_is_another_object(table: Any) -> None:
    claims = Claims(table)
    claims.take("iris", "run-1", [stored(version="1")], NOW)
    end(table, "run-1", "skipped", NOW)
    assert claims.take("iris", "run-2", [stored(version="2")], NOW) == [stored(version="2")]


def test_claims_expire(table: Any) -> None:
    Claims(table).take("iris", "run-1", [stored()], NOW)
    item = table.get_item(Key={"pk": "claim#iris", "sk": "incoming/iris/x.csv#1"})["Item"]
    assert datetime.fromtimestamp(int(item["expires_at"]), NOW.tzinfo) == NOW + timedelta(days=90)
