"""The engine's IAM decides as AWS does: right with each correction, and not right without it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.engine import Engine
from tests.integration.engine_support import Aws, archive, eventually

pytestmark = pytest.mark.integration

ANY_SERVICE = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
TOKEN = "{% $states.context.Task.Token %}"

type Clients = Callable[[str], Any]


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def role(aws: Aws, name: str, *statements: dict[str, Any]) -> tuple[str, Clients]:
    """A role with these permissions: its ARN, and clients that act as it."""
    roles = aws.client("iam")
    created = roles.create_role(RoleName=name, AssumeRolePolicyDocument=policy(ANY_SERVICE))
    allowed = [{"Effect": "Allow", **statement} for statement in statements]
    roles.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=policy(*allowed))
    arn = created["Role"]["Arn"]
    credentials = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return arn, lambda service: aws.client(service, credentials)


def permitted(call: Callable[..., Any], **arguments: Any) -> bool:
    """Whether a call is not denied. Other errors are raised."""
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in DENIED:
            return False
        raise
    return True


def bucket(aws: Aws, *denied: dict[str, Any]) -> None:
    objects = aws.client("s3")
    objects.create_bucket(Bucket="models")
    statements = [
        {"Effect": "Deny", "Principal": "*", "Resource": "arn:aws:s3:::models/*", **one} for one in denied
    ]
    objects.put_bucket_policy(Bucket="models", Policy=policy(*statements))


def secure_transport(aws: Aws) -> None:
    bucket(aws, {"Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
    _arn, clients = role(aws, "writer", {"Action": "s3:PutObject", "Resource": "*"})
    assert permitted(clients("s3").put_object, Bucket="models", Key="one", Body=b"")


def condition_keys(aws: Aws) -> None:
    put: dict[str, Any] = {"MetricData": [{"MetricName": "Rows", "Value": 1}]}
    ours = {"StringEquals": {"cloudwatch:namespace": "Perennial"}}
    tagged = {"StringEquals": {"ec2:ResourceTag/app": "perennial"}}
    arn, clients = role(
        aws,
        "trainer",
        {"Action": "s3:PutObject", "Resource": "*"},
        {"Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": ours},
        {"Action": "ec2:TerminateInstances", "Resource": "*", "Condition": tagged},
    )
    assert permitted(clients("cloudwatch").put_metric_data, Namespace="Perennial", **put)
    assert not permitted(clients("cloudwatch").put_metric_data, Namespace="Other", **put)
    for app, allowed in (("perennial", True), ("other", False)):
        launched = aws.client("ec2").run_instances(
            ImageId="ami-12345678",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "app", "Value": app}]}],
        )
        instance = launched["Instances"][0]["InstanceId"]
        assert permitted(clients("ec2").terminate_instances, InstanceIds=[instance]) is allowed
    bucket(aws, {"Action": "s3:PutObject", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": arn}}})
    assert permitted(clients("s3").put_object, Bucket="models", Key="one", Body=b"")
    _other, others = role(aws, "other", {"Action": "s3:PutObject", "Resource": "*"})
    assert not permitted(others("s3").put_object, Bucket="models", Key="one", Body=b"")


def table(aws: Aws) -> Any:
    tables = aws.client("dynamodb")
    tables.create_table(
        TableName="tokens",
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return tables


def keeping(name: str, resource: str = "aws-sdk:dynamodb:putItem.waitForTaskToken") -> dict[str, Any]:
    """States that put their token, or just their name, into the table."""
    token = TOKEN if resource.endswith(".waitForTaskToken") else "none"
    item = {"key": {"S": name}, "token": {"S": token}}
    arguments = {"TableName": "tokens", "Item": item}
    return {
        "Keep": {
            "Type": "Task",
            "Resource": f"arn:aws:states:::{resource}",
            "Arguments": arguments,
            "End": True,
        }
    }


def callback_permission(aws: Aws) -> None:
    tables = table(aws)
    keeper, _clients = role(aws, "keeper", {"Action": "dynamodb:PutItem", "Resource": "*"})
    executions = {name: aws.start(name, keeping(name), role=keeper) for name in ("mine", "other")}
    machine = aws.machines.describe_execution(executionArn=executions["mine"])["stateMachineArn"]
    _arn, clients = role(aws, "answerer", {"Action": "states:SendTask*", "Resource": machine})

    def kept() -> dict[str, str]:
        items = tables.scan(TableName="tokens")["Items"]
        return {item["key"]["S"]: item["token"]["S"] for item in items} if len(items) == 2 else {}

    tokens = eventually(kept)
    send = clients("stepfunctions").send_task_success
    assert not permitted(send, taskToken=tokens["other"], output="{}")
    assert permitted(send, taskToken=tokens["mine"], output="{}")
    assert aws.finished(executions["mine"])["status"] == "SUCCEEDED"


def layer_permission(aws: Aws) -> None:
    first, second = [aws.layer(name, {"python/inside.py": ""}) for name in ("first", "second")]
    _arn, clients = role(aws, "reader", {"Action": "lambda:GetLayerVersion", "Resource": first})
    functions = clients("lambda")
    assert permitted(functions.get_layer_version_by_arn, Arn=first)
    assert permitted(functions.get_layer_version, LayerName="first", VersionNumber=1)
    assert not permitted(functions.get_layer_version_by_arn, Arn=second)


def alarm_permission(aws: Aws) -> None:
    watch: dict[str, Any] = {"MetricName": "Errors", "Namespace": "Test", "Statistic": "Sum", "Period": 60}
    watch |= {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    for name in ("ours/errors", "theirs/errors"):
        aws.client("cloudwatch").put_metric_alarm(AlarmName=name, **watch)
    ours = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:ours/*"
    _arn, clients = role(aws, "watcher", {"Action": "cloudwatch:DeleteAlarms", "Resource": ours})
    delete = clients("cloudwatch").delete_alarms
    assert not permitted(delete, AlarmNames=["theirs/errors"])
    assert permitted(delete, AlarmNames=["ours/errors"])


def log_stream_permission(aws: Aws) -> None:
    for name in ("trainer", "other"):
        aws.client("logs").create_log_group(logGroupName=name)
    group = "arn:aws:logs:us-east-1:000000000000:log-group:trainer:*"
    _arn, clients = role(aws, "writer", {"Action": "logs:CreateLogStream", "Resource": group})
    create = clients("logs").create_log_stream
    assert permitted(create, logGroupName="trainer", logStreamName="one")
    assert not permitted(create, logGroupName="other", logStreamName="one")


def machine_role(aws: Aws) -> None:
    table(aws)
    tokens = "arn:aws:dynamodb:us-east-1:000000000000:table/tokens"
    idle, _clients = role(aws, "idle", {"Action": "dynamodb:PutItem", "Resource": f"{tokens}-of-others"})
    may, _clients = role(aws, "may", {"Action": "dynamodb:PutItem", "Resource": tokens})
    for resource in ("dynamodb:putItem", "aws-sdk:dynamodb:putItem"):
        name = resource.replace(":", "-")
        denied = aws.finished(aws.start(f"{name}-denied", keeping(name, resource), role=idle))
        assert denied["status"] == "FAILED"
        assert "not authorized to perform: dynamodb:PutItem" in denied["cause"]
        allowed = aws.finished(aws.start(f"{name}-allowed", keeping(name, resource), role=may))
        assert allowed["status"] == "SUCCEEDED"


CHECKS: dict[str, Callable[[Aws], None]] = {
    check.__name__: check
    for check in (
        secure_transport,
        condition_keys,
        callback_permission,
        alarm_permission,
        layer_permission,
        log_stream_permission,
        machine_role,
    )
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """The engine with IAM and every correction."""
    with Engine(tmp_path_factory.mktemp("engine"), auth=True) as engine:
        yield Aws(engine)


@pytest.mark.parametrize("name", CHECKS)
def test_right_with_the_correction(whole: Aws, name: str) -> None:
    whole.engine.reset()
    CHECKS[name](whole)


@pytest.mark.parametrize("name", CHECKS)
def test_not_right_without_it(name: str, tmp_path: Path) -> None:
    with Engine(tmp_path, auth=True, without=[name]) as engine, pytest.raises(AssertionError):
        CHECKS[name](Aws(engine))


def test_function_runs_as_its_role(whole: Aws) -> None:
    whole.engine.reset()
    source = """
import boto3
def handler(event, context):
    boto3.client("s3").list_buckets()
"""
    arn, _clients = role(whole, "function", {"Action": "s3:GetObject", "Resource": "*"})
    code = {"ZipFile": archive({"app.py": source})}
    whole.functions.create_function(
        FunctionName="lists", Runtime="python3.13", Role=arn, Handler="app.handler", Code=code, Timeout=20
    )
    assert "AccessDenied" in whole.call("lists")["errorMessage"]
