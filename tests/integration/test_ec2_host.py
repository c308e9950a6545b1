"""The stand-in EC2 host runs the user data that an instance was launched with, as the instance would."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.engine import Engine
from local.session import Session
from tests.integration.engine_support import Aws, eventually
from tests.integration.host_support import HEAD, alive, ended, launch, prepare, state

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(Engine(tmp_path_factory.mktemp("session"))) as running:
        prepare(Aws(running.engine))
        yield running


@pytest.fixture
def aws(session: Session) -> Aws:
    return Aws(session.engine)


def test_user_data_runs_as_on_an_instance(session: Session, aws: Aws) -> None:
    read = aws.watch("lifecycle", {"source": ["aws.ec2"], "detail": {"state": ["terminated"]}})
    script = """
shutdown -h +240
trap 'shutdown -h now' EXIT
echo "id: $(metadata meta-data/instance-id)"
echo "life: $(metadata meta-data/instance-life-cycle)"
echo "run: $(metadata meta-data/tags/instance/perennial:run)"
metadata meta-data/spot/instance-action || echo no notice
export AWS_DEFAULT_REGION=$(metadata meta-data/placement/region)
dnf install -y -q python3.13
dnf install -y gcc || echo no compiler
python3.13 -c 'import sys; print("version", *sys.version_info[:2])'
python3.13 -c 'import numpy' 2> /dev/null || echo empty site-packages
python3.13 -m pip install numpy 2> /dev/null || echo no pip
aws sts get-caller-identity --query Arn --output text
echo model > model.txt
PYTHONPATH=/nowhere aws s3 cp --quiet model.txt s3://artifacts/model.txt
env
"""
    instance = launch(aws, HEAD + script, "whole")
    console = ended(session, aws, instance)
    lines = console.splitlines()
    assert f"id: {instance}" in lines
    assert {"life: spot", "run: whole", "no notice", "no compiler", "no pip"} <= set(lines)
    assert {"version 3 13", "empty site-packages"} <= set(lines)
    assert f"arn:aws:sts::000000000000:assumed-role/trainer/{instance}" in lines
    assert "AWS_ACCESS_KEY_ID" not in console
    assert aws.client("s3").get_object(Bucket="artifacts", Key="model.txt")["Body"].read() == b"model\n"
    events = eventually(read)
    assert [event["detail"]["instance-id"] for event in events] == [instance]


def test_metadata_needs_a_token(session: Session, aws: Aws) -> None:
    script = """
code() { curl -s -o /dev/null -w "%{http_code}\\n" "$@"; }
code $latest/meta-data/instance-id
code -H 'X-aws-ec2-metadata-token: guessed' $latest/meta-data/instance-id
code -X PUT $latest/api/token
code -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 21601' $latest/api/token
code -H "X-aws-ec2-metadata-token: $token" $latest/meta-data/tags/instance
shutdown now
"""
    hidden = {"HttpTokens": "required"}
    instance = launch(aws, HEAD + script, "tokens", MetadataOptions=hidden)
    assert ended(session, aws, instance).splitlines()[:5] == ["401", "401", "400", "400", "404"]


def test_termination_ends_every_process(session: Session, aws: Aws) -> None:
    script = "sleep 600 & echo $! > pid.tmp; mv pid.tmp pid; wait"
    instance = launch(aws, HEAD + script, "terminated")
    pid = session.console(instance).with_name("pid")
    assert eventually(pid.exists)
    process = int(pid.read_text())
    assert alive(process)
    aws.client("ec2").terminate_instances(InstanceIds=[instance])
    ended(session, aws, instance)
    assert not alive(process)


def test_timed_shutdown_ends_what_hangs_and_can_be_cancelled(session: Session, aws: Aws) -> None:
    script = "shutdown -h +60; shutdown -c; echo armed; shutdown -h +0; sleep 600"
    instance = launch(aws, HEAD + script, "hangs")
    console = ended(session, aws, instance)
    assert "armed" in console
    assert "[host] ends: shutdown" in console


def test_script_that_forgets_to_shut_down_is_told_so(session: Session, aws: Aws) -> None:
    instance = launch(aws, HEAD + "(sleep 0.5; echo still here) & exit 1", "forgets")
    console = ended(session, aws, instance)
    assert "still here" in console, "what the script left running goes on"
    assert "the user data ended without shutdown" in console


def test_processes_die_with_the_host_and_the_next_one_ends_their_instances(tmp_path: Path) -> None:
    with Session(Engine(tmp_path)) as session:
        aws = Aws(session.engine)
        instance = launch(aws, "#!/bin/bash\necho $$ > pid.tmp; mv pid.tmp pid; sleep 600", "lost")
        pid = session.console(instance).with_name("pid")
        assert eventually(pid.exists)
        process = int(pid.read_text())
        assert session.host.pid is not None
        os.kill(session.host.pid, signal.SIGKILL)
        assert eventually(lambda: not alive(process))
        assert state(aws, instance) == "running"
        session.start_host()
        assert state(aws, instance) == "terminated"
