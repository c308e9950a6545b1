"""Sweep Instances on the deployed stack: what no event told of is found."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from perennial.aws.clients import client
from perennial.aws.compute import Fleet
from scenarios import iris
from tests.e2e.support import Deployment, living_instances, until

TEMPLATE = "TrainerTemplate"


@pytest.fixture
def deaf(stack: Deployment) -> Iterator[None]:
    """EC2's events reach nobody."""
    rules = [
        rule["Name"] for rule in client("events").list_rules()["Rules"] if "InstanceRule" in rule["Name"]
    ]
    (name,) = rules
    client("events").disable_rule(Name=name)
    yield
    client("events").enable_rule(Name=name)


def physical(stack: Deployment, name: str) -> str:
    """The id of one of the stack's resources."""
    answer = client("cloudformation").describe_stack_resource(StackName=stack.stack, LogicalResourceId=name)
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def sweep(stack: Deployment) -> dict[str, Any]:
    """What the schedule does, and nothing is too young for it."""
    answer = client("lambda").invoke(
        FunctionName=physical(stack, "SweepInstancesFunction"),
        Payload=json.dumps({"model": "unnoticed", "grace_minutes": 0}).encode(),
    )
    body: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return body


@pytest.mark.usefixtures("deaf")
def test_what_no_event_told_of_is_told_and_what_nobody_waits_for_is_ended(stack: Deployment) -> None:
    model = stack.model("unnoticed")
    run = model.started(partial(model.upload_frame, "first.csv", iris.first_season()))
    lost = model.trainer(run)
    assert lost not in sweep(stack)["ended"]  # its run waits for it
    client("ec2").terminate_instances(InstanceIds=[lost])
    swept = sweep(stack)
    assert (swept["told"], swept["settled"]) == ([run], [f"{run} attempt 0"])
    assert model.follow(run, patience=300)["outcome"] == "promoted"

    fleet = Fleet(client("ec2"), physical(stack, TEMPLATE), (), stack.stack)
    stray = fleet.launch(("c6i.large",), ("on-demand",), run=run, model="unnoticed", attempt=7).instance_id
    assert sweep(stack)["ended"] == {stray: f"run {run} is over"}
    until(lambda: stray not in [one["InstanceId"] for one in living_instances()], "the stray is gone")
    until(
        lambda: [one for one in stack.notifications.received() if stray in one["Message"]],
        "somebody is told of the stray",
    )
    assert model.services.attempts.open("unnoticed") == []
