"""Four kinds of event become one request; anything else is named as what it is."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.config import TriggerPolicy
from perennial.contracts.trigger import Trigger
from perennial.errors import UnreadableTrigger
from perennial.triggers import read_trigger, seconds_to_wait

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
EVENTS = Path(__file__).resolve().parents[2] / "events"


def event(name: str) -> Any:
    return json.loads((EVENTS / f"trigger_{name}.json").read_text())


def upload(key: Any) -> dict[str, Any]:
    return {"source": "aws.s3", "detail": {"object": {"key": key}}}


def alarm(*dimensions: dict[str, str]) -> dict[str, Any]:
    metrics = [{"metricStat": {"metric": {"dimensions": of}}} for of in dimensions]
    return {
        "source": "aws.cloudwatch",
        "detail": {"alarmName": "a", "state": {"value": "ALARM"}, "configuration": {"metrics": metrics}},
    }


def test_an_upload_is_about_the_model_of_its_folder() -> None:
    model, trigger = read_trigger(event("upload"), NOW)
    assert model == "iris"
    assert trigger == Trigger(
        kind="upload",
        reason="2026-11-21/meadow.csv was uploaded",
        at=NOW,
        key="incoming/iris/2026-11-21/meadow.csv",
    )


def test_an_alarm_is_about_the_model_of_its_dimension() -> None:
    model, trigger = read_trigger(event("alarm"), NOW)
    assert model == "iris"
    assert (trigger.kind, trigger.alarm) == ("alarm", "perennial/retrain/iris/performance")
    assert trigger.reason.startswith("alarm perennial/retrain/iris/performance: Threshold Crossed")


def test_a_schedule_is_about_every_model_unless_it_names_one() -> None:
    model, trigger = read_trigger(event("schedule"), NOW)
    assert model == "*"
    assert (trigger.kind, trigger.reason) == ("schedule", "scheduled for 2026-11-21T06:00:00Z")
    assert read_trigger({**event("schedule"), "model": "iris"}, NOW)[0] == "iris"


def test_a_person_says_why_and_may_insist() -> None:
    model, trigger = read_trigger(event("on_demand"), NOW)
    assert model == "iris"
    assert (trigger.kind, trigger.force) == ("on_demand", True)
    assert trigger.reason == "The meadow was mown; the flowers look different."


def test_a_person_need_not_say_why() -> None:
    _, trigger = read_trigger({"model": "iris"}, NOW)
    assert (trigger.reason, trigger.force) == ("asked for", False)


@pytest.mark.parametrize(("said", "force"), [("false", False), ("true", True), (0, False), (True, True)])
def test_force_is_what_was_said(said: Any, force: bool) -> None:
    assert read_trigger({"model": "iris", "force": said}, NOW)[1].force is force


def test_what_waited_for_a_run_is_an_upload_without_a_name() -> None:
    given = {"source": "perennial.waiting", "model": "iris", "run": "run-1"}
    assert read_trigger(given, NOW) == (
        "iris",
        Trigger(kind="upload", reason="a batch arrived during run run-1", at=NOW),
    )


@given(
    debounce=st.floats(0, 600),
    more=st.floats(0, 1100),
    began=st.floats(-3600, 3600),
    later=st.floats(0, 3600),
)
def test_a_wait_ends_with_the_window_or_the_longest_wait(
    debounce: float, more: float, began: float, later: float
) -> None:
    """Seconds before and after the newest upload; waiting as long as told is always enough."""
    policy = TriggerPolicy(
        debounce=timedelta(seconds=debounce), max_wait=timedelta(seconds=debounce + more + 1e-3)
    )
    started, now = NOW + timedelta(seconds=began), NOW + timedelta(seconds=later)
    wait = seconds_to_wait(NOW, started, now, policy)
    assert 0 <= wait <= max(debounce - later, 0) + 1
    assert wait <= max((started + policy.max_wait - now).total_seconds(), 0) + 1
    assert seconds_to_wait(NOW, started, now + timedelta(seconds=wait), policy) == 0


def test_keys_are_taken_as_they_are() -> None:
    """EventBridge does not encode keys as S3's own notifications do."""
    key = "incoming/iris/a+b %2F ü/x y.csv"
    model, trigger = read_trigger(upload(key), NOW)
    assert (model, trigger.key) == ("iris", key)


def test_a_folder_made_in_the_console_is_an_upload_of_nothing() -> None:
    assert read_trigger(upload("incoming/iris/"), NOW)[1].reason == "a folder was uploaded"


def test_an_alarm_over_several_metrics_of_one_model_is_about_that_model() -> None:
    assert read_trigger(alarm({"Model": "iris"}, {}, {"Model": "iris", "Column": "x"}), NOW)[0] == "iris"


@pytest.mark.parametrize(
    "unreadable",
    [
        {},
        {"reason": "no model"},
        {"model": None},
        {"model": ["iris"]},
        {"model": "iris", "reason": 5},
        {"model": "iris", "force": "perhaps"},
        {"source": "aws.s3"},
        {"source": "aws.s3", "detail": "text"},
        upload(5),
        upload("accepted/iris/x.csv"),
        upload("incoming/x.csv"),
        upload("incoming/"),
        alarm(),
        alarm({"Service": "other"}),
        alarm({"Model": "iris"}, {"Model": "housing"}),
        {"source": "aws.cloudwatch", "detail": {"alarmName": "a"}},
        {"source": "perennial.schedule", "model": "iris"},
        {"source": "perennial.schedule", "model": 5, "time": "2026-11-21T06:00:00Z"},
        {"source": "perennial.waiting", "model": "iris"},
        {"source": "aws.ec2", "detail": {"instance-id": "i-1", "state": "terminated"}},
    ],
    ids=str,
)
def test_what_is_none_of_the_four_is_named(unreadable: dict[str, Any]) -> None:
    with pytest.raises(UnreadableTrigger, match="none of the four triggers"):
        read_trigger(unreadable, NOW)


def test_the_message_says_what_was_wrong() -> None:
    with pytest.raises(UnreadableTrigger, match=r"incoming/x\.csv does not lie under incoming/<model>/"):
        read_trigger(upload("incoming/x.csv"), NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SOURCES = st.sampled_from(["aws.s3", "aws.cloudwatch", "perennial.schedule", "perennial.waiting", "aws.ec2"])
NAMED = st.fixed_dictionaries(
    {},
    optional={
        "source": SOURCES | JSON,
        "model": JSON,
        "reason": JSON,
        "force": JSON,
        "time": JSON,
        "detail": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "object": JSON | st.fixed_dictionaries({"key": JSON}),
                "alarmName": JSON,
                "state": JSON,
                "configuration": JSON | st.fixed_dictionaries({"metrics": st.lists(JSON) | JSON}),
            },
        ),
    },
)


@given(NAMED)
def test_any_event_is_read_or_named_unreadable(anything: dict[str, Any]) -> None:
    try:
        model, trigger = read_trigger(anything, NOW)
    except UnreadableTrigger:
        return
    assert isinstance(model, str)
    assert trigger.at == NOW
