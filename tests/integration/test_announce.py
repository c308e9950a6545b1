"""The mirrors of the champion: parameter, event and alarms."""

import json
from typing import Any

import boto3
import pytest

from perennial.aws.wiring import Services, Settings
from perennial.config import ModelConfig, load_model
from tests.integration.moto_support import record

IRIS = load_model("iris")


def parameter(name: str = "/perennial/perennial/iris/champion") -> Any:
    return json.loads(boto3.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def alarms() -> dict[str, Any]:
    return {item["AlarmName"]: item for item in boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]}


@pytest.fixture
def queue(settings: Settings) -> str:
    """A queue that hears every event of Perennial."""
    url = str(boto3.client("sqs").create_queue(QueueName="heard")["QueueUrl"])
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    events = boto3.client("events")
    events.put_rule(Name="all", EventPattern=json.dumps({"source": ["perennial"]}))
    events.put_targets(Rule="all", Targets=[{"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}])
    return url


def heard(queue: str) -> list[Any]:
    answer = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_the_parameter_follows_the_alias(services: Services) -> None:
    services.announcer.champion("iris", 1, None, "run-1", "Model Promoted")
    services.announcer.champion("iris", 2, 1, "run-2", "Model Promoted")
    assert parameter() == {"model": "iris", "version": 2, "previous": 1, "run": "run-2"}
    services.announcer.champion("iris", None, 2, "run-2", "Model Rolled Back")
    assert parameter()["version"] is None


def test_a_change_is_an_event(services: Services, queue: str) -> None:
    services.announcer.champion("iris", 2, 1, "run-2", "Model Promoted")
    (event,) = heard(queue)
    assert (event["source"], event["detail-type"], event["resources"]) == (
        "perennial",
        "Model Promoted",
        ["perennial"],
    )
    assert event["detail"] == {"model": "iris", "version": 2, "previous": 1, "run": "run-2"}


def test_the_alarms_watch_the_version_that_serves(services: Services, settings: Settings) -> None:
    services.announcer.watch(IRIS, record(1, metrics={"accuracy": 0.95}))
    found = alarms()
    assert set(found) == {"perennial/health/iris/error-rate", "perennial/retrain/iris/performance"}
    for alarm in found.values():
        assert alarm["Namespace"] == "Perennial"
        assert alarm["Dimensions"] == [{"Name": "Model", "Value": "iris"}]
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmActions"] == [settings.topic_arn]
    health = found["perennial/health/iris/error-rate"]
    assert (health["MetricName"], health["Threshold"]) == ("ServingErrorRate", 0.05)
    assert health["ComparisonOperator"] == "GreaterThanThreshold"
    performance = found["perennial/retrain/iris/performance"]
    assert performance["MetricName"] == "ServingPerformance"
    assert performance["Threshold"] == pytest.approx(0.90)
    assert performance["ComparisonOperator"] == "LessThanThreshold"


def test_watching_again_moves_the_threshold_and_makes_no_second_alarm(services: Services) -> None:
    services.announcer.watch(IRIS, record(1, metrics={"accuracy": 0.95}))
    services.announcer.watch(IRIS, record(2, metrics={"accuracy": 0.85}))
    assert len(alarms()) == 2
    assert alarms()["perennial/retrain/iris/performance"]["Threshold"] == pytest.approx(0.80)


def test_an_error_alarms_when_it_grows(services: Services) -> None:
    document = IRIS.model_dump(by_alias=True)
    columns = {**document["columns"], "species": {"type": "number"}}
    housing = ModelConfig.model_validate(
        {**document, "task": "regression", "columns": columns, "evaluation": {"metric": "mae"}}
    )
    services.announcer.watch(housing, record(1, metrics={"mae": 10.0}))
    performance = alarms()["perennial/retrain/iris/performance"]
    assert performance["Threshold"] == pytest.approx(10.5)
    assert performance["ComparisonOperator"] == "GreaterThanThreshold"


def test_a_version_without_a_score_is_watched_for_errors_only(services: Services) -> None:
    services.announcer.watch(IRIS, record(1, metrics={}))
    assert set(alarms()) == {"perennial/health/iris/error-rate"}
