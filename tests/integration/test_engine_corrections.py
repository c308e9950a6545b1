"""Every correction of the engine: right with it, and not right without it."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from local.engine import ROOT, Engine, EngineError
from tests.integration import engine_function_checks as functions
from tests.integration import test_engine_permissions as permissions
from tests.integration.engine_support import INVOKE, ROLE, Aws, eventually, task

pytestmark = pytest.mark.integration

TOKEN = {"token": "{% $states.context.Task.Token %}"}
WAIT_SCALE = 0.1  # of every Wait and Retry delay
DIMENSION = [{"Name": "Model", "Value": "iris"}]


def embedded_metrics(aws: Aws) -> None:
    source = """
import json, time
def handler(event, context):
    sets = [["Model"], ["Model", "Column"], []]
    names = [{"Name": "Rows", "Unit": "Count"}, {"Name": "Seconds", "Unit": "Seconds"}]
    directive = {"Namespace": "Perennial", "Dimensions": sets, "Metrics": names}
    aws = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    print(json.dumps({"_aws": aws, "Model": "iris", "Column": "petal", "Rows": [100, 50], "Seconds": 1.5}))
    print('{"_aws": {"CloudWatchMetrics": "not a list"}}')
"""
    aws.function("counts", source)
    aws.call("counts")
    metrics = aws.client("cloudwatch")
    listed = metrics.list_metrics(Namespace="Perennial")["Metrics"]
    found = {(metric["MetricName"], *(d["Value"] for d in metric["Dimensions"])) for metric in listed}
    expected = {(name, *rest) for name in ("Rows", "Seconds") for rest in [("iris",), ("petal", "iris"), ()]}
    assert {(name, *sorted(rest)) for name, *rest in found} == {
        (name, *sorted(rest)) for name, *rest in expected
    }
    now = time.time()
    statistics = metrics.get_metric_statistics(
        Namespace="Perennial",
        MetricName="Rows",
        Dimensions=DIMENSION,
        StartTime=now - 3600,
        EndTime=now + 60,
        Period=3600,
        Statistics=["Sum", "SampleCount"],
    )
    assert sum(point["Sum"] for point in statistics["Datapoints"]) == 150


def _alarm(aws: Aws, name: str) -> Any:
    metrics = aws.client("cloudwatch")
    metrics.put_metric_alarm(
        AlarmName=name,
        Namespace="Perennial",
        MetricName=name,
        Dimensions=DIMENSION,
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    return metrics


def _state(metrics: Any, name: str) -> str:
    return str(metrics.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"])


def _put(metrics: Any, name: str, value: float, dimensions: Any) -> None:
    datum = {"MetricName": name, "Value": value, "Dimensions": dimensions}
    metrics.put_metric_data(Namespace="Perennial", MetricData=[datum])


def alarm_dimensions(aws: Aws) -> None:
    metrics = _alarm(aws, "errors")
    _put(metrics, "errors", 5, [{"Name": "Model", "Value": "housing"}])
    _put(metrics, "errors", 5, [])
    assert _state(metrics, "errors") != "ALARM"
    _put(metrics, "errors", 5, DIMENSION)
    assert _state(metrics, "errors") == "ALARM"


def alarm_events(aws: Aws) -> None:
    kind = "CloudWatch Alarm State Change"
    detail = {
        "state": {"value": ["ALARM"]},
        "configuration": {"metrics": {"metricStat": {"metric": {"namespace": ["Perennial"]}}}},
    }
    read = aws.watch("alarms", {"source": ["aws.cloudwatch"], "detail-type": [kind], "detail": detail})
    metrics = _alarm(aws, "decay")
    _put(metrics, "decay", 0, DIMENSION)
    _put(metrics, "decay", 2, DIMENSION)
    received = eventually(read, within=3)
    assert [event["detail"]["alarmName"] for event in received] == ["decay"]
    (event,) = received
    assert event["resources"] == ["arn:aws:cloudwatch:us-east-1:000000000000:alarm:decay"]
    assert event["detail"]["previousState"]["value"] == "OK"
    watched = event["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]
    assert watched == {"namespace": "Perennial", "name": "decay", "dimensions": {"Model": "iris"}}


def retry_delays(aws: Aws) -> None:
    aws.function("breaks", "def handler(event, context): raise ValueError")
    call = {"FunctionName": "breaks"}
    retry = {"ErrorEquals": ["States.ALL"], "MaxAttempts": 4, "BackoffRate": 50, "MaxDelaySeconds": 1}
    capped = aws.run("capped", {"Capped": task(INVOKE, call, Retry=[retry])}, within=4)
    assert _seconds(capped) < 30 * WAIT_SCALE, "1 + 1 + 1 + 1, not 1 + 50 + 60 + 60"
    retry = {"ErrorEquals": ["States.ALL"], "MaxAttempts": 6, "IntervalSeconds": 5, "BackoffRate": 1}
    spread = aws.run("spread", {"Spread": task(INVOKE, call, Retry=[{**retry, "JitterStrategy": "FULL"}])})
    assert _seconds(spread) < 29 * WAIT_SCALE, "any part of 30"


def _seconds(description: Any) -> float:
    assert description, "it did not end in time"
    return float((description["stopDate"] - description["startDate"]).total_seconds())


def aborted(aws: Aws) -> None:
    source = """
import time
def handler(event, context):
    time.sleep(1)
    raise ValueError
"""
    aws.function("slow", source)
    execution = aws.start("stopped", {"Slow": task(INVOKE, {"FunctionName": "slow"})})
    assert eventually(lambda: "TaskScheduled" in _history(aws, execution))
    aws.machines.stop_execution(executionArn=execution)
    eventually(lambda: "TaskFailed" in _history(aws, execution))
    time.sleep(0.1)  # what would follow the failure
    assert aws.machines.describe_execution(executionArn=execution)["status"] == "ABORTED"


def _history(aws: Aws, execution: str) -> list[str]:
    events = aws.machines.get_execution_history(executionArn=execution, maxResults=1000)["events"]
    return [event["type"] for event in events]


def callbacks(aws: Aws) -> None:
    aws.function("refuses", "def handler(event, context): raise LookupError('no capacity')")
    wait = f"{INVOKE}.waitForTaskToken"
    arguments = {"FunctionName": "refuses", "Payload": TOKEN}
    refused = aws.run("refused", {"Refuse": task(wait, arguments, TimeoutSeconds=4)})
    assert refused["error"] == "LookupError"
    assert _seconds(refused) < 2
    _limit(aws, wait)
    _silence(aws, wait)
    _answers_at_once(aws)
    _stop_ends_the_wait(aws)


def _limit(aws: Aws, wait: str) -> None:
    """The time limit of a callback may be an expression."""
    aws.function("mute", "def handler(event, context): pass")
    arguments = {"FunctionName": "mute", "Payload": TOKEN}
    over = aws.run("limited", {"Wait": task(wait, arguments, TimeoutSeconds="{% 1 + 1 %}")})
    assert over["error"] == "States.Timeout"
    assert _seconds(over) < 5


def _silence(aws: Aws, wait: str) -> None:
    """Heartbeats keep a task alive, silence ends it, and the retry has a token of its own."""
    table = _table(aws)
    source = """
import boto3
def handler(event, context):
    item = {"key": {"S": event["token"]}}
    boto3.client("dynamodb").put_item(TableName="tokens", Item=item)
"""
    aws.function("keeps", source)
    retry = [{"ErrorEquals": ["States.HeartbeatTimeout"], "MaxAttempts": 1, "IntervalSeconds": 1}]
    arguments = {"FunctionName": "keeps", "Payload": TOKEN}
    state = task(wait, arguments, HeartbeatSeconds=2, TimeoutSeconds=12, Retry=retry)
    execution = aws.start("silent", {"Wait": state})
    (token,) = eventually(table)
    for _ in range(4):
        time.sleep(0.7)
        aws.machines.send_task_heartbeat(taskToken=token)
    assert len(table()) == 1
    second = eventually(lambda: [key for key in table() if key != token])
    aws.machines.send_task_success(taskToken=second[0], output='{"trained": true}')
    over = aws.finished(execution)
    assert json.loads(over["output"]) == {"trained": True}


def _table(aws: Aws) -> Callable[[], list[str]]:
    tables = aws.client("dynamodb")
    tables.create_table(
        TableName="tokens",
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return lambda: [item["key"]["S"] for item in tables.scan(TableName="tokens")["Items"]]


def _pending(aws: Aws, name: str) -> tuple[str, str]:
    """An execution that waits for the token that a native integration wrote; both."""
    tables = aws.client("dynamodb")
    arguments = {
        "TableName": "tokens",
        "Key": {"key": {"S": name}},
        "UpdateExpression": "SET #t = :t",
        "ExpressionAttributeNames": {"#t": "token"},
        "ExpressionAttributeValues": {":t": {"S": TOKEN["token"]}},
    }
    wait = "arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken"
    execution = aws.start(name, {"Wait": task(wait, arguments)})
    get = {"TableName": "tokens", "Key": {"key": {"S": name}}}
    item = eventually(lambda: tables.get_item(**get).get("Item"))
    return execution, item["token"]["S"]


def _answers_at_once(aws: Aws) -> None:
    execution, token = _pending(aws, "native")
    began = time.monotonic()
    aws.machines.send_task_failure(taskToken=token, error="TrainingFailed", cause="singular matrix")
    over = aws.finished(execution)
    assert (over["error"], over["cause"]) == ("TrainingFailed", "singular matrix")
    assert time.monotonic() - began < 0.5


def _stop_ends_the_wait(aws: Aws) -> None:
    execution, token = _pending(aws, "abandoned")
    aws.machines.stop_execution(executionArn=execution)
    assert eventually(lambda: _refusal(aws, token))
    assert aws.machines.describe_execution(executionArn=execution)["status"] == "ABORTED"


def _refusal(aws: Aws, token: str) -> str:
    try:
        aws.machines.send_task_heartbeat(taskToken=token)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def expired_tokens(aws: Aws) -> None:
    _table(aws)
    _execution, token = _pending(aws, "expiring")
    aws.machines.send_task_success(taskToken=token, output="{}")
    assert eventually(lambda: _refusal(aws, token)) == "TaskTimedOut"


def _template(aws: Aws) -> tuple[Any, dict[str, Any]]:
    """An EC2 client and a request for one spot instance from a launch template."""
    instances = aws.client("ec2")
    data = {"ImageId": "ami-12345678", "InstanceType": "c7g.large", "UserData": "IyEvYmluL3No"}
    template = instances.create_launch_template(LaunchTemplateName="trainer", LaunchTemplateData=data)
    chosen = {"LaunchTemplateId": template["LaunchTemplate"]["LaunchTemplateId"], "Version": "$Latest"}
    tags = [{"Key": "perennial:run", "Value": "run-1"}]
    return instances, {
        "Type": "instant",
        "LaunchTemplateConfigs": [{"LaunchTemplateSpecification": chosen}],
        "TargetCapacitySpecification": {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "spot"},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}],
    }


def fleet_facts(aws: Aws) -> None:
    instances, request = _template(aws)
    fleet = instances.create_fleet(**request)
    (launched,) = fleet["Instances"][0]["InstanceIds"]
    described = instances.describe_instances(InstanceIds=[launched])["Reservations"][0]["Instances"][0]
    assert described.get("InstanceLifecycle") == "spot"
    assert {tag["Key"]: tag["Value"] for tag in described["Tags"]} == {
        "perennial:run": "run-1",
        "aws:ec2:fleet-id": fleet["FleetId"],
        "aws:ec2launchtemplate:id": request["LaunchTemplateConfigs"][0]["LaunchTemplateSpecification"][
            "LaunchTemplateId"
        ],
        "aws:ec2launchtemplate:version": "1",
    }


def fleet_token(aws: Aws) -> None:
    instances, request = _template(aws)
    fleets = [instances.create_fleet(ClientToken="run-1", **request)["FleetId"] for _ in range(2)]
    assert fleets[0] == fleets[1]
    assert len(instances.describe_instances()["Reservations"]) == 1
    other = {**request, "TagSpecifications": []}
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        instances.create_fleet(ClientToken="run-1", **other)


def no_capacity(aws: Aws) -> None:
    entry = {"kind": "capacity", "market": "spot", "calls": 2, "model": "iris", "error": "SpotGone"}
    aws.engine.faults.write_text(json.dumps({"faults": [entry]}))
    instances, request = _template(aws)
    tags = [{"Key": "perennial:model", "Value": "iris"}]
    wanted = {**request, "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}]}
    other = instances.create_fleet(**request)
    refused = [instances.create_fleet(ClientToken="same", **wanted) for _ in range(2)]
    granted = instances.create_fleet(ClientToken="same", **wanted)
    aws.engine.faults.unlink()
    assert other["Instances"]
    assert [fleet.get("Instances", []) for fleet in refused] == [[], []]
    assert {error["ErrorCode"] for fleet in refused for error in fleet["Errors"]} == {"SpotGone"}
    assert {error["Lifecycle"] for fleet in refused for error in fleet["Errors"]} == {"spot"}
    assert granted["Instances"]
    assert len(instances.describe_instances()["Reservations"]) == 2


def warnings(aws: Aws) -> None:
    read = aws.watch("warnings", {"source": ["aws.ec2"], "detail": {"instance-id": ["i-1"]}})
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ec2/aws4_request"}
    for kind in ("rebalance", "interruption"):
        body = f"Action=WarnInstance&InstanceId=i-1&Kind={kind}"
        with closing(HTTPConnection(urlsplit(aws.engine.url).netloc)) as connection:
            connection.request("POST", "/", body, headers)
            connection.getresponse().read()
    events = eventually(lambda: found if len(found := read()) == 2 else [])
    assert sorted((event["detail-type"], event["detail"].get("instance-action")) for event in events) == [
        ("EC2 Instance Rebalance Recommendation", None),
        ("EC2 Spot Instance Interruption Warning", "terminate"),
    ]


def state_events(aws: Aws) -> None:
    kind = "EC2 Instance State-change Notification"
    read = aws.watch("states", {"source": ["aws.ec2"], "detail-type": [kind]})
    instances, request = _template(aws)
    (launched,) = instances.create_fleet(**request)["Instances"][0]["InstanceIds"]
    instances.terminate_instances(InstanceIds=[launched])
    instances.terminate_instances(InstanceIds=[launched])
    received: list[Any] = []

    def complete() -> bool:
        received.extend(read())
        return len(received) >= 4

    eventually(complete)
    states = ["pending", "running", "shutting-down", "terminated"]
    assert sorted(event["detail"]["state"] for event in received) == sorted(states)
    assert {event["detail"]["instance-id"] for event in received} == {launched}
    assert received[0]["resources"] == [f"arn:aws:ec2:us-east-1:000000000000:instance/{launched}"]


def object_version(aws: Aws) -> None:
    read = aws.watch("objects", {"source": ["aws.s3"], "detail-type": ["Object Created"]})
    objects = aws.client("s3")
    objects.create_bucket(Bucket="data")
    objects.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    notify: Any = {"EventBridgeConfiguration": {}}
    objects.put_bucket_notification_configuration(Bucket="data", NotificationConfiguration=notify)
    version = objects.put_object(Bucket="data", Key="incoming/iris/batch.csv", Body=b"1")["VersionId"]
    (event,) = eventually(read)
    assert event["detail"]["object"].get("version-id") == version


def _schedule(aws: Aws, name: str, due: datetime) -> Callable[[], list[Any]]:
    """A schedule that sends its time to a queue; what reads the queue."""
    queues = aws.client("sqs")
    url = queues.create_queue(QueueName=name)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": ROLE, "Input": '{"time": "<aws.scheduler.scheduled-time>"}'},
    )
    return lambda: [
        json.loads(message["Body"]) for message in queues.receive_message(QueueUrl=url).get("Messages", [])
    ]


def punctual_schedules(aws: Aws) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    late = []
    for number in (2, 5):  # a sweep every ten seconds cannot be in time for both
        due = start + timedelta(seconds=number)
        read = _schedule(aws, f"due-{number}", due)
        eventually(read)
        late.append((datetime.now(UTC) - due).total_seconds())
    assert max(late) < 2


def scheduled_time(aws: Aws) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    (told,) = eventually(_schedule(aws, "timed", due))
    assert told == {"time": f"{due:%Y-%m-%dT%H:%M:%SZ}"}


CHECKS: dict[str, Callable[[Aws], None]] = functions.CHECKS | {
    check.__name__: check
    for check in (
        embedded_metrics,
        alarm_dimensions,
        alarm_events,
        retry_delays,
        aborted,
        callbacks,
        expired_tokens,
        fleet_facts,
        fleet_token,
        no_capacity,
        state_events,
        warnings,
        object_version,
        punctual_schedules,
        scheduled_time,
    )
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """The engine with every correction."""
    with _engine(tmp_path_factory.mktemp("engine")) as engine:
        yield Aws(engine)


def _engine(directory: Path, *without: str) -> Engine:
    return Engine(directory, without=without, settings={"SFN_WAIT_SCALE": str(WAIT_SCALE)})


@pytest.mark.parametrize("name", CHECKS)
def test_right_with_the_correction(whole: Aws, name: str) -> None:
    whole.engine.reset()
    CHECKS[name](whole)


@pytest.mark.parametrize("name", CHECKS)
def test_not_right_without_it(name: str, tmp_path: Path) -> None:
    with _engine(tmp_path, name) as engine, pytest.raises(AssertionError):
        CHECKS[name](Aws(engine))


def test_every_correction_is_checked() -> None:
    command = "from local import corrections; print(*corrections.known())"
    known = subprocess.run(
        [ROOT / ".engine/bin/python", "-c", command], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert sorted(known.stdout.split()) == sorted([*CHECKS, *permissions.CHECKS])


def test_unknown_correction_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no correction is called nonesuch"):
        _engine(tmp_path, "nonesuch").start()
