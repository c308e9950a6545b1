"""Shorthand for tests on an engine process: clients, functions, state machines, and waiting for answers."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import boto3

from local.engine import REGION, Engine

ACCOUNT = {"AccessKeyId": "test", "SecretAccessKey": "test", "SessionToken": None}
ROLE = "arn:aws:iam::000000000000:role/any"
INVOKE = "arn:aws:states:::lambda:invoke"


def task(resource: str, arguments: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A Task state that ends the machine."""
    state = {"Type": "Task", "Resource": resource, "Arguments": arguments, "TimeoutSeconds": 20, "End": True}
    return state | fields


def archive(files: Mapping[str, str]) -> bytes:
    """A zip archive of path: text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for path, text in files.items():
            target.writestr(path, text)
    return buffer.getvalue()


def eventually[T](probe: Callable[[], T], within: float = 5.0) -> T:
    """The first true answer of the probe; its last answer when the time is up."""
    until = time.monotonic() + within
    while not (answer := probe()) and time.monotonic() < until:
        time.sleep(0.02)
    return answer


class Aws:
    """boto3 clients of one engine, and the few things that every test builds with them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def client(self, service: str, credentials: Mapping[str, Any] = ACCOUNT) -> Any:
        """A client with credentials in the form of sts:AssumeRole; without them, the account's own."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.engine.url,
            region_name=REGION,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    @cached_property
    def functions(self) -> Any:
        return self.client("lambda")

    @cached_property
    def machines(self) -> Any:
        return self.client("stepfunctions")

    @cached_property
    def queues(self) -> Any:
        return self.client("sqs")

    def function(self, name: str, source: str, **settings: Any) -> str:
        """Create a function from the text of its app.py, entry point `handler`."""
        configuration = {
            "Runtime": "python3.13",
            "Timeout": 20,
            "Role": ROLE,
            "Handler": "app.handler",
            **settings,
        }
        files = {"app.py": source}
        self.functions.create_function(FunctionName=name, Code={"ZipFile": archive(files)}, **configuration)
        return name

    def call(self, name: str, event: object = None) -> Any:
        """The function's answer: what it returned, or its error's document."""
        answer = self.functions.invoke(FunctionName=name, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    def start(self, name: str, states: Mapping[str, Any], role: str = ROLE) -> str:
        """Start a JSONata machine of these states, from the first of them; the execution's ARN."""
        definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states})
        machine = self.machines.create_state_machine(name=name, definition=definition, roleArn=role)
        started = self.machines.start_execution(stateMachineArn=machine["stateMachineArn"])
        return str(started["executionArn"])

    def finished(self, execution: str, within: float = 10.0) -> Any:
        """The description of an execution once it is over."""

        def over() -> Any:
            description = self.machines.describe_execution(executionArn=execution)
            return None if description["status"] == "RUNNING" else description

        return eventually(over, within)

    def run(self, name: str, states: Mapping[str, Any], within: float = 10.0) -> Any:
        """Start a machine and wait for its end."""
        return self.finished(self.start(name, states), within)

    def watch(self, name: str, pattern: Mapping[str, Any]) -> Callable[[], list[Any]]:
        """Route events of the default bus into a queue; returns what reads those that came since."""
        url = self.queues.create_queue(QueueName=name)["QueueUrl"]
        arn = self.queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        events = self.client("events")
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])

        def read() -> list[Any]:
            found = []
            while messages := self.queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
                "Messages"
            ):
                for message in messages:
                    found.append(json.loads(message["Body"]))
                    self.queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return found

        return read

    def layer(self, name: str, files: Mapping[str, str]) -> str:
        """Publish a layer; its version's ARN."""
        published = self.functions.publish_layer_version(LayerName=name, Content={"ZipFile": archive(files)})
        return str(published["LayerVersionArn"])
