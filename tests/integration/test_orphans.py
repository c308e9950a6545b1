"""What missed events and lost notes left behind, on moto: ended, settled and told, once."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest

from perennial.aws.orphans import Orphans, Swept
from perennial.aws.wiring import Services
from perennial.aws.workflow import Callback
from perennial.config import load_model
from perennial.cost import OVERHEAD_SECONDS, Attempt
from tests.integration.function_support import invoke
from tests.integration.moto_support import Executions, record
from tests.integration.trainer_support import TOKEN, Task

RUN = "run-1"
CONFIG = load_model("iris")
GRACE = timedelta(minutes=10)
LONG = timedelta(seconds=CONFIG.training.max_duration.total_seconds() + OVERHEAD_SECONDS)


@pytest.fixture(autouse=True)
def _under_way(executions: Executions) -> None:
    executions.start(RUN)


@pytest.fixture
def task() -> Task:
    """What the run waits by."""
    return Task()


def launch(services: Services, number: int = 0) -> Attempt:
    now = datetime.now(UTC)
    services.attempts.begin(RUN, number)
    reserved = services.launcher.reserve(CONFIG, RUN, number, now)
    return services.launcher.launch(reserved, "on-demand", TOKEN, now)


def sweep(services: Services, task: Task, after: timedelta = GRACE + timedelta(minutes=1)) -> Swept:
    s = services
    orphans = Orphans(
        s.fleet, s.launcher, s.attempts, s.ledger, s.registry, s.workflow, lambda token: Callback(task, token)
    )
    return orphans.sweep(["iris"], datetime.now(UTC) + after, GRACE)


def alive(services: Services) -> list[str]:
    return [item.instance_id for item in services.fleet.of_stack() if not item.gone]


def terminate(attempt: Attempt) -> None:
    """With an event that nobody hears."""
    boto3.client("ec2").terminate_instances(InstanceIds=[str(attempt.instance_id)])


def test_a_training_under_way_is_left_alone(services: Services, task: Task) -> None:
    attempt = launch(services)
    assert sweep(services, task) == Swept((), (), ())
    assert (alive(services), task.waiting) == ([attempt.instance_id], True)
    assert services.attempts.open("iris") == [attempt]


def test_a_loss_that_no_event_told_of_is_told_and_settled_once(services: Services, task: Task) -> None:
    attempt = launch(services)
    terminate(attempt)
    assert sweep(services, task, timedelta(minutes=1)) == Swept((), (), ())  # the event may yet come
    found = sweep(services, task)
    assert (found.ended, found.told) == ((), (RUN,))
    assert [item.attempt for item in found.settled] == [0]
    assert task.error == "TrainerLost"
    assert services.attempts.open("iris") == []
    assert sweep(services, task) == Swept((), (), ())


def test_the_answer_that_a_run_had_stands(services: Services, task: Task) -> None:
    terminate(launch(services))
    Callback(task, TOKEN).succeed("{}")
    found = sweep(services, task)
    assert (found.told, len(found.settled), task.output) == ((), 1, "{}")


@pytest.mark.parametrize("how", ["recorded", "stopped"])
def test_an_instance_whose_run_is_over_is_ended(
    services: Services, task: Task, executions: Executions, how: str
) -> None:
    attempt = launch(services)
    if how == "stopped":
        executions.end(RUN)
    else:
        services.ledger.note(RUN, outcome="failed")
    (orphan,) = sweep(services, task).ended
    assert (orphan.instance_id, orphan.model) == (attempt.instance_id, "iris")
    assert orphan.reason == f"run {RUN} is over"
    assert alive(services) == []
    assert services.attempts.open("iris") == []
    assert sweep(services, task) == Swept((), (), ())


def test_an_instance_that_was_lost_between_fleet_and_note_is_ended(services: Services, task: Task) -> None:
    """The function died; the workflow went on with another attempt, and that did not see it yet."""
    services.attempts.begin(RUN, 0)
    services.launcher.reserve(CONFIG, RUN, 0, datetime.now(UTC))
    stray = services.fleet.launch(("c6i.large",), ("on-demand",), run=RUN, model="iris", attempt=0)
    second = launch(services, 1)
    found = sweep(services, task)
    assert [item.instance_id for item in found.ended] == [stray.instance_id]
    assert found.ended[0].reason == f"run {RUN} goes on without attempt 0"
    assert [(item.attempt, item.instance_id) for item in found.settled] == [(0, stray.instance_id)]
    assert alive(services) == [second.instance_id]
    assert task.waiting


def test_an_instance_that_outlives_its_time_is_ended_and_its_run_told(services: Services, task: Task) -> None:
    launch(services)
    assert sweep(services, task, LONG - timedelta(minutes=1)) == Swept((), (), ())
    found = sweep(services, task, LONG + timedelta(minutes=1))
    assert "longer than attempt 0 may" in found.ended[0].reason
    assert (found.told, alive(services), task.error) == ((RUN,), [], "TrainerLost")


def test_an_instance_that_hangs_after_its_answer_is_ended_while_its_run_goes_on(
    services: Services, task: Task
) -> None:
    """The run may wait for a person for days."""
    launch(services)
    Callback(task, TOKEN).succeed("{}")
    made = datetime.now(UTC) + timedelta(minutes=8)
    services.registry.register(record(1, run=RUN, created_at=made))
    assert sweep(services, task) == Swept((), (), ())  # it may still be shipping its log
    found = sweep(services, task, timedelta(minutes=14))
    assert found.ended[0].reason == f"run {RUN} has its version and waits for the instance no longer"
    assert (found.told, len(found.settled), alive(services)) == ((), 1, [])


def test_the_version_of_an_earlier_attempt_ends_no_later_one(services: Services, task: Task) -> None:
    """It could not answer, and trains anew."""
    services.registry.register(record(1, run=RUN, created_at=datetime.now(UTC) - timedelta(hours=1)))
    attempt = launch(services, 1)
    assert sweep(services, task) == Swept((), (), ())
    assert alive(services) == [attempt.instance_id]


def test_what_was_reserved_for_a_run_that_is_over_is_given_back(
    services: Services, task: Task, executions: Executions
) -> None:
    services.attempts.begin(RUN, 0)
    now = datetime.now(UTC)
    services.launcher.reserve(CONFIG, RUN, 0, now)
    assert sweep(services, task) == Swept((), (), ())  # the run may still launch it
    executions.end(RUN)
    assert len(sweep(services, task).settled) == 1
    assert services.attempts.month("iris", f"{now:%Y-%m}").minutes == 0


def test_instances_of_others_are_not_touched(services: Services, task: Task) -> None:
    image = boto3.client("ec2").describe_images(Owners=["self"])["Images"][0]["ImageId"]
    other = boto3.client("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]
    assert sweep(services, task, timedelta(days=2)).ended == ()
    state = boto3.client("ec2").describe_instances(InstanceIds=[other["InstanceId"]])["Reservations"][0]
    assert state["Instances"][0]["State"]["Name"] == "running"


def test_people_are_told_of_what_had_to_be_ended(
    services: Services, executions: Executions, capfd: pytest.CaptureFixture[str]
) -> None:
    attempt = launch(services)
    executions.end(RUN)
    queue = boto3.client("sqs").create_queue(QueueName="inbox")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    boto3.client("sns").subscribe(
        TopicArn=services.settings.topic_arn, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"]
    )
    assert invoke("sweep_instances")["ended"] == {}  # too young
    answer = invoke("sweep_instances", grace_minutes=0)
    assert answer["ended"] == {attempt.instance_id: f"run {RUN} is over"}
    assert answer["settled"] == [f"{RUN} attempt 0"]
    (message,) = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert f"{attempt.instance_id} of iris: run {RUN} is over" in message["Body"]
    assert '"InstancesOrphaned":[1.0]' in capfd.readouterr().out.replace(" ", "")
