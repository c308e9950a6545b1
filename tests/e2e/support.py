"""What a test sees of the deployed stack, and how it waits: until a state is reached, or fail in the end."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from boto3.dynamodb.conditions import Attr

from local.session import Session
from perennial import layout
from perennial.aws.clients import client
from perennial.aws.wiring import Services
from perennial.contracts.objects import StoredObject
from scenarios.stack import POLL, DeployedStack

type Command = Callable[..., int]

PATIENCE = 60.0  # seconds; this machine may be busy
_LIVING = ["pending", "running", "stopping", "stopped"]


def until[T](look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """The first true answer; an AssertionError that says what was waited for when there is none."""
    ends = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < ends, f"not within {patience:.0f} s: {what}; at last {found!r}"
        time.sleep(POLL)


class Inbox:
    """A queue into which a service of AWS may send, and all that has come into it."""

    def __init__(self, name: str, sender: str) -> None:
        self._queues = client("sqs")
        self._url = self._queues.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self.arn = str(attributes["Attributes"]["QueueArn"])
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": sender},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._queues.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        self._received: list[dict[str, Any]] = []

    def received(self) -> list[dict[str, Any]]:
        """Every message so far, oldest first."""
        asked = {"QueueUrl": self._url, "MaxNumberOfMessages": 10}
        while messages := self._queues.receive_message(**asked).get("Messages"):
            for message in messages:
                self._received.append(json.loads(message["Body"]))
                self._queues.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return self._received


class Model(DeployedStack):
    """One model of the deployed stack, seen through the AWS APIs; remembers every upload."""

    def __init__(self, stack: str, model: str) -> None:
        super().__init__(stack, model)
        self.uploaded: list[bytes] = []

    def upload(self, name: str, body: bytes) -> None:
        self.uploaded.append(body)
        super().upload(name, body)

    def started(self, action: Callable[[], object]) -> str:
        """Do something that starts a run; its name."""
        known = self.runs()
        action()
        return self.new_run(known)

    def ended(self, action: Callable[[], object]) -> dict[str, Any]:
        """Do something that starts a run and follow it to its end; its entry in the ledger."""
        return self.follow(self.started(action))

    def force(self) -> None:
        """Ask for a training as a person does."""
        self.start_by_hand("the test asks for it", force=True)

    def when_in(self, run: str, state: str) -> None:
        """Wait until a run is in a state; fail at once where it has ended otherwise."""

        def look() -> bool:
            going = self.services.workflow.alive(run)
            seen = self.path(run)
            assert going, f"{run} ended without coming to {state}: {seen}; {self.services.ledger.run(run)}"
            return seen[-1:] == [state]

        until(look, f"{run} in {state}")

    def path(self, run: str) -> list[str]:
        """The states of a run, in the order they were entered."""
        return [visit.state for visit in self.visits(run)]

    def champion(self) -> int | None:
        """The version that serves."""
        alias = self.services.registry.champion(self.model)
        return alias.version if alias else None

    def stored(self, area: str) -> list[StoredObject]:
        """What lies in incoming/, accepted/ or quarantine/ of this model, the reasons left out."""
        found = self.services.data.list(f"{area}/{self.model}/")
        return [item for item in found if not item.key.endswith("/reasons.json")]

    def bodies(self, *areas: str) -> list[bytes]:
        """The bytes of everything there."""
        return [self.services.data.get(item.key) for area in areas for item in self.stored(area)]

    def reasons(self, run: str) -> list[str]:
        """Why a run put its batch into quarantine, as it stands beside the batch."""
        document = self.services.data.get_json(f"{layout.quarantine(self.model)}{run}/reasons.json")
        reasons: list[str] = document["reasons"]
        return reasons

    def token(self, run: str) -> str:
        """The task token that a run's training was given."""
        return str(self.services.artifacts.get_json(layout.run_key(run, layout.JOB))["token"])

    def trainer(self, run: str, attempt: int = 0) -> str:
        """Wait until the instance of a training is running and known to the stack; its id."""
        self.when_in(run, "Train On EC2")

        def look() -> str | None:
            ours = [one for one in living_instances() if tag(one, "perennial:run") == run]
            named = [one["InstanceId"] for one in ours if tag(one, "perennial:attempt") == str(attempt)]
            return next((one for one in named if self.services.attempts.of_instance(one)), None)

        return str(until(look, f"an instance for attempt {attempt} of {run}"))


@dataclass(frozen=True)
class Deployment:
    """The stack, deployed once for all tests, and what it tells the world."""

    session: Session
    tree: Path
    stack: str
    notifications: Inbox
    announcements: Inbox

    @cached_property
    def services(self) -> Services:
        """The adapters of the stack."""
        return self.model("iris").services

    def model(self, name: str) -> Model:
        """One of its models."""
        return Model(self.stack, name)

    def executions(self, status: str | None = None) -> list[dict[str, Any]]:
        """All runs, or those of a status, newest first."""
        wanted = {"statusFilter": status} if status else {}
        pages = client("stepfunctions").get_paginator("list_executions")
        arn = self.services.workflow.arn
        return [
            execution
            for page in pages.paginate(stateMachineArn=arn, **wanted)
            for execution in page["executions"]
        ]

    def notification(self, run: str, about: str = "") -> dict[str, Any]:
        """Wait for what a person is told about a run: Subject, with these words in it, and Message."""

        def look() -> list[dict[str, Any]]:
            told = self.notifications.received()
            return [one for one in told if run in one["Message"] and about in one["Subject"]]

        return until(look, f"a notification about {run}")[0]

    def notice(self, run: str) -> str:
        """Wait for the end of a run's last words: whether its notice was sent or held back."""

        def look() -> str | None:
            return (self.services.ledger.run(run) or {}).get("notice")

        return str(until(look, f"a word on the notice of {run}"))

    def announced(self, model: str) -> list[tuple[str, int | None, int | None]]:
        """What was told of a model's champion so far: what happened, the version, the one before."""
        return [
            (event["detail-type"], event["detail"]["version"], event["detail"]["previous"])
            for event in self.announcements.received()
            if event["detail"]["model"] == model and event["detail-type"] != "Champion Delivered"
        ]

    def locks(self) -> list[dict[str, Any]]:
        """The locks that are held."""
        found: list[dict[str, Any]] = self.services.table.scan(FilterExpression=Attr("sk").eq("lock"))[
            "Items"
        ]
        return found

    def unrecorded(self) -> set[str]:
        """Runs without an outcome in the ledger."""
        entries = self.services.table.scan(FilterExpression=Attr("sk").eq("run") & Attr("outcome").exists())
        return {execution["name"] for execution in self.executions()} - {
            entry["run"] for entry in entries["Items"]
        }

    def at_rest(self) -> bool:
        """Does nothing run and is nothing held?"""
        return not (self.executions("RUNNING") or living_instances() or self.locks())


def living_instances() -> list[dict[str, Any]]:
    """Every instance that has not ended."""
    answer = client("ec2").describe_instances(Filters=[{"Name": "instance-state-name", "Values": _LIVING}])
    return [one for reservation in answer["Reservations"] for one in reservation["Instances"]]


def tag(instance: dict[str, Any], name: str) -> str | None:
    """The value of one of an instance's tags."""
    return next((item["Value"] for item in instance.get("Tags", []) if item["Key"] == name), None)
