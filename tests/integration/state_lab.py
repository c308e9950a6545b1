"""One state of the real workflow in a machine of its own, as the service's TestState runs it, on an engine.

The state stands between one that assigns what it is given and an end for each state that may follow it. Tasks
are answered by a stand-in function, as a case says; calls of other services are made as they are where a case
wants them to succeed.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.integration.engine_support import Aws
from tests.unit.test_statemachine_rules import CALLBACKS, STATES, TASKS, catches, choices, integration

WAIT_SCALE = 0.001  # of what the definition says a Wait or a Retry waits
PATIENCE = 60.0  # seconds
UNASSIGNED = "(unassigned)"

_STAND_IN = """
import json, os, time
from pathlib import Path

def handler(event, _context):
    script = Path(os.environ["LAB"]) / event["case"]
    steps = json.loads(script.with_suffix(".json").read_text())
    log = script.with_suffix(".log")
    before = len(log.read_text().splitlines()) if log.exists() else 0
    with log.open("a") as file:
        file.write(json.dumps(event) + "\\n")
    step = steps[min(before, len(steps) - 1)]
    time.sleep(step.get("sleep", 0))
    if "raise" in step:
        raise type(step["raise"], (Exception,), {})("as the case says")
    return step.get("answer")
"""


@dataclass(frozen=True)
class Trial:
    """A state, what it is given, and how its task is answered.

    steps: what the stand-in does at each attempt, the last again and again; without, the call is a real one.
    reply: what is sent to a task that waits for a callback: its output, or an error's name and cause.
    limits: TimeoutSeconds, HeartbeatSeconds instead of the definition's; None leaves one out.
    """

    state: str
    given: Mapping[str, Any]
    input: Any = field(default_factory=dict)
    steps: tuple[Mapping[str, Any], ...] = ()
    reply: Mapping[str, Any] | None = None
    limits: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """Where a state led, with which variables, and the arguments of each attempt that the stand-in saw."""

    next: str
    variables: Mapping[str, Any]
    input: Any
    attempts: list[dict[str, Any]]


class Lab:
    """Runs trials on an engine that has the resources of the workflow."""

    def __init__(self, aws: Aws, directory: Path) -> None:
        self.aws, self._directory = aws, directory
        environment = {"Variables": {"LAB": str(directory)}}
        aws.function("stand-in", _STAND_IN, Environment=environment, Timeout=30)
        self._count = 0

    def run(self, trial: Trial, name: str) -> Seen:
        """Make the machine, run it to its end, answer its callback."""
        (self._directory / f"{name}.json").write_text(json.dumps(trial.steps))
        log = self._directory / f"{name}.log"
        execution = self.aws.start(name, self._states(trial, name))
        if trial.reply is not None:
            self._reply(log, trial.reply)
        description = self.aws.finished(execution, PATIENCE)
        assert description, f"{trial.state} did not end within {PATIENCE:.0f} s"
        attempts = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        if STATES[trial.state]["Type"] in {"Fail", "Succeed"}:
            answer = {"Error": description.get("error"), "Cause": description.get("cause")}
            return Seen(description["status"], answer, None, attempts)
        assert description["status"] == "SUCCEEDED", (description.get("error"), description.get("cause"))
        output = json.loads(description["output"])
        return Seen(output["next"], output["variables"], output["input"], attempts)

    def _reply(self, log: Path, reply: Mapping[str, Any]) -> None:
        ends = time.monotonic() + PATIENCE
        while not log.exists() or not log.read_text().endswith("\n"):
            assert time.monotonic() < ends, "the task was not called"
            time.sleep(0.02)
        token = json.loads(log.read_text().splitlines()[-1])["token"]
        if "error" in reply:
            self.aws.machines.send_task_failure(taskToken=token, **reply)
        else:
            self.aws.machines.send_task_success(taskToken=token, output=json.dumps(reply))

    def _states(self, trial: Trial, name: str) -> dict[str, Any]:
        state = json.loads(json.dumps(STATES[trial.state]))
        if trial.steps:
            state = _stood_in(state, name)
        for limit, seconds in trial.limits.items():
            state.pop(limit, None)
            if seconds is not None:
                state[limit] = seconds
        targets = set(choices(state) + catches(state))
        variables = {*trial.given, *_assigned(state)}
        states = {
            "Given": {"Type": "Pass", "Assign": trial.given, "Output": trial.input, "Next": trial.state},
            trial.state: state,
            **{target: _end(target, variables) for target in sorted(targets)},
        }
        text = json.dumps(states)
        for placeholder, value in self.substitutions.items():
            text = text.replace(placeholder, value)
        made: dict[str, Any] = json.loads(text)
        return made

    @cached_property
    def substitutions(self) -> dict[str, str]:
        """What stands in the definition's placeholders; resources are made when they are first needed."""
        aws = self.aws
        idle = {"StartAt": "Idle", "States": {"Idle": {"Type": "Succeed"}}}
        machine = aws.machines.create_state_machine(
            name="idle", definition=json.dumps(idle), roleArn="arn:aws:iam::000000000000:role/any"
        )
        aws.client("s3").create_bucket(Bucket="lab-data")
        aws.client("dynamodb").create_table(
            TableName="lab",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        tags = [{"Key": "perennial:run", "Value": "run-with-trainer"}]
        launch = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1}
        ec2 = aws.client("ec2")
        kept = ec2.run_instances(**launch, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
        ended = ec2.run_instances(**launch)
        return {
            # a machine of one state that starts itself would never end
            "{% $states.context.StateMachine.Id %}": machine["stateMachineArn"],
            "${DataBucketName}": "lab-data",
            "${TableName}": "lab",
            "${StackName}": "lab",
            "${InstanceId}": kept["Instances"][0]["InstanceId"],
            "${InstanceToEnd}": ended["Instances"][0]["InstanceId"],
        }


def _stood_in(state: dict[str, Any], name: str) -> dict[str, Any]:
    waits = state["Resource"].endswith(".waitForTaskToken")
    token = {"token": "{% $states.context.Task.Token %}"} if waits else {}
    payload = {"case": name, "arguments": state["Arguments"], **token}
    return state | {
        "Resource": "arn:aws:states:::lambda:invoke" + (".waitForTaskToken" if waits else ""),
        "Arguments": {"FunctionName": "stand-in", "Payload": payload},
    }


def _assigned(state: Mapping[str, Any]) -> set[str]:
    documents = [state, *state.get("Catch", []), *state.get("Choices", [])]
    return {variable for document in documents for variable in document.get("Assign", {})}


def _end(name: str, variables: set[str]) -> dict[str, Any]:
    shown = {one: f"{{% $exists(${one}) ? ${one} : '{UNASSIGNED}' %}}" for one in sorted(variables)}
    output = {"next": name, "variables": shown, "input": "{% $states.input %}"}
    return {"Type": "Pass", "Output": output, "End": True}


def is_function(state: str) -> bool:
    """Is it a task of one of our functions?"""
    return state in TASKS and integration(STATES[state]) == "lambda"


def waits_for_callback(state: str) -> bool:
    """Is it a task that ends with an answer to its token?"""
    return state in CALLBACKS
