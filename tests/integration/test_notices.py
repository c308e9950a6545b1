"""Notices on moto's SNS: who gets which words, and how many of one kind."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
import yaml

from perennial.aws.notices import Notices
from perennial.aws.wiring import Services
from perennial.config import models_dir
from perennial.contracts.trigger import Trigger
from perennial.contracts.words import Outcome
from perennial.notices import Notice, of_outcome
from tests.integration.function_support import invoke
from tests.unit.test_notices import ended

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Queue:
    """A subscriber of the topic."""

    def __init__(self, topic: str, name: str, **attributes: str) -> None:
        self._url = boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        arn = boto3.client("sqs").get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        boto3.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"], Attributes=attributes
        )

    def read(self) -> list[dict[str, Any]]:
        found = boto3.client("sqs").receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]


@pytest.fixture
def mailbox(services: Services) -> Queue:
    return Queue(services.settings.topic_arn, "mailbox")


def told(outcome: Outcome, model: str = "iris", **changes: Any) -> Notice:
    return of_outcome(ended(outcome, model=model, **changes))


def test_of_two_equal_notices_the_second_is_held_back_and_counted_in_the_third(
    services: Services, mailbox: Queue
) -> None:
    notice = told("quarantined")
    first = services.notices.send(notice, "run-1", HOUR, NOON)
    second = services.notices.send(notice, "run-2", HOUR, NOON + timedelta(minutes=59))
    assert (first.told, second.told, second.held_back) == (True, False, 1)
    (mail,) = mailbox.read()
    assert (mail["Subject"], mail["Message"]) == (notice.subject, notice.message)

    third = services.notices.send(notice, "run-3", HOUR, NOON + HOUR)
    assert (third.told, third.held_back) == (True, 1)
    (mail,) = mailbox.read()
    assert "1 more notice was held back since 2026-11-21 12:00 UTC" in mail["Message"]
    later = services.notices.send(notice, "run-4", HOUR, NOON + 2 * HOUR)
    assert later.held_back == 0, "what was told once is not told again"


@pytest.mark.parametrize(
    "other",
    [
        told("quarantined", model="housing"),
        told("rejected"),
        told("failed", error="TrainingFailed"),
        told("failed", error="ServiceRefused"),
    ],
)
def test_another_model_kind_or_error_is_told_at_once(
    services: Services, mailbox: Queue, other: Notice
) -> None:
    for notice in (told("quarantined"), told("failed", error="TrainerLost")):
        services.notices.send(notice, "run-1", HOUR, NOON)
    assert services.notices.send(other, "run-2", HOUR, NOON).told


def test_a_model_file_can_want_every_notice(services: Services, mailbox: Queue) -> None:
    sent = [services.notices.send(told("promoted"), f"run-{n}", timedelta(), NOON) for n in range(3)]
    assert all(one.told for one in sent)


def test_a_repetition_for_the_same_run_tells_again_with_the_same_count(
    services: Services, mailbox: Queue
) -> None:
    """The function may have been cut off between its turn and the message."""
    notice = told("failed")
    for minute, run in enumerate(("run-1", "run-2", "run-3")):
        services.notices.send(notice, run, HOUR, NOON + timedelta(minutes=minute))
    again = [services.notices.send(notice, "run-4", HOUR, NOON + 2 * HOUR) for _ in range(2)]
    assert [(one.told, one.held_back) for one in again] == [(True, 2), (True, 2)]


def test_a_notice_that_could_not_be_sent_leaves_its_turn_to_the_next(services: Services) -> None:
    class Down:
        """SNS on a bad day."""

        def publish(self, **_message: Any) -> None:
            raise ConnectionError

    down = Notices(services.table, Down(), services.settings.topic_arn)
    notice = told("failed")
    services.notices.send(notice, "run-1", HOUR, NOON)
    services.notices.send(notice, "run-2", HOUR, NOON)
    with pytest.raises(ConnectionError):
        down.send(notice, "run-3", HOUR, NOON + 2 * HOUR)
    after = services.notices.send(notice, "run-4", HOUR, NOON + 2 * HOUR + timedelta(seconds=1))
    assert (after.told, after.held_back) == (True, 1)


def test_a_subscriber_of_what_is_urgent_hears_nothing_else(services: Services, mailbox: Queue) -> None:
    phone = Queue(services.settings.topic_arn, "phone", FilterPolicy=json.dumps({"severity": ["urgent"]}))
    for outcome in ("promoted", "quarantined", "failed", "rolled_back"):
        services.notices.send(told(outcome), "run-1", HOUR, NOON)
    assert [mail["Subject"] for mail in phone.read()] == [
        told("failed").subject,
        told("rolled_back").subject,
    ]
    assert len(mailbox.read()) == 4


def run_of_iris(services: Services, run: str = "sample-run") -> None:
    services.ledger.open(run, "iris", Trigger(kind="upload", reason="came", at=NOON), 1)
    services.ledger.note(run, challenger=2)


def test_the_function_tells_and_says_so_in_the_ledger(services: Services, mailbox: Queue) -> None:
    run_of_iris(services)
    run_of_iris(services, "another-run")
    assert invoke("notify") == {"told": True, "held_back": 0}
    assert invoke("notify", run="another-run") == {"told": False, "held_back": 1}
    (mail,) = mailbox.read()
    assert mail["Subject"] == "Perennial: iris: version 2 was promoted"
    assert {name: one["Value"] for name, one in mail["MessageAttributes"].items()} == {
        "model": "iris",
        "kind": "promoted",
        "severity": "info",
    }
    entries = [services.ledger.run(run) or {} for run in ("sample-run", "another-run")]
    assert [entry["notice"] for entry in entries] == ["sent", "held back"]


@pytest.mark.parametrize("model", ["nosuch", "broken"])
def test_a_run_that_failed_at_its_model_file_is_told_of(
    services: Services, mailbox: Queue, model: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.yaml").write_text("name: broken")
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    given: dict[str, Any] = {"outcome": "failed", "error": "UnknownModel", "model": model, "champion": None}
    assert invoke("notify", **given)["told"]
    assert len(mailbox.read()) == 1


def test_the_model_file_says_how_often(
    services: Services, mailbox: Queue, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load((models_dir() / "iris.yaml").read_text("utf-8"))
    text = yaml.safe_dump(document | {"watch": {"notify_every": "0s"}})
    (tmp_path / "iris.yaml").write_text(text)
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    assert [invoke("notify", run=f"run-{n}")["told"] for n in range(2)] == [True, True]


def test_the_function_measures_how_the_model_fares(
    services: Services, mailbox: Queue, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two trainings failed before, and so did this one; two of the last batches were refused."""
    for number, outcome in enumerate(("promoted", "quarantined", "failed", "quarantined", "failed")):
        at = NOON + number * HOUR
        services.ledger.open(f"run-{number}", "iris", Trigger(kind="upload", reason="came", at=at), 1)
        training = {} if outcome == "quarantined" else {"attempt": 0, "check": "{}"}
        services.ledger.note(f"run-{number}", outcome=outcome, **training)
    run_of_iris(services)
    services.ledger.note("sample-run", outcome="failed", attempt=1)
    capfd.readouterr()
    invoke("notify", outcome="failed", error="TrainingFailed")
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if '"_aws"' in line]
    measured = {
        (line["Model"], metric["Name"], metric["Unit"]): line[metric["Name"]]
        for line in lines
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }
    assert measured == {
        ("iris", "QuarantineRate", "Percent"): [20],
        ("iris", "TrainingsFailedInRow", "Count"): [3],
        ("iris", "MonthCost", "None"): [0],
        ("*", "MonthCost", "None"): [0],
    }
