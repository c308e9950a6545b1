"""The stack in moto, made as template.yaml describes it, and shorthand for what lies in it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3

from perennial.aws.wiring import Services
from perennial.contracts.objects import Artifact, StoredObject
from perennial.lineage import VersionRecord
from tests.unit.template_file import properties

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
_ROLE = "arn:aws:iam::123456789012:role/any"


def create_table(name: str) -> Any:
    """A table with the template's keys and index."""
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    described: dict[str, Any] = {key: properties("Table")[key] for key in wanted}
    return boto3.resource("dynamodb").create_table(TableName=name, **described)


def create_stack(name: str, table: str) -> dict[str, str]:
    """Buckets, topic, state machine and launch template; the variables that name them to a function."""
    s3 = boto3.client("s3")
    for bucket in ("perennial-data", "perennial-artifacts"):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    waiting = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 99, "End": True}}}
    ec2 = boto3.client("ec2")
    image = ec2.register_image(Name="al2023", Architecture="x86_64", RootDeviceName="/dev/xvda")["ImageId"]
    template = ec2.create_launch_template(
        LaunchTemplateName="trainer", LaunchTemplateData={"ImageId": image}
    )["LaunchTemplate"]
    subnets = ec2.describe_subnets()["Subnets"][:2]
    return {
        "STACK_NAME": name,
        "DATA_BUCKET": "perennial-data",
        "ARTIFACT_BUCKET": "perennial-artifacts",
        "TABLE_NAME": table,
        "STATE_MACHINE_ARN": boto3.client("stepfunctions").create_state_machine(
            name=f"{name}-retraining", definition=json.dumps(waiting), roleArn=_ROLE
        )["stateMachineArn"],
        "TOPIC_ARN": boto3.client("sns").create_topic(Name="perennial")["TopicArn"],
        "LAUNCH_TEMPLATE_ID": template["LaunchTemplateId"],
        "SUBNET_IDS": ",".join(subnet["SubnetId"] for subnet in subnets),
        "CODE_VERSION": "code:1",
    }


@dataclass(frozen=True)
class Executions:
    """Runs of the state machine that do nothing and end when they are told to."""

    client: Any
    machine: str

    def start(self, run: str) -> None:
        self.client.start_execution(stateMachineArn=self.machine, name=run, input="{}")

    def end(self, run: str) -> None:
        self.client.stop_execution(executionArn=self._arn(run))

    def forget(self) -> None:
        """Know of no run any more, as Step Functions after 90 days."""
        self.client.delete_state_machine(stateMachineArn=self.machine)

    def input(self, run: str) -> dict[str, Any]:
        given: dict[str, Any] = json.loads(
            self.client.describe_execution(executionArn=self._arn(run))["input"]
        )
        return given

    def _arn(self, run: str) -> str:
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{run}"

    def names(self) -> set[str]:
        found = self.client.list_executions(stateMachineArn=self.machine)["executions"]
        return {execution["name"] for execution in found}


def record(version: int, *, run: str = "run-0", model: str = "iris", **changes: Any) -> VersionRecord:
    """A candidate's record as the trainer writes it."""
    artifact = Artifact(key=f"models/{model}/{version:06d}/x", version_id=None, sha256="0" * 64, size=1)
    given: dict[str, Any] = {
        "model": model,
        "version": version,
        "status": "candidate",
        "run": run,
        "parent": version - 1 or None,
        "created_at": NOW,
        "estimator": "sklearn.dummy.DummyClassifier",
        "code_version": "code:1",
        "seed": 7,
        "rows_trained": 90,
        "rows_held_out": 30,
        "metrics": {"accuracy": 0.9},
        "artifact": artifact,
        "baseline": artifact,
        "holdout": artifact,
        "reference": artifact,
        "data": (StoredObject(key="accepted/iris/x.csv", version_id="1", etag="e", size=1),),
        "libraries": {"scikit-learn": "1.8.0"},
    }
    return VersionRecord.model_validate({**given, **changes})


def serve(services: Services, version: int, *, previous: int | None = None, run: str = "run-0") -> None:
    """Make a registered version the champion."""
    services.registry.move_champion(
        "iris",
        expected=previous,
        to=version,
        previous=previous,
        left_as="archived",
        run=run,
        reason="set up",
        now=NOW,
    )
