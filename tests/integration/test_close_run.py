"""A run that was stopped: recorded as failed, its model free, its canary and its instances ended."""

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest

from perennial.aws.wiring import Services
from perennial.config import load_model
from perennial.contracts.trigger import Trigger
from perennial.errors import Conflict
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
    assert answer == {"run": RUN, "recorded": True, "released": True, "canary": None}
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
    assert invoke("close_run") == {"run": RUN, "recorded": False, "released": False, "canary": None}
    assert stopped.ledger.run(RUN) == before


def test_what_the_run_recorded_itself_stays(stopped: Services) -> None:
    stopped.ledger.note(RUN, outcome="promoted", reason="better")
    assert invoke("close_run") == {"run": RUN, "recorded": False, "released": True, "canary": None}
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


@pytest.fixture
def trying(stopped: Services) -> Services:
    """Version 2 was a canary of the run when it was stopped."""
    stopped.registry.register(record(2, run=RUN))
    try_canary(stopped, RUN)
    return stopped


def try_canary(services: Services, run: str) -> None:
    services.succession.try_canary(
        load_model("iris"),
        champion=1,
        challenger=2,
        share=25,
        until=NOW + timedelta(hours=1),
        run=run,
        announce=True,
    )


def mirrored() -> dict[str, Any]:
    answer = boto3.client("ssm").get_parameter(Name="/perennial/perennial/iris/champion")
    found: dict[str, Any] = json.loads(answer["Parameter"]["Value"])
    return found


@pytest.mark.parametrize("outcome", [None, "failed"])
def test_its_canary_ends_at_once(trying: Services, outcome: str | None) -> None:
    """Stopped from outside, or by an error of its own, after which it recorded its outcome itself."""
    if outcome:
        trying.ledger.note(RUN, outcome=outcome, reason="TryCanary could not")
    assert mirrored()["canary"]["share"] == 25
    assert invoke("close_run")["canary"] == 2
    alias = trying.registry.champion("iris")
    assert alias
    assert (alias.version, alias.canary) == (1, None)
    assert (mirrored()["version"], "canary" in mirrored()) == (1, False)
    assert trying.registry.version("iris", 2).status == "candidate"  # no verdict was come to
    ends = trying.registry.audit("iris")[-1]
    assert (ends["canary"], ends["version"], ends["run"]) == (2, 1, RUN)
    assert invoke("close_run")["canary"] is None
    assert len(trying.registry.audit("iris")) == 2


def test_a_call_that_broke_off_before_the_mirror_is_made_good(trying: Services) -> None:
    trying.ledger.note(RUN, canary="{}")  # it is known to have had one
    trying.registry.drop_canary("iris", run=RUN, reason="x", now=NOW)
    assert "canary" in mirrored()
    assert invoke("close_run")["canary"] is None
    assert "canary" not in mirrored()


def test_a_look_that_is_still_under_way_sets_no_canary_again(trying: Services) -> None:
    invoke("close_run")
    with pytest.raises(Conflict, match=f"run {RUN} has its outcome"):
        try_canary(trying, RUN)
    alias = trying.registry.champion("iris")
    assert alias
    assert alias.canary is None


def test_the_canary_of_another_run_is_left_alone(trying: Services) -> None:
    try_canary(trying, "next")
    assert invoke("close_run")["canary"] is None
    alias = trying.registry.champion("iris")
    assert alias
    assert alias.canary
    assert alias.canary.run == "next"


def test_a_canary_that_a_rollback_by_hand_has_ended_is_ended(trying: Services) -> None:
    trying.registry.register(record(3))
    serve(trying, 3, previous=1, run="by-hand")
    assert invoke("close_run")["canary"] is None
    alias = trying.registry.champion("iris")
    assert alias
    assert (alias.version, alias.run, alias.canary) == (3, "by-hand", None)


def test_another_runs_lock_is_left_alone(stopped: Services) -> None:
    stopped.lock.acquire("iris", "next", NOW)  # it found the holder dead
    assert invoke("close_run")["released"] is False
    assert stopped.lock.holder("iris") == "next"


def test_a_run_that_goes_on_is_left_alone(services: Services, executions: Executions) -> None:
    """It was redriven before its event arrived."""
    executions.start(RUN)
    services.ledger.open(RUN, "iris", Trigger(kind="upload", reason="x", at=NOW), None)
    instance = launch(RUN)
    assert invoke("close_run") == {"run": RUN, "recorded": False, "released": False, "canary": None}
    assert state(instance) == "running"


def test_a_run_that_had_taken_nothing_leaves_nothing(services: Services, executions: Executions) -> None:
    executions.start(RUN)
    executions.end(RUN)
    assert invoke("close_run") == {"run": RUN, "recorded": False, "released": False, "canary": None}
    assert services.ledger.run(RUN) is None
