"""Instances of the stand-in EC2 host, launched with a script of the test's and followed to their end."""

import base64
import json
from pathlib import Path
from typing import Any

from local.session import Session
from tests.integration.engine_support import Aws, eventually

TRUST = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
HEAD = """#!/bin/bash
set -eu
latest=$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$latest/api/token")
metadata() { curl -sf -H "X-aws-ec2-metadata-token: $token" "$latest/$1"; }
"""


def prepare(aws: Aws) -> None:
    """What the scripts need: a role for the instances and a bucket."""
    roles = aws.client("iam")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    roles.create_role(RoleName="trainer", AssumeRolePolicyDocument=policy)
    roles.create_instance_profile(InstanceProfileName="trainer")
    roles.add_role_to_instance_profile(InstanceProfileName="trainer", RoleName="trainer")
    aws.client("s3").create_bucket(Bucket="artifacts")


def launch(aws: Aws, script: str, name: str, **data: Any) -> str:
    """Launch a spot instance with this user data; its id."""
    instances = aws.client("ec2")
    template = {
        "ImageId": "ami-12345678",
        "InstanceType": "c7g.large",
        "UserData": base64.b64encode(script.encode()).decode(),
        "IamInstanceProfile": {"Name": "trainer"},
        "MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        **data,
    }
    instances.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=template)
    chosen = {"LaunchTemplateName": name, "Version": "$Latest"}
    tags = [{"Key": "perennial:run", "Value": name}]
    fleet = instances.create_fleet(
        Type="instant",
        LaunchTemplateConfigs=[{"LaunchTemplateSpecification": chosen}],
        TargetCapacitySpecification={"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "spot"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    return str(fleet["Instances"][0]["InstanceIds"][0])


def state(aws: Aws, instance: str) -> str:
    answer = aws.client("ec2").describe_instances(InstanceIds=[instance])
    return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])


def ended(session: Session, aws: Aws, instance: str) -> str:
    """The console log of an instance once it is terminated and its processes and files are gone."""
    console = session.console(instance)
    assert eventually(lambda: state(aws, instance) == "terminated", within=60)
    assert eventually(lambda: [path.name for path in console.parent.iterdir()] == [console.name], within=20)
    return console.read_text()


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
