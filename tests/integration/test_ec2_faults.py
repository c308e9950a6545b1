"""What the fault file has in store happens to the instances that it names, and to no others."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from local.engine import Engine
from local.session import Session
from tests.integration.engine_support import Aws, eventually
from tests.integration.host_support import HEAD, ended, launch, prepare, state

pytestmark = pytest.mark.integration

# A stand-in for the trainer: found by its command line, as the real one is.
TRAINER = """
mkdir -p code/ec2_trainer
cat > code/ec2_trainer/__main__.py
exec > >(cat)  # the console is a file, and could be full too
PYTHONPATH=code python3.13 -u -m ec2_trainer || echo "left with $?"
shutdown -h now
"""


def trainer(program: str) -> str:
    """User data that runs this program as the trainer."""
    return HEAD + TRAINER.replace("__main__.py", f"__main__.py <<'END'\n{program}\nEND")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(Engine(tmp_path_factory.mktemp("session"))) as running:
        prepare(Aws(running.engine))
        yield running


@pytest.fixture
def aws(session: Session) -> Aws:
    return Aws(session.engine)


def plan(session: Session, *faults: dict[str, Any], time_scale: float = 1.0) -> None:
    """Write the fault file."""
    text = json.dumps({"time_scale": time_scale, "faults": faults})
    written = session.engine.faults.with_suffix(".new")
    written.write_text(text)
    written.rename(session.engine.faults)


def test_interruption_is_told_and_comes(session: Session, aws: Aws) -> None:
    read = aws.watch("taken", {"source": ["aws.ec2"]})
    notice = {"kind": "interruption", "run": "taken", "at": "ready"}
    plan(session, notice, {"kind": "rebalance", "run": "taken", "at": "ready"}, time_scale=1 / 60)
    script = """
echo ready
until said=$(metadata meta-data/spot/instance-action); do sleep 0.05; done
echo "$said" # in one piece: the host writes to the same console
echo "$(metadata meta-data/events/recommendations/rebalance)"
sleep 600
"""
    instance = launch(aws, HEAD + script, "taken")
    lines = ended(session, aws, instance).splitlines()
    action = json.loads(next(line for line in lines if '"action"' in line))
    advice = json.loads(next(line for line in lines if "noticeTime" in line))
    assert action["action"] == "terminate"
    notified, taken = (datetime.fromisoformat(text) for text in (advice["noticeTime"], action["time"]))
    assert 1 <= (taken - notified).total_seconds() <= 3, "two minutes at a sixtieth"
    seen: list[str] = []

    def told() -> bool:
        seen.extend(event["detail-type"] for event in read())
        return seen.count("EC2 Instance State-change Notification") == 4

    assert eventually(told)
    assert {"EC2 Spot Instance Interruption Warning", "EC2 Instance Rebalance Recommendation"} <= set(seen)


def test_killed_trainer_lets_the_user_data_go_on(session: Session, aws: Aws) -> None:
    plan(session, {"kind": "kill", "run": "murdered", "at": "training"})
    instance = launch(aws, trainer("import time; print('training'); time.sleep(600)"), "murdered")
    assert "left with 137" in ended(session, aws, instance)


def test_panic_ends_everything_at_once(session: Session, aws: Aws) -> None:
    plan(session, {"kind": "panic", "run": "panics", "at": "ready"})
    script = "trap 'echo never' EXIT; echo ready; sleep 600"
    console = ended(session, aws, launch(aws, HEAD + script, "panics"))
    assert "fault: panic" in console
    assert "never" not in console


def test_hanging_instance_stays_running_until_somebody_ends_it(session: Session, aws: Aws) -> None:
    plan(session, {"kind": "hang", "run": "hangs", "at": "ready"})
    instance = launch(aws, HEAD + "echo ready; sleep 1; echo 'moved on'; sleep 600", "hangs")
    console = session.console(instance)
    assert eventually(lambda: console.exists() and "fault: hang" in console.read_text())
    assert state(aws, instance) == "running"
    aws.client("ec2").terminate_instances(InstanceIds=[instance])
    assert "moved on" not in ended(session, aws, instance)


def test_disk_is_full_for_a_while(session: Session, aws: Aws) -> None:
    program = """
import pathlib, time
full = 0
while full < 2:
    time.sleep(0.02)
    try:
        pathlib.Path("scratch").write_bytes(b"x" * 100)
        full += full == 1
    except OSError as error:
        full = full or print("refused:", error) or 1
print("written again")
"""
    plan(session, {"kind": "disk", "run": "full", "for": 0.5})
    console = ended(session, aws, launch(aws, trainer(program), "full"))
    assert "refused: [Errno 27] File too large" in console
    assert "written again" in console


@pytest.mark.parametrize(
    ("kind", "failing"),
    [("network", {"s3", "callback", "sts"}), ("s3", {"s3"}), ("callback", {"callback"})],
)
def test_calls_of_aws_fail(session: Session, aws: Aws, kind: str, failing: set[str]) -> None:
    script = """
export AWS_DEFAULT_REGION=us-east-1 AWS_MAX_ATTEMPTS=1
echo x > x
answered() { "${@:2}" 2>&1 | tee answer > /dev/null; grep -qE "$known" answer && echo "$1 answered"; }
known=^upload: answered s3 aws s3 cp --no-progress x s3://artifacts/x
known="InvalidToken|TaskDoesNotExist"
answered callback aws stepfunctions send-task-heartbeat --task-token none
known=assumed-role answered sts aws sts get-caller-identity
shutdown now
"""
    plan(session, {"kind": kind, "run": f"no-{kind}"})
    console = ended(session, aws, launch(aws, HEAD + "set +e\nsleep 0.5" + script, f"no-{kind}"))
    answered = {line.split()[0] for line in console.splitlines() if line.endswith(" answered")}
    assert answered == {"s3", "callback", "sts"} - failing


def test_late_boot(session: Session, aws: Aws) -> None:
    plan(session, {"kind": "boot", "run": "late", "after": 1.5})
    began = time.monotonic()
    console = ended(session, aws, launch(aws, HEAD + "echo up; shutdown now", "late"))
    assert "up" in console
    assert time.monotonic() - began > 1.5
