"""A run that was stopped: recorded as failed, its model free, its instances ended."""

from typing import Any

import boto3
import pytest

from perennial.aws.wiring import Services
from perennial.contracts.trigger import Trigger
from tests.integration.function_support import invoke
from tests.integration.moto_support import NOW, Executions, record, serve
from tests.sample_run import event

RUN = "sample-run"


@pytest.fixture
def stopped(services: Services, executions: Executions) -> Services:
    """Version 1 serves; the run held the model when somebody stopped it."""
    services.registry.register(record(1))
    serve(services, 1)
    services.lock.acquire("iris", RUN, NOW)
    services.ledger.open(RUN, "iris", Trigger(kind="upload", reason="x", at=NOW), 1)
    executions.start(RUN)
    executions.end(RUN)
    return services


def status(status: str) -> dict[str, Any]:
    return {"detail": event("close_run")["detail"] | {"status": status}}


def launch(run: str) -> str:
    ec2 = boto3.client("ec2")
    image = ec2.describe_images(Owners=["self"])["Images"][0]["ImageId"]
    tags = [{"Key": "perennial:stack", "Value": "perennial"}, {"Key": "perennial:run", "Value": run}]
    wanted: Any = {"TagSpecifications": [{"ResourceType": "instance", "Tags": tags}]}
    found = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, **wanted)
    return str(found["Instances"][0]["InstanceId"])


def state(instance: str) -> str:
    (found,) = boto3.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
    return str(found["Instances"][0]["State"]["Name"])


@pytest.mark.parametrize(
    ("ended", "error"),
    [("ABORTED", "States.Aborted"), ("TIMED_OUT", "States.Timeout"), ("FAILED", "States.Runtime")],
)
def test_the_outcome_is_recorded_and_the_model_free(stopped: Services, ended: str, error: str) -> None:
    answer = invoke("close_run", **status(ended))
    assert answer == {"run": RUN, "recorded": True, "released": True}
    entry = stopped.ledger.run(RUN)
    assert entry
    assert (entry["outcome"], entry["error"], entry["champion_after"]) == ("failed", error, 1)
    assert "ended_at" in entry
    assert stopped.lock.holder("iris") is None


def test_its_instance_ends_and_no_other(stopped: Services) -> None:
    own, other = launch(RUN), launch("another-run")
    invoke("close_run")
    assert state(own) in {"shutting-down", "terminated"}
    assert state(other) == "running"


def test_a_second_event_changes_nothing(stopped: Services) -> None:
    invoke("close_run")
    before = stopped.ledger.run(RUN)
    assert invoke("close_run") == {"run": RUN, "recorded": False, "released": False}
    assert stopped.ledger.run(RUN) == before


def test_what_the_run_recorded_itself_stays(stopped: Services) -> None:
    stopped.ledger.note(RUN, outcome="promoted", reason="better")
    assert invoke("close_run") == {"run": RUN, "recorded": False, "released": True}
    entry = stopped.ledger.run(RUN)
    assert entry
    assert (entry["outcome"], entry["reason"]) == ("promoted", "better")


def test_an_upload_that_found_the_model_taken_is_not_forgotten(
    services: Services, executions: Executions
) -> None:
    executions.start(RUN)
    services.lock.acquire("iris", RUN, NOW)
    services.ledger.open(RUN, "iris", Trigger(kind="upload", reason="x", at=NOW), None)
    assert services.lock.acquire("iris", "late", NOW, waiting=True)
    executions.end(RUN)
    invoke("close_run")
    given = executions.input(f"after-{RUN}")
    assert (given["source"], given["model"]) == ("perennial.waiting", "iris")


def test_another_runs_lock_is_left_alone(stopped: Services) -> None:
    stopped.lock.acquire("iris", "next", NOW)  # it found the holder dead
    assert invoke("close_run")["released"] is False
    assert stopped.lock.holder("iris") == "next"


def test_a_run_that_goes_on_is_left_alone(services: Services, executions: Executions) -> None:
    """It was redriven before its event arrived."""
    executions.start(RUN)
    services.ledger.open(RUN, "iris", Trigger(kind="upload", reason="x", at=NOW), None)
    instance = launch(RUN)
    assert invoke("close_run") == {"run": RUN, "recorded": False, "released": False}
    assert state(instance) == "running"


def test_a_run_that_had_taken_nothing_leaves_nothing(services: Services, executions: Executions) -> None:
    executions.start(RUN)
    executions.end(RUN)
    assert invoke("close_run") == {"run": RUN, "recorded": False, "released": False}
    assert services.ledger.run(RUN) is None
