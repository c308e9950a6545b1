"""The alarms of a model on moto's CloudWatch."""

from typing import Any

import boto3
import pytest

from perennial.alarms import GROUPS, alarms_of
from perennial.aws.wiring import Services, Settings
from perennial.config import ModelConfig, load_model
from tests.integration.moto_support import record

IRIS = load_model("iris")
WATCHED = {f"perennial/watch/iris/{name}" for name in GROUPS["watch"]} - {"perennial/watch/iris/budget-used"}
SERVING = {"perennial/health/iris/error-rate", "perennial/retrain/iris/performance"}


def iris(**changes: Any) -> ModelConfig:
    """The model with other blocks in its file."""
    return ModelConfig.model_validate(IRIS.model_dump(by_alias=True) | changes)


def described() -> Any:
    kinds: Any = ["MetricAlarm", "CompositeAlarm"]
    return boto3.client("cloudwatch").describe_alarms(AlarmTypes=kinds)


def alarms() -> dict[str, Any]:
    return {item["AlarmName"]: item for item in described()["MetricAlarms"]}


def composites() -> dict[str, Any]:
    return {item["AlarmName"]: item for item in described()["CompositeAlarms"]}


def test_the_alarms_watch_the_version_that_serves(services: Services, settings: Settings) -> None:
    services.alarms.watch(IRIS, record(1, metrics={"accuracy": 0.95}))
    found = alarms()
    assert set(found) == SERVING | WATCHED
    for alarm in found.values():
        assert alarm["Namespace"] == "Perennial"
        assert alarm["Dimensions"] == [{"Name": "Model", "Value": "iris"}]
        assert alarm["AlarmActions"] == [settings.topic_arn]
        assert alarm["AlarmDescription"].startswith("iris: ")
    health = found["perennial/health/iris/error-rate"]
    assert (health["MetricName"], health["Threshold"]) == ("ServingErrorRate", 0.05)
    assert health["ComparisonOperator"] == "GreaterThanThreshold"
    performance = found["perennial/retrain/iris/performance"]
    assert performance["MetricName"] == "ServingPerformance"
    assert performance["Threshold"] == pytest.approx(0.90)
    assert performance["ComparisonOperator"] == "LessThanThreshold"


def test_what_only_runs_measure_stays_until_the_next_run(services: Services) -> None:
    services.alarms.watch(IRIS, record(1, metrics={"accuracy": 0.95}))
    treated = {name: alarm["TreatMissingData"] for name, alarm in alarms().items()}
    assert treated == dict.fromkeys(SERVING, "notBreaching") | dict.fromkeys(WATCHED, "ignore")


def test_one_alarm_stands_for_all_of_a_model_and_tells_when_it_is_well(
    services: Services, settings: Settings
) -> None:
    services.alarms.watch(IRIS, record(1, metrics={"accuracy": 0.95}))
    (overall,) = composites().values()
    assert overall["AlarmName"] == "perennial/unhealthy/iris"
    members = {part.removeprefix('ALARM("').removesuffix('")') for part in overall["AlarmRule"].split(" OR ")}
    assert members == set(alarms())
    assert overall["OKActions"] == [settings.topic_arn]


def test_watching_again_moves_the_threshold_and_makes_no_second_alarm(services: Services) -> None:
    services.alarms.watch(IRIS, record(1, metrics={"accuracy": 0.95}))
    services.alarms.watch(IRIS, record(2, metrics={"accuracy": 0.85}))
    assert set(alarms()) == SERVING | WATCHED
    assert alarms()["perennial/retrain/iris/performance"]["Threshold"] == pytest.approx(0.80)


def test_alarms_that_the_model_file_wants_no_more_go(services: Services) -> None:
    limited = iris(bake={"max_latency": "2s"}, training={"max_dollars_per_month": 5})
    services.alarms.watch(limited, record(1, metrics={"accuracy": 0.95}))
    assert set(alarms()) == SERVING | WATCHED | {
        "perennial/health/iris/latency",
        "perennial/watch/iris/budget-used",
    }
    none = dict.fromkeys(("performance_drop", "drift_unanswered", "trainings_failed", "quarantine_rate"))
    services.alarms.watch(iris(watch={**none, "unhealthy": False}), record(2, metrics={"accuracy": 0.95}))
    assert set(alarms()) == SERVING
    assert composites() == {}


def test_an_error_alarms_when_it_grows(services: Services) -> None:
    document = IRIS.model_dump(by_alias=True)
    columns = {**document["columns"], "species": {"type": "number"}}
    housing = ModelConfig.model_validate(
        {**document, "task": "regression", "columns": columns, "evaluation": {"metric": "mae"}}
    )
    services.alarms.watch(housing, record(1, metrics={"mae": 10.0}))
    performance = alarms()["perennial/retrain/iris/performance"]
    assert performance["Threshold"] == pytest.approx(10.5)
    assert performance["ComparisonOperator"] == "GreaterThanThreshold"


def test_a_version_without_a_score_has_no_alarm_on_it(services: Services) -> None:
    services.alarms.watch(IRIS, record(1, metrics={}))
    assert set(alarms()) == {"perennial/health/iris/error-rate"} | WATCHED


def test_every_alarm_says_what_to_do() -> None:
    everything = iris(
        bake={"max_latency": "2s", "max_prediction_drift": 0.3}, training={"max_dollars_per_month": 5}
    )
    found = alarms_of(everything, record(1))
    assert {(alarm.group, alarm.name) for alarm in found} == {
        (group, name) for group, names in GROUPS.items() for name in names
    }
    for alarm in found:
        assert any(word in alarm.description for word in ("perennial ", "reasons.json", "Raise "))
        assert len(alarm.description) <= 1024, "as long as CloudWatch takes"
