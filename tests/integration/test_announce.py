"""The mirrors of the champion: parameter and event."""

import json
from typing import Any

import boto3
import pytest

from perennial.aws.wiring import Services, Settings


def parameter(name: str = "/perennial/perennial/iris/champion") -> Any:
    return json.loads(boto3.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


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
