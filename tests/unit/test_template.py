"""What template.yaml promises: above all what the embedded AWS accepts and silently drops."""

import json
import re
import tomllib
from typing import Any, get_args

import pytest

from perennial import layout
from perennial.aws.delivery import EVENT
from perennial.aws.succession import Change
from perennial.notices import Severity
from tests.unit.readme_tables import readme_metrics
from tests.unit.template_file import (
    DEFINITION_TEXT,
    RESOURCES,
    ROLES,
    ROOT,
    TEMPLATE,
    actions,
    as_list,
    of_type,
    properties,
    references,
    statements,
)

MISSING = {"SpendAlarm": "ignore"}  # told by runs: what it was stays true
TO_DO = ("perennial ", "reasons.json", "log group")
MOST_METRICS = 10  # that an alarm by a mathematical expression takes
OUTPUTS = {"DataBucketName", "ArtifactBucketName", "TableName", "StateMachineArn", "TopicArn"}
ACTION_OF_CALL = {  # where IAM's name is not the call's
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:ListObjectsV2": "s3:ListBucket",
    "sfn:StartExecution": "states:StartExecution",
}
BUCKETS = of_type("AWS::S3::Bucket")
TARGETS = [
    *(
        pytest.param(target, id=name)
        for name in of_type("AWS::Events::Rule")
        for target in properties(name)["Targets"]
    ),
    *(pytest.param(properties(name)["Target"], id=name) for name in of_type("AWS::Scheduler::Schedule")),
]


# data


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_versioned_encrypted_private_and_owned(name: str) -> None:
    own = properties(name)
    (rule,) = own["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert own["VersioningConfiguration"] == {"Status": "Enabled"}
    assert own["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert own["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_refuses_requests_without_tls(name: str) -> None:
    (policy,) = (p for p in of_type("AWS::S3::BucketPolicy") if properties(p)["Bucket"] == {"Ref": name})
    (deny,) = (s for s in statements(policy) if s["Sid"] == "TlsOnly")
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert deny["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_forgets_replaced_versions_and_broken_uploads(name: str) -> None:
    rules = {rule["Id"]: rule for rule in properties(name)["LifecycleConfiguration"]["Rules"]}
    old = rules["replaced-versions"]
    assert old["Status"] == "Enabled"
    assert "Prefix" not in old
    assert old["NoncurrentVersionExpiration"]["NoncurrentDays"] == {"Ref": "ArtifactRetentionDays"}
    assert old["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] >= 1


def test_only_the_documents_of_runs_expire() -> None:
    expiring = {
        (name, rule.get("Prefix"))
        for name in BUCKETS
        for rule in properties(name)["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in rule
    }
    assert expiring == {("ArtifactBucket", "runs/"), ("ArtifactBucket", "checkpoints/")}


def test_the_data_bucket_tells_eventbridge() -> None:
    configuration = properties("DataBucket")["NotificationConfiguration"]
    assert configuration == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_only_the_trainer_writes_models() -> None:
    (deny,) = (s for s in statements("ArtifactBucketPolicy") if s["Sid"] == "OnlyTheTrainerWritesModels")
    assert (deny["Effect"], deny["Principal"]) == ("Deny", "*")
    assert {"s3:PutObject", "s3:DeleteObjectVersion"} <= set(deny["Action"])
    assert deny["Resource"] == [
        {"Fn::Sub": f"${{ArtifactBucket.Arn}}/{folder}/*"} for folder in ("models", "checkpoints")
    ]
    assert deny["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": {"Fn::GetAtt": ["TrainerRole", "Arn"]}}}
    writers = {
        role
        for role in ROLES
        for statement in statements(role)
        if "s3:PutObject" in as_list(statement["Action"])
        and any(resource in deny["Resource"] for resource in as_list(statement["Resource"]))
    }
    assert writers == {"TrainerRole"}


def test_retention_deletes_files_of_versions_and_nothing_else() -> None:
    """Not for good, and neither card, lineage and manifest nor the model file as it was."""
    sid = "OnlyTheTrainerAndRetentionDelete"
    (deny,) = (s for s in statements("ArtifactBucketPolicy") if s["Sid"] == sid)
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:DeleteObject")
    assert deny["Resource"] == [
        {"Fn::Sub": f"${{ArtifactBucket.Arn}}/{folder}/*"} for folder in ("models", "checkpoints")
    ]
    assert deny["Condition"] == {
        "ArnNotEquals": {
            "aws:PrincipalArn": [
                {"Fn::GetAtt": [role, "Arn"]} for role in ("TrainerRole", "ExpireVersionsRole")
            ]
        }
    }
    on_s3 = [s for s in statements("ExpireVersionsRole") if "s3:" in str(s["Action"])]
    (delete,) = on_s3
    assert delete["Action"] == "s3:DeleteObject"
    named = {
        resource["Fn::Sub"].removeprefix("${ArtifactBucket.Arn}/models/*/") for resource in delete["Resource"]
    }
    assert named == {
        layout.MODEL,
        layout.BASELINE,
        layout.HOLDOUT,
        layout.REFERENCE,
        layout.PREDICTIONS,
        layout.IMPORTANCES,
        layout.SEARCH,
    }
    deleters = {
        role
        for role in ROLES
        for statement in statements(role)
        if any("s3:Delete" in action for action in as_list(statement["Action"]))
        and "/models/" in str(statement["Resource"])
    }
    assert deleters == {"ExpireVersionsRole"}


def test_retention_runs_once_a_day_on_its_own() -> None:
    schedule = properties("RetentionSchedule")
    assert schedule["ScheduleExpression"] == "rate(1 day)"
    assert schedule["Target"]["Arn"] == {"Fn::GetAtt": ["ExpireVersionsFunction", "Arn"]}
    assert json.loads(schedule["Target"]["Input"]) == {"model": "*"}


def test_runs_are_looked_at_by_the_clock() -> None:
    clock = properties("Clock")
    assert clock["ScheduleExpression"] == "rate(15 minutes)"
    assert "State" not in clock, "always"
    assert clock["Target"]["Arn"] == {"Fn::GetAtt": ["WatchRunsFunction", "Arn"]}
    assert json.loads(clock["Target"]["Input"]) == {"time": "<aws.scheduler.scheduled-time>"}


def test_schedules_may_call_what_they_call_and_no_more() -> None:
    targets = [properties(name)["Target"]["Arn"] for name in of_type("AWS::Scheduler::Schedule")]
    (allow,) = (s for s in statements("TriggerRole") if s["Action"] == "lambda:InvokeFunction")
    assert sorted(references(allow["Resource"])) == sorted(
        name for name in references(targets) if RESOURCES[name]["Type"] == "AWS::Serverless::Function"
    )


def test_the_table_is_recoverable_encrypted_protected_and_forgets() -> None:
    table = properties("Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["DeletionProtectionEnabled"] is True


def test_the_table_has_the_keys_that_the_library_uses() -> None:
    table = properties("Table")

    def keys(schema: list[dict[str, str]]) -> dict[str, str]:
        return {item["KeyType"]: item["AttributeName"] for item in schema}

    assert keys(table["KeySchema"]) == {"HASH": "pk", "RANGE": "sk"}
    (index,) = table["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["Projection"]) == ("by_model", {"ProjectionType": "ALL"})
    assert keys(index["KeySchema"]) == {"HASH": "model", "RANGE": "started_at"}


@pytest.mark.parametrize("name", [*BUCKETS, "Table"])
def test_data_outlives_the_stack(name: str) -> None:
    assert RESOURCES[name]["DeletionPolicy"] == "Retain"
    assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


# notifications


def test_alarms_can_publish_to_the_encrypted_topic() -> None:
    assert properties("Topic")["KmsMasterKeyId"] == {"Fn::GetAtt": ["TopicKey", "Arn"]}
    assert properties("TopicKey")["EnableKeyRotation"] is True
    for policy, needed in (
        ("TopicKey", {"kms:Decrypt", "kms:GenerateDataKey*"}),
        ("TopicPolicy", {"sns:Publish"}),
    ):
        (allow,) = (s for s in statements(policy) if s["Sid"] == "AlarmsMayPublish")
        assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert set(as_list(allow["Action"])) == needed
        assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


@pytest.mark.parametrize(
    ("name", "protocol", "parameter"),
    [
        ("EmailSubscription", "email", "NotificationEmail"),
        ("PhoneSubscription", "sms", "NotificationPhone"),
    ],
)
def test_a_subscription_exists_only_when_somebody_is_named(name: str, protocol: str, parameter: str) -> None:
    assert properties(name)["Protocol"] == protocol
    assert properties(name)["Endpoint"] == {"Ref": parameter}
    assert TEMPLATE["Parameters"][parameter]["Default"] == ""
    condition = TEMPLATE["Conditions"][RESOURCES[name]["Condition"]]
    assert condition == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}


def test_a_phone_rings_only_for_what_is_urgent() -> None:
    assert properties("PhoneSubscription")["FilterPolicy"] == {"severity": ["urgent"]}
    assert "urgent" in get_args(Severity)


# workflow and triggers


def test_the_workflow_is_logged_whole_and_traced() -> None:
    machine = properties("StateMachine")
    assert machine["Type"] == "STANDARD"
    assert machine["Tracing"] == {"Enabled": True}
    assert (machine["Logging"]["Level"], machine["Logging"]["IncludeExecutionData"]) == ("ALL", True)
    (destination,) = machine["Logging"]["Destinations"]
    assert destination["CloudWatchLogsLogGroup"]["LogGroupArn"] == {"Fn::GetAtt": ["StateMachineLogs", "Arn"]}


def test_the_workflow_is_given_every_name_it_uses_and_no_other() -> None:
    given = properties("StateMachine")["DefinitionSubstitutions"]
    assert set(given) == set(re.findall(r"\$\{(\w+)\}", DEFINITION_TEXT))
    for name, value in given.items():
        if name.endswith("FunctionArn"):
            assert value == {"Fn::GetAtt": [name.removesuffix("Arn"), "Arn"]}


def test_the_workflow_may_do_what_its_states_do_and_no_more() -> None:
    tasks = re.findall(r'"arn:aws:states:::([^"]+)"', DEFINITION_TEXT)
    needed = set()
    for task in tasks:
        service, action = task.removeprefix("aws-sdk:").removesuffix(".waitForTaskToken").split(":")
        needed.add(f"{service}:{action[0].upper()}{action[1:]}")
    needed = {ACTION_OF_CALL.get(call, call) for call in needed}
    plumbing = {action for action in actions("StateMachineRole") if action.split(":")[0] in {"logs", "xray"}}
    assert actions("StateMachineRole") - plumbing == needed


def test_the_workflow_invokes_its_functions_and_no_other() -> None:
    (invoke,) = (s for s in statements("StateMachineRole") if s["Action"] == "lambda:InvokeFunction")
    invoked = set(re.findall(r"\$\{(\w+Function)Arn\}", DEFINITION_TEXT))
    assert set(references(invoke["Resource"])) == invoked


def test_the_workflow_ends_only_instances_of_this_stack() -> None:
    (end,) = (s for s in statements("StateMachineRole") if s["Action"] == "ec2:TerminateInstances")
    assert end["Condition"] == {
        "StringEquals": {"aws:ResourceTag/perennial:stack": {"Ref": "AWS::StackName"}}
    }


@pytest.mark.parametrize("target", TARGETS)
def test_a_trigger_is_retried_and_then_kept(target: dict[str, Any]) -> None:
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}
    assert 1 <= target["RetryPolicy"]["MaximumRetryAttempts"] <= 185
    assert 60 <= target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 86400


def test_the_dead_letter_queue_takes_what_the_triggers_send() -> None:
    queue = properties("DeadLetters")
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    (allow,) = (s for s in statements("DeadLettersPolicy") if s["Effect"] == "Allow")
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert set(references(allow["Condition"])) - {"AWS::NoValue"} == set(of_type("AWS::Events::Rule"))
    role = properties("Schedule")["Target"]["RoleArn"]["Fn::GetAtt"][0]
    assert "sqs:SendMessage" in actions(role)


def test_the_schedule_waits_to_be_switched_on() -> None:
    schedule = properties("Schedule")
    assert schedule["ScheduleExpression"] == {"Ref": "ScheduleExpression"}
    assert schedule["State"] == {"Ref": "ScheduleState"}
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert TEMPLATE["Parameters"]["ScheduleState"]["Default"] == "DISABLED"
    event = json.loads(schedule["Target"]["Input"]["Fn::Sub"].replace("${ScheduledModel}", "iris"))
    assert event == {
        "source": "perennial.schedule",
        "model": "iris",
        "time": "<aws.scheduler.scheduled-time>",
    }


def test_the_rules_listen_to_uploads_alarms_and_lost_instances() -> None:
    def heard(name: str) -> dict[str, Any]:
        pattern: dict[str, Any] = properties(name)["EventPattern"]
        return pattern

    upload = heard("UploadRule")["detail"]
    assert upload == {
        "bucket": {"name": [{"Ref": "DataBucket"}]},
        "object": {"key": [{"prefix": "incoming/"}]},
    }
    alarm = heard("AlarmRule")["detail"]
    assert alarm == {
        "alarmName": [{"prefix": {"Fn::Sub": "${AWS::StackName}/retrain/"}}],
        "state": {"value": ["ALARM"]},
    }
    assert "terminated" in heard("InstanceRule")["detail"]["state"]
    permission = properties("InstanceRulePermission")
    assert permission["SourceArn"] == {"Fn::GetAtt": ["InstanceRule", "Arn"]}


def test_a_run_that_ends_without_its_last_states_is_closed() -> None:
    pattern = properties("StoppedRunRule")["EventPattern"]
    assert pattern["source"] == ["aws.states"]
    assert pattern["detail-type"] == ["Step Functions Execution Status Change"]
    assert pattern["detail"] == {
        "stateMachineArn": [{"Ref": "StateMachine"}],
        "status": ["ABORTED", "TIMED_OUT", "FAILED"],
    }
    (end,) = (s for s in statements("CloseRunRole") if s["Action"] == "ec2:TerminateInstances")
    assert end["Condition"] == {
        "StringEquals": {"aws:ResourceTag/perennial:stack": {"Ref": "AWS::StackName"}}
    }


@pytest.mark.parametrize("rule", ["StoppedRunRule", "ChampionRule", "InstanceRule"])
def test_a_rule_may_invoke_its_function(rule: str) -> None:
    (target,) = properties(rule)["Targets"]
    permission = properties(f"{rule}Permission")
    assert {"Fn::GetAtt": [permission["FunctionName"]["Ref"], "Arn"]} == target["Arn"]
    assert permission["Principal"] == "events.amazonaws.com"
    assert permission["SourceArn"] == {"Fn::GetAtt": [rule, "Arn"]}


# delivery


def test_every_change_of_the_champion_of_this_stack_is_delivered() -> None:
    pattern = properties("ChampionRule")["EventPattern"]
    assert set(pattern["detail-type"]) == set(get_args(Change.__value__))
    assert (pattern["source"], pattern["resources"]) == (["perennial"], [{"Ref": "AWS::StackName"}])


def test_a_pipeline_starts_with_what_was_delivered() -> None:
    """The source action is named Model; key and version are those of the event."""
    assert RESOURCES["PipelineRule"]["Condition"] == RESOURCES["PipelineRole"]["Condition"] == "HasPipeline"
    assert TEMPLATE["Parameters"]["PipelineName"]["Default"] == ""
    rule = properties("PipelineRule")
    assert rule["EventPattern"] == {
        "source": ["perennial"],
        "detail-type": [EVENT],
        "resources": [{"Ref": "AWS::StackName"}],
    }
    (target,) = rule["Targets"]
    arn = target["Arn"]["Fn::Sub"]
    assert arn.endswith(":codepipeline:${AWS::Region}:${AWS::AccountId}:${PipelineName}")
    (start,) = statements(target["RoleArn"]["Fn::GetAtt"][0])
    assert start["Action"] == "codepipeline:StartPipelineExecution"
    assert start["Resource"] == target["Arn"]
    transformer = target["InputTransformer"]
    event = {"detail": {"key": "delivery/iris/champion.zip", "version_id": "v-1"}}
    said = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        said = said.replace(f"<{name}>", event["detail"][path.removeprefix("$.detail.")])
    assert json.loads(said) == {
        "sourceRevisions": [
            {
                "actionName": "Model",
                "revisionType": "S3_OBJECT_KEY",
                "revisionValue": "delivery/iris/champion.zip",
            },
            {"actionName": "Model", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": "v-1"},
        ]
    }


def test_only_delivery_lays_champions_ready() -> None:
    (deny,) = (s for s in statements("ArtifactBucketPolicy") if s["Sid"] == "OnlyDeliveryLaysChampionsReady")
    assert (deny["Effect"], deny["Principal"]) == ("Deny", "*")
    assert deny["Resource"] == {"Fn::Sub": "${ArtifactBucket.Arn}/delivery/*"}
    writer = {"Fn::GetAtt": ["DeliverChampionRole", "Arn"]}
    assert deny["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": writer}}
    writers = {
        role
        for role in ROLES
        for statement in statements(role)
        if "s3:PutObject" in as_list(statement["Action"])
        and deny["Resource"] in as_list(statement["Resource"])
    }
    assert writers == {"DeliverChampionRole"}


# watching


@pytest.mark.parametrize("name", of_type("AWS::CloudWatch::Alarm"))
def test_an_alarm_tells_the_topic_and_says_what_it_means(name: str) -> None:
    own = properties(name)
    assert own["AlarmActions"] == [{"Ref": "Topic"}]
    assert own["AlarmDescription"]
    assert own["TreatMissingData"] == MISSING.get(name, "notBreaching")
    assert any(word in own["AlarmDescription"] for word in TO_DO), "what to do"
    assert own["AlarmName"]["Fn::Sub"].startswith("${AWS::StackName}/operations/")


def test_one_alarm_stands_for_all_of_the_stack() -> None:
    (name,) = of_type("AWS::CloudWatch::CompositeAlarm")
    own = properties(name)
    assert sorted(references(own["AlarmRule"])) == sorted(of_type("AWS::CloudWatch::Alarm"))
    assert own["AlarmRule"]["Fn::Sub"].split(" OR ") == [
        f'ALARM("${{{member}}}")' for member in references(own["AlarmRule"])
    ]
    assert own["OKActions"] == [{"Ref": "Topic"}]
    assert RESOURCES[name]["Condition"] == "OnAws"


def test_what_the_embedded_aws_cannot_take_stands_under_a_condition() -> None:
    queries = [name for name in of_type("AWS::CloudWatch::Alarm") if "Metrics" in properties(name)]
    assert queries
    assert all(RESOURCES[name].get("Condition") == "OnAws" for name in queries)
    assert TEMPLATE["Conditions"]["OnAws"] == {"Fn::Equals": [{"Ref": "Platform"}, "aws"]}
    assert TEMPLATE["Parameters"]["Platform"]["Default"] == "aws"


def test_the_errors_of_every_function_are_counted() -> None:
    alarms = [properties(name)["Metrics"] for name in ("FunctionErrorsAlarm", "LaterFunctionErrorsAlarm")]
    watched = [name for metrics in alarms for name in references(metrics)]
    assert sorted(watched) == sorted(of_type("AWS::Serverless::Function"))
    assert all(len(metrics) - 1 <= MOST_METRICS for metrics in alarms)


def _dashboard() -> list[dict[str, Any]]:
    body = properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    assert set(references({"Fn::Sub": body})) <= set(RESOURCES)
    widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
    return widgets


def test_the_widgets_of_the_dashboard_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in _dashboard():
        columns = range(widget["x"], widget["x"] + widget["width"])
        place = {(x, y) for x in columns for y in range(widget["y"], widget["y"] + widget["height"])}
        assert max(columns) < 24, widget
        assert not taken & place, widget
        taken |= place


def test_the_dashboard_finds_every_metric_of_the_readme_for_every_model() -> None:
    """New models appear by themselves: SEARCH names none."""
    graphs = [widget["properties"] for widget in _dashboard() if widget["type"] == "metric"]
    expressions = [line[0]["expression"] for graph in graphs for line in graph["metrics"]]
    search = (
        r"(?:SUM\()?SEARCH\('\{Perennial,Model\} MetricName=\"(\w+)\"', '(?:Sum|Maximum|Average)', \d+\)\)?"
    )
    found = [re.fullmatch(search, expression) for expression in expressions]
    assert all(found)
    assert {match[1] for match in found if match} == readme_metrics()


def test_the_dashboard_shows_every_alarm_of_the_stack() -> None:
    (shown,) = (widget["properties"]["alarms"] for widget in _dashboard() if widget["type"] == "alarm")
    names = {name.rpartition(":alarm:")[2] for name in shown}
    assert names == {properties(name)["AlarmName"]["Fn::Sub"] for name in of_type("AWS::CloudWatch::Alarm")}


# deployment


def test_the_outputs_are_those_that_the_command_line_reads() -> None:
    assert set(TEMPLATE["Outputs"]) == OUTPUTS


def test_the_local_environment_differs_only_where_it_must() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
    default, local = config["default"], config["local"]
    assert "Platform=local" in local["deploy"]["parameters"]["parameter_overrides"]
    assert not any("Platform" in item for item in default["deploy"]["parameters"]["parameter_overrides"])
    assert default["deploy"]["parameters"]["confirm_changeset"] is True
    assert local["deploy"]["parameters"]["confirm_changeset"] is False
    assert default["build"] == local["build"]
    assert default["build"]["parameters"]["build_in_source"] is True  # layers/Makefile needs the repository
