"""What template.yaml says of functions, their permissions and the training instance."""

import re
import shutil
import subprocess

import pytest

from tests.unit.template_file import (
    DEFINITION,
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
    user_data,
)

FUNCTIONS = {
    "ResolveTrigger",
    "ValidateData",
    "SettleBatch",
    "ComputeDrift",
    "Decide",
    "LaunchTrainer",
    "RecallVersion",
    "EvaluateChallenger",
    "AskApproval",
    "TryCanary",
    "PromoteChallenger",
    "RollBack",
    "WatchInstances",
    "SweepInstances",
    "WatchRuns",
    "WriteReport",
    "CloseRun",
    "DeliverChampion",
    "ExpireVersions",
    "Notify",
}

# Actions that AWS lets nobody narrow to a resource, or that a condition narrows instead.
WITHOUT_RESOURCE = {
    "ec2:DescribeInstances": "EC2 describes have no resource-level permissions",
    "ec2:DescribeSpotPriceHistory": "EC2 describes have no resource-level permissions",
    "ec2:CreateFleet": "launches nothing by itself: ec2:RunInstances decides, see below",
    "cloudwatch:GetMetricData": "metrics have no ARN",
    "cloudwatch:PutCompositeAlarm": "AWS wants it for all alarms or refuses it",
    "cloudwatch:PutMetricData": "metrics have no ARN; the namespace is a condition",
    "xray:PutTraceSegments": "X-Ray writes have no resource",
    "xray:PutTelemetryRecords": "X-Ray writes have no resource",
    "xray:GetSamplingRules": "X-Ray sampling has no resource",
    "xray:GetSamplingTargets": "X-Ray sampling has no resource",
    "logs:CreateLogDelivery": "log deliveries have no ARN",
    "logs:GetLogDelivery": "log deliveries have no ARN",
    "logs:UpdateLogDelivery": "log deliveries have no ARN",
    "logs:DeleteLogDelivery": "log deliveries have no ARN",
    "logs:ListLogDeliveries": "log deliveries have no ARN",
    "logs:PutResourcePolicy": "resource policies belong to the account",
    "logs:DescribeResourcePolicies": "resource policies belong to the account",
    "logs:DescribeLogGroups": "a listing of the account",
}


# functions


def test_every_function_folder_is_deployed() -> None:
    assert {name.removesuffix("Function") for name in of_type("AWS::Serverless::Function")} == FUNCTIONS
    folders = {f"functions/{folder.parent.name}/" for folder in ROOT.glob("functions/*/app.py")}
    assert {properties(f"{name}Function")["CodeUri"] for name in FUNCTIONS} == folders


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_is_traced_logged_and_has_a_role_of_its_own(name: str) -> None:
    own = properties(f"{name}Function")
    assert (own["Runtime"], own["Architectures"], own["Handler"]) == (
        "python3.13",
        ["x86_64"],
        "app.handler",
    )
    assert own["Tracing"] == "Active"
    assert own["LoggingConfig"]["LogGroup"] == {"Ref": "FunctionLogs"}
    assert own["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
    role = properties(f"{name}Role")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert role["ManagedPolicyArns"] == [{"Ref": "FunctionPolicy"}]
    users = [other for other in RESOURCES if f"{name}Role" in references(RESOURCES[other])]
    assert set(users) - {"ArtifactBucketPolicy"} == {f"{name}Function"}


@pytest.mark.parametrize("name", of_type("AWS::Logs::LogGroup"))
def test_a_log_group_forgets(name: str) -> None:
    assert properties(name)["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert properties(name)["LogGroupName"]["Fn::Sub"].count("${AWS::StackName}") == 1


def test_functions_write_only_to_the_log_group_of_functions() -> None:
    (logs,) = (s for s in statements("FunctionPolicy") if "logs:PutLogEvents" in s["Action"])
    assert logs["Resource"] == {"Fn::GetAtt": ["FunctionLogs", "Arn"]}
    assert not any(action.startswith("logs:") for name in FUNCTIONS for action in actions(f"{name}Role"))


def test_a_function_ends_no_later_than_its_state() -> None:
    states = DEFINITION["States"]
    for state in states.values():
        if not state.get("Resource", "").endswith(":lambda:invoke"):
            continue
        function = state["Arguments"]["FunctionName"].strip("${}").removesuffix("Arn")
        assert properties(function)["Timeout"] <= state["TimeoutSeconds"], function


def test_heavy_layers_lie_only_where_they_are_needed() -> None:
    def users(layer: str) -> set[str]:
        return {name for name in FUNCTIONS if {"Ref": layer} in properties(f"{name}Function")["Layers"]}

    assert users("CodeLayer") == users("CoreLayer") == FUNCTIONS
    assert users("ArrowLayer") == {"ValidateData"}
    assert users("LearnLayer") == {"ComputeDrift", "RecallVersion", "EvaluateChallenger"}
    assert users("PageLayer") == {"WriteReport"}


def test_functions_are_told_what_they_read_from_their_environment() -> None:
    wiring = (ROOT / "perennial" / "aws" / "wiring.py").read_text("utf-8")
    asked = set(re.findall(r'env(?:\.get\(|\[)"(\w+)"', wiring))
    everybody = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    launcher = set(properties("LaunchTrainerFunction")["Environment"]["Variables"])
    required = set(re.findall(r'env\["(\w+)"\]', wiring))
    assert required
    assert required <= everybody
    assert asked <= launcher
    assert "AWS_ENDPOINT_URL" in everybody  # otherwise `sam local invoke` would not pass it


# permissions


@pytest.mark.parametrize("name", ROLES)
def test_a_role_names_its_actions_and_resources(name: str) -> None:
    for statement in statements(name):
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement
        assert "NotResource" not in statement
        for action in as_list(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action), action
            if "*" in as_list(statement["Resource"]):
                assert action in WITHOUT_RESOURCE, f"{name}: {action} on every resource"


@pytest.mark.parametrize("name", of_type("AWS::IAM::Role"))
def test_a_role_is_assumed_by_services_only(name: str) -> None:
    for trust in properties(name)["AssumeRolePolicyDocument"]["Statement"]:
        assert set(trust["Principal"]) == {"Service"}


def test_the_launcher_launches_only_the_trainer() -> None:
    by_action = {as_list(s["Action"])[0]: s for s in statements("LaunchTrainerRole")}
    template = by_action["ec2:RunInstances"]["Condition"]["ArnEquals"]["ec2:LaunchTemplate"]["Fn::Sub"]
    assert template.endswith(":launch-template/${TrainerTemplate}")
    assert by_action["ec2:CreateTags"]["Condition"] == {
        "StringEquals": {"ec2:CreateAction": ["CreateFleet", "RunInstances"]}
    }
    assert by_action["iam:PassRole"]["Resource"] == {"Fn::GetAtt": ["TrainerRole", "Arn"]}
    assert by_action["iam:PassRole"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}
    }


# trainer


def test_the_instance_answers_metadata_only_to_itself() -> None:
    data = properties("TrainerTemplate")["LaunchTemplateData"]
    assert data["MetadataOptions"] == {
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
        "InstanceMetadataTags": "enabled",
    }


def test_the_instance_ends_for_good_on_an_encrypted_disk() -> None:
    data = properties("TrainerTemplate")["LaunchTemplateData"]
    assert data["InstanceInitiatedShutdownBehavior"] == "terminate"
    for device in data["BlockDeviceMappings"]:
        assert device["Ebs"]["Encrypted"] is True
        assert device["Ebs"]["DeleteOnTermination"] is True
        assert device["Ebs"]["VolumeType"] == "gp3"


def test_nobody_can_enter_the_instance() -> None:
    data = properties("TrainerTemplate")["LaunchTemplateData"]
    assert "KeyName" not in data
    assert data["SecurityGroupIds"] == [{"Fn::GetAtt": ["TrainerSecurityGroup", "GroupId"]}]
    group = properties("TrainerSecurityGroup")
    assert "SecurityGroupIngress" not in group
    assert not of_type("AWS::EC2::SecurityGroupIngress")
    assert [(rule["FromPort"], rule["ToPort"]) for rule in group["SecurityGroupEgress"]] == [(443, 443)]


def test_the_dead_mans_switch_comes_first_and_outlasts_the_longest_training() -> None:
    lines = [line for line in user_data().splitlines() if line and not line.startswith("#")]
    switch = re.fullmatch(r"shutdown -h \+(\d+)", lines[0])
    assert switch
    assert lines[1] == """trap 'trap "" TERM; exec > /dev/null 2>&1; (report); shutdown -h now' EXIT"""
    longest = DEFINITION["States"]["Train On EC2"]["TimeoutSeconds"]
    assert int(switch[1]) * 60 >= longest


def test_the_user_data_fits_and_is_a_script() -> None:
    script = user_data()
    assert script.startswith("#!/bin/bash\n")
    assert len(script.encode()) < 16 * 1024
    bash = shutil.which("bash")
    assert bash
    checked = subprocess.run([bash, "-n"], input=script, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_user_data_boots_from_the_layers_and_tells_the_stack() -> None:
    script = user_data()
    layers = set(of_type("AWS::Serverless::LayerVersion")) - {"PageLayer"}  # a training writes no page
    for layer in layers:
        assert f"layer:{layer}:1" in script
    for variable in ("STACK_NAME", "DATA_BUCKET", "ARTIFACT_BUCKET", "TABLE_NAME", "AWS_DEFAULT_REGION"):
        assert re.search(rf"export .*\b{variable}\b", script), variable
    (read,) = (s for s in statements("TrainerRole") if s["Action"] == "lambda:GetLayerVersion")
    assert set(references(read["Resource"])) == layers


def test_the_page_about_private_subnets_lists_every_service_that_the_instance_calls() -> None:
    page = (ROOT / "docs" / "network.md").read_text("utf-8")
    endpoints = set(re.findall(r"^\| `com\.amazonaws\.<region>\.(\w+)` \|", page, re.MULTILINE))
    allowed = {action.partition(":")[0] for action in actions("TrainerRole")}
    commands = set(re.findall(r"\baws (\w+) [a-z-]+", user_data()))
    assert commands <= allowed == endpoints
    assert {"VpcId", "SubnetIds", "TrainerImage"} <= TEMPLATE["Parameters"].keys()
    assert all(f"{name}=" in page for name in ("VpcId", "SubnetIds"))


def test_the_instance_is_launched_into_the_vpc_and_the_subnets_of_the_parameters() -> None:
    assert properties("TrainerSecurityGroup")["VpcId"]["Fn::If"][:2] == ["HasVpc", {"Ref": "VpcId"}]
    variables = properties("LaunchTrainerFunction")["Environment"]["Variables"]
    assert variables["SUBNET_IDS"] == {"Fn::Join": [",", {"Ref": "SubnetIds"}]}
