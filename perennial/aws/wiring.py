"""The one place that wires the adapters to a deployed stack."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import boto3

from perennial.aws.clients import client
from perennial.aws.ledger import Claims, Ledger, Lock
from perennial.aws.objects import Bucket
from perennial.aws.registry import Registry
from perennial.aws.workflow import Callback, Workflow
from perennial.errors import InvalidRequest

if TYPE_CHECKING:
    from perennial.aws.alarms import Alarms
    from perennial.aws.announce import Announcer
    from perennial.aws.approvals import Approvals
    from perennial.aws.attempts import Attempts
    from perennial.aws.compute import Fleet
    from perennial.aws.delivery import Delivery
    from perennial.aws.detectors import Detectors
    from perennial.aws.intake import Intake
    from perennial.aws.launching import Launcher
    from perennial.aws.notices import Notices
    from perennial.aws.orphans import Orphans
    from perennial.aws.progress import ProgressBoard
    from perennial.aws.retention import Retention
    from perennial.aws.serving import Serving
    from perennial.aws.succession import Succession


@dataclass(frozen=True)
class Settings:
    """What a process has to know of its stack."""

    stack: str
    data_bucket: str
    artifact_bucket: str
    table: str
    state_machine_arn: str = ""
    topic_arn: str = ""
    launch_template: str = ""
    subnets: tuple[str, ...] = ()
    code_version: str = "unknown"

    @classmethod
    def from_environment(cls) -> Self:
        """Read the variables that template.yaml sets for functions and instances."""
        env = os.environ
        return cls(
            stack=env["STACK_NAME"],
            data_bucket=env["DATA_BUCKET"],
            artifact_bucket=env["ARTIFACT_BUCKET"],
            table=env["TABLE_NAME"],
            state_machine_arn=env.get("STATE_MACHINE_ARN", ""),
            topic_arn=env.get("TOPIC_ARN", ""),
            launch_template=env.get("LAUNCH_TEMPLATE_ID", ""),
            code_version=env.get("CODE_VERSION", "unknown"),
            subnets=tuple(name for name in env.get("SUBNET_IDS", "").split(",") if name),
        )

    @classmethod
    def from_stack(cls, name: str) -> Self:
        """Read the outputs of a deployed stack. Raises InvalidRequest where it is none of Perennial's."""
        (stack,) = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        outputs = {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}
        try:
            return cls(
                stack=name,
                data_bucket=outputs["DataBucketName"],
                artifact_bucket=outputs["ArtifactBucketName"],
                table=outputs["TableName"],
                state_machine_arn=outputs["StateMachineArn"],
                topic_arn=outputs["TopicArn"],
            )
        except KeyError as error:
            raise InvalidRequest(f"stack {name} is none of Perennial: it has no output {error}") from error


class Services:
    """The adapters of one stack, each made when it is first asked for.

    What few functions use is imported then: the others' cold starts are spared it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def table(self) -> Any:
        """The stack's DynamoDB table."""
        return boto3.resource("dynamodb", config=client("dynamodb").meta.config).Table(self.settings.table)

    @cached_property
    def data(self) -> Bucket:
        """incoming/, accepted/, quarantine/."""
        return Bucket(client("s3"), self.settings.data_bucket)

    @cached_property
    def artifacts(self) -> Bucket:
        """models/ and runs/."""
        return Bucket(client("s3"), self.settings.artifact_bucket)

    @cached_property
    def registry(self) -> Registry:
        """Versions and the champion alias."""
        return Registry(self.table)

    @cached_property
    def ledger(self) -> Ledger:
        """Runs and their outcomes."""
        return Ledger(self.table)

    @cached_property
    def progress(self) -> ProgressBoard:
        """How far trainings are."""
        from perennial.aws.progress import ProgressBoard

        return ProgressBoard(self.table)

    @cached_property
    def detectors(self) -> Detectors:
        """What drift detectors carry from run to run."""
        from perennial.aws.detectors import Detectors

        return Detectors(self.table, self.artifacts)

    @cached_property
    def claims(self) -> Claims:
        """Which run took up which object."""
        return Claims(self.table)

    @cached_property
    def intake(self) -> Intake:
        """What a run is to look at."""
        from perennial.aws.intake import Intake

        return Intake(self.data, self.artifacts, self.claims)

    @cached_property
    def workflow(self) -> Workflow:
        """The state machine."""
        return Workflow(client("stepfunctions"), self.settings.state_machine_arn)

    @cached_property
    def lock(self) -> Lock:
        """One run at a time per model."""
        return Lock(self.table, alive=self.workflow.alive)

    @cached_property
    def fleet(self) -> Fleet:
        """Training instances."""
        from perennial.aws.compute import Fleet

        s = self.settings
        return Fleet(client("ec2"), s.launch_template, s.subnets, s.stack)

    @cached_property
    def attempts(self) -> Attempts:
        """Attempts at trainings, and the budget."""
        from perennial.aws.attempts import Attempts

        return Attempts(self.table)

    @cached_property
    def launcher(self) -> Launcher:
        """One instance for one attempt, within its limits."""
        from perennial.aws.launching import Launcher
        from perennial.prices import Prices

        return Launcher(self.fleet, self.attempts, self.ledger, self.data, Prices.read())

    @cached_property
    def orphans(self) -> Orphans:
        """What missed events and lost notes left behind."""
        from perennial.aws.orphans import Orphans

        return Orphans(
            self.fleet,
            self.launcher,
            self.attempts,
            self.ledger,
            self.registry,
            self.workflow,
            callback=self.callback,
        )

    @cached_property
    def serving(self) -> Serving:
        """What services report of the versions that serve."""
        from perennial.aws.serving import Serving

        return Serving(client("cloudwatch"))

    @cached_property
    def announcer(self) -> Announcer:
        """Mirrors of the champion alias."""
        from perennial.aws.announce import Announcer

        return Announcer(client("ssm"), client("events"), self.settings.stack)

    @cached_property
    def alarms(self) -> Alarms:
        """The alarms that watch the models."""
        from perennial.aws.alarms import Alarms

        return Alarms(client("cloudwatch"), self.settings.stack, self.settings.topic_arn)

    @cached_property
    def succession(self) -> Succession:
        """Changes of the champion."""
        from perennial.aws.succession import Succession

        return Succession(self.registry, self.announcer, self.alarms)

    @cached_property
    def delivery(self) -> Delivery:
        """The champion laid ready for delivery pipelines."""
        from perennial.aws.delivery import Delivery

        return Delivery(self.registry, self.artifacts, client("events"), self.settings.stack)

    @cached_property
    def retention(self) -> Retention:
        """The files of old versions."""
        from perennial.aws.retention import Retention

        return Retention(self.table, self.registry, self.ledger, self.lock, self.artifacts)

    @cached_property
    def notices(self) -> Notices:
        """What people are told."""
        from perennial.aws.notices import Notices

        return Notices(self.table, client("sns"), self.settings.topic_arn)

    @cached_property
    def approvals(self) -> Approvals:
        """Questions to people, and their answers."""
        from perennial.aws.approvals import Approvals

        return Approvals(self.table, self.ledger, self.notices)

    def callback(self, token: str) -> Callback:
        """The answer to one waiting task."""
        return Callback(client("stepfunctions"), token)
