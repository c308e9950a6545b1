"""Resolve Trigger: every way in which a run has something to do, and every way in which it has not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from perennial import layout
from perennial.aws.table import run_key
from perennial.aws.wiring import Services
from perennial.config import models_dir
from perennial.contracts.objects import Manifest
from perennial.errors import UnknownModel, UnreadableTrigger
from tests.integration.function_support import document, invoke, keys
from tests.integration.moto_support import Executions, record, serve
from tests.sample_run import KEY, arrive, event

OTHER = "incoming/iris/earlier.csv"


def resolve(run: str, trigger: str | dict[str, Any] = "trigger_upload") -> dict[str, Any]:
    """Start a run by a sample trigger or another."""
    return invoke("resolve_trigger", run=run, event=event(trigger) if isinstance(trigger, str) else trigger)


def manifest(services: Services, run: str) -> Manifest:
    return Manifest.model_validate(document(services, "manifest.json", run))


def finish(services: Services, run: str, outcome: str) -> None:
    """What the workflow's last states do."""
    services.ledger.note(run, outcome=outcome, ended_at="2026-11-21T06:10:00.000Z")
    services.table.delete_item(Key={"pk": "model#iris", "sk": "lock"})


def champion(services: Services, *learnt: str) -> None:
    """Version 1 serves and has learnt from these objects."""
    services.registry.register(record(1))
    serve(services, 1)
    data = [{"key": key} for key in learnt]
    services.artifacts.put_json(layout.version_key("iris", 1, layout.LINEAGE), {"data": data})


def test_an_upload_pins_its_batch_and_takes_the_model(services: Services) -> None:
    arrive(services)
    stored = services.data.head(KEY)
    request = resolve("run-1")
    assert (request["runnable"], request["objects"], request["champion"]) == (True, 1, None)
    assert request["reason"] == "2026-11-21/meadow.csv was uploaded"
    found = manifest(services, "run-1")
    assert (found.kind, found.objects) == ("incoming", (stored,))
    assert services.lock.holder("iris") == "run-1"
    entry = services.ledger.run("run-1")
    assert entry
    assert (entry["trigger"], entry["model"], entry["champion_before"]) == ("upload", "iris", None)


def test_a_run_takes_also_what_an_earlier_one_had_to_leave(services: Services) -> None:
    arrive(services, key=OTHER)
    arrive(services)
    services.data.put("incoming/iris/", b"")
    assert resolve("run-1")["objects"] == 2
    assert [item.key for item in manifest(services, "run-1").objects] == [KEY, OTHER]


def test_an_invocation_that_is_repeated_answers_the_same(services: Services, executions: Executions) -> None:
    executions.start("run-1")
    arrive(services)
    first = resolve("run-1")
    assert resolve("run-1") == first
    assert manifest(services, "run-1").objects[0].key == KEY


@pytest.mark.parametrize("trigger", ["trigger_on_demand", "trigger_alarm"])
def test_any_trigger_takes_what_has_arrived(services: Services, trigger: str) -> None:
    arrive(services)
    request = resolve("run-1", trigger)
    assert (request["runnable"], request["objects"]) == (True, 1)
    assert manifest(services, "run-1").kind == "incoming"


# Nothing to do


def test_a_duplicate_event_for_a_batch_that_was_moved_changes_nothing(services: Services) -> None:
    request = resolve("run-2")
    assert (request["runnable"], request["objects"]) == (False, 0)
    assert request["reason"] == f"duplicate: another run has already taken {KEY}"
    assert services.lock.holder("iris") is None


def test_a_duplicate_event_for_a_batch_that_a_run_has_finished_changes_nothing(services: Services) -> None:
    arrive(services)
    resolve("run-1")
    finish(services, "run-1", "skipped")
    request = resolve("run-2")
    assert (request["runnable"], request["reason"]) == (
        False,
        "duplicate: another run has already taken this upload",
    )
    assert keys(services) == [KEY]


def test_the_batch_of_a_failed_run_is_taken_up_again(services: Services) -> None:
    arrive(services)
    resolve("run-1")
    finish(services, "run-1", "failed")
    assert resolve("run-2")["runnable"] is True
    assert manifest(services, "run-2").objects == manifest(services, "run-1").objects


def test_a_busy_model_leaves_the_batch_where_it_is(services: Services, executions: Executions) -> None:
    executions.start("run-1")
    arrive(services, key=OTHER)
    resolve("run-1", "trigger_on_demand")
    arrive(services)
    request = resolve("run-2")
    assert request["runnable"] is False
    assert request["reason"].startswith("run run-1 is at work on iris")
    assert keys(services, "incoming/") == [KEY, OTHER]
    assert services.lock.holder("iris") == "run-1"
    finish(services, "run-1", "skipped")
    assert [item.key for item in manifest_of(services, "run-3")] == [KEY]


def manifest_of(services: Services, run: str) -> tuple[Any, ...]:
    """Start a run by hand and say what it took."""
    resolve(run, "trigger_on_demand")
    return manifest(services, run).objects


def test_a_model_whose_run_died_is_taken_over(services: Services, executions: Executions) -> None:
    executions.start("run-1")
    arrive(services)
    resolve("run-1")
    executions.end("run-1")
    assert resolve("run-2")["runnable"] is True
    assert services.lock.holder("iris") == "run-2"


def test_a_folder_made_in_the_console_is_no_batch(services: Services) -> None:
    services.data.put("incoming/iris/", b"")
    upload = {"source": "aws.s3", "detail": {"object": {"key": "incoming/iris/"}}}
    request = resolve("run-1", upload)
    assert (request["runnable"], request["reason"]) == (
        False,
        "incoming/iris/ is a folder: no data arrived",
    )


@pytest.mark.parametrize("trigger", ["trigger_on_demand", "trigger_alarm"])
def test_without_data_and_champion_there_is_nothing_to_look_at(services: Services, trigger: str) -> None:
    request = resolve("run-1", trigger)
    assert (request["runnable"], request["reason"]) == (False, "there is neither data nor a champion yet")


def test_nothing_new_since_the_champion_learnt(services: Services) -> None:
    services.data.put("accepted/iris/dt=2026-11-01/run-0/a.csv", b"a")
    champion(services, "accepted/iris/dt=2026-11-01/run-0/a.csv")
    request = resolve("run-1", "trigger_on_demand")
    assert (request["runnable"], request["champion"]) == (False, 1)
    assert request["reason"] == "nothing has arrived since version 1 was trained"


def test_what_the_champion_has_not_learnt_is_the_window(services: Services) -> None:
    services.data.put("accepted/iris/dt=2026-11-01/run-0/a.csv", b"a")
    services.data.put("accepted/iris/dt=2026-11-02/run-5/b.csv", b"b")
    newer = services.data.head("accepted/iris/dt=2026-11-02/run-5/b.csv")
    champion(services, "accepted/iris/dt=2026-11-01/run-0/a.csv")
    assert resolve("run-1", "trigger_on_demand")["runnable"] is True
    found = manifest(services, "run-1")
    assert (found.kind, found.objects) == ("window", (newer,))


def test_the_window_of_a_model_without_champion_is_all_that_was_accepted(services: Services) -> None:
    services.data.put("accepted/iris/dt=2026-11-01/run-0/a.csv", b"a")
    assert resolve("run-1", "trigger_on_demand")["objects"] == 1


# Uploads that come together


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The model waits a minute for further uploads, three at the most."""
    text = (models_dir() / "iris.yaml").read_text("utf-8")
    assert "debounce: 0s" in text
    changed = text.replace("debounce: 0s", "debounce: 60s, max_wait: 3m")
    (tmp_path / "iris.yaml").write_text(changed, "utf-8")
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))


def resolve_at(run: str, stored: datetime, seconds: float, **more: Any) -> dict[str, Any]:
    """A run that began when something was stored comes to this state so many seconds later."""
    now = stored + timedelta(seconds=seconds)
    more = {"event": event("trigger_upload")} | more
    return invoke("resolve_trigger", run=run, started_at=stored.isoformat(), now=now.isoformat(), **more)


def stored_at(services: Services, key: str = KEY) -> datetime:
    found = services.data.head(key)
    assert found
    assert found.stored_at
    return found.stored_at


def test_an_upload_is_waited_for_until_none_has_come_for_the_window(
    services: Services, executions: Executions, patient: None
) -> None:
    executions.start("run-1")
    arrive(services)
    first = stored_at(services)
    waiting = resolve_at("run-1", first, 0.5)
    assert (waiting["runnable"], waiting["wait_seconds"], waiting["objects"]) == (False, 60, 0)
    assert services.lock.holder("iris") == "run-1"

    arrive(services, key=OTHER)
    other = {"source": "aws.s3", "detail": {"object": {"key": OTHER}}}
    second = resolve_at("run-2", first, 1, event=other)
    assert (second["runnable"], second["wait_seconds"]) == (False, 0)
    assert second["reason"] == "coalesced: run run-1 waits for further uploads and takes this one with them"
    assert (services.ledger.run("run-2") or {})["coalesced_into"] == "run-1"

    settled = resolve_at("run-1", first, 63)
    assert (settled["runnable"], settled["wait_seconds"], settled["objects"]) == (True, 0, 2)
    assert settled["reason"] == "2026-11-21/meadow.csv was uploaded, and 1 more object with it"
    assert [item.key for item in manifest(services, "run-1").objects] == [KEY, OTHER]

    late = resolve_at("run-3", first, 64, event=other)
    assert late["reason"].startswith("run run-1 is at work on iris")


def test_a_stream_that_never_settles_is_cut_at_the_longest_wait(services: Services, patient: None) -> None:
    arrive(services)
    newest = stored_at(services)
    began = newest - timedelta(seconds=170)
    given: dict[str, Any] = {
        "run": "run-1",
        "event": event("trigger_upload"),
        "started_at": began.isoformat(),
    }
    request = invoke("resolve_trigger", now=newest.isoformat(), **given)
    assert (request["runnable"], request["wait_seconds"]) == (False, 10)
    at_last = (began + timedelta(minutes=3)).isoformat()
    assert invoke("resolve_trigger", now=at_last, **given)["objects"] == 1


def test_more_than_a_batch_can_take_is_not_waited_for(
    services: Services, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perennial.aws.intake.BATCH_OBJECTS", 2)
    arrive(services)
    arrive(services, key=OTHER)
    assert resolve_at("run-1", stored_at(services), 0)["objects"] == 2


@pytest.mark.parametrize("trigger", ["trigger_on_demand", "trigger_alarm"])
def test_only_uploads_wait(services: Services, patient: None, trigger: str) -> None:
    arrive(services)
    assert resolve_at("run-1", stored_at(services), 0, event=event(trigger))["objects"] == 1


def test_a_run_that_waits_keeps_its_model_though_its_own_upload_was_taken_back(
    services: Services, executions: Executions, patient: None
) -> None:
    executions.start("run-1")
    arrive(services)
    first = stored_at(services)
    resolve_at("run-1", first, 0)
    arrive(services, key=OTHER)
    services.data.delete(KEY)
    assert [resolve_at("run-1", first, 90)["objects"], services.lock.holder("iris")] == [1, "run-1"]


def test_what_waited_for_a_run_gets_one_of_its_own_and_nothing_else(services: Services) -> None:
    following = {"source": "perennial.waiting", "model": "iris", "run": "run-1"}
    services.data.put("accepted/iris/dt=2026-11-01/run-0/a.csv", b"a")
    assert resolve("run-2", following)["runnable"] is False
    finish(services, "run-2", "skipped")
    arrive(services)
    request = resolve("run-3", following)
    assert (request["runnable"], request["batch"], request["objects"]) == (True, "incoming", 1)
    assert request["reason"] == "a batch arrived during run run-1"


# What cannot be


@pytest.mark.parametrize("name", ["tulips", "../iris", "IRIS", ""])
def test_an_unknown_model_touches_nothing(services: Services, name: str) -> None:
    arrive(services, key="incoming/tulips/x.csv")
    with pytest.raises(UnknownModel, match="expected one of"):
        resolve("run-1", {"model": name})
    assert keys(services) == ["incoming/tulips/x.csv"]
    assert services.ledger.run("run-1") is None
    assert services.table.scan()["Items"] == []


def test_an_upload_for_an_unknown_model_stays_where_it_is(services: Services) -> None:
    arrive(services, key="incoming/tulips/x.csv")
    upload = {"source": "aws.s3", "detail": {"object": {"key": "incoming/tulips/x.csv"}}}
    with pytest.raises(UnknownModel, match="'tulips'"):
        resolve("run-1", upload)
    assert keys(services) == ["incoming/tulips/x.csv"]


def test_an_unreadable_trigger_touches_nothing(services: Services) -> None:
    arrive(services)
    with pytest.raises(UnreadableTrigger, match="none of the four triggers"):
        resolve("run-1", {"source": "aws.ec2"})
    assert keys(services) == [KEY]
    assert services.table.scan()["Items"] == []


# Every model


def test_a_schedule_for_every_model_starts_one_run_for_each(
    services: Services, executions: Executions
) -> None:
    request = resolve("run-1", "trigger_schedule")
    assert request["runnable"] is False
    assert request["model"] == "*"
    assert "iris" in request["reason"]
    assert {name.rpartition("-")[0] for name in executions.names()} == {"schedule-iris"}


def test_a_schedule_that_is_delivered_twice_starts_no_run_twice(
    services: Services, executions: Executions
) -> None:
    resolve("run-1", "trigger_schedule")
    started = executions.names()
    resolve("run-2", "trigger_schedule")
    assert executions.names() == started
    for name in started:
        executions.end(name)
    assert resolve("run-3", "trigger_schedule")["reason"].endswith("none, they run already")
    assert executions.names() == started
    resolve("run-4", {**event("trigger_schedule"), "time": "2026-11-22T06:00:00Z"})
    assert len(executions.names()) == 2 * len(started)


def test_a_run_started_for_one_model_reads_its_own_event(services: Services, executions: Executions) -> None:
    resolve("run-1", "trigger_schedule")
    (name,) = [name for name in executions.names() if name.startswith("schedule-iris-")]
    given = executions.input(name)
    arrive(services)
    request = resolve(name, given)
    assert (request["model"], request["runnable"]) == ("iris", True)
    assert request["trigger"]["kind"] == "schedule"


def test_the_ledger_knows_of_the_run_for_every_model(services: Services) -> None:
    resolve("run-1", "trigger_schedule")
    item = services.table.get_item(Key=run_key("run-1"))["Item"]
    assert item["model"] == "*"
    assert datetime.fromisoformat(item["started_at"]) == datetime(2026, 11, 21, 6, tzinfo=UTC)
