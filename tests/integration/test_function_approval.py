"""Ask For Approval, and the two commands that answer it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from perennial.aws.approvals import Answer, Question
from perennial.aws.wiring import Services
from perennial.config import models_dir
from perennial.contracts.trigger import Trigger
from tests.integration.function_support import invoke

RUN = "sample-run"


class Mailbox:
    """What a subscriber of the topic has been sent."""

    def __init__(self, topic: str) -> None:
        queues = boto3.client("sqs")
        self._url = queues.create_queue(QueueName="mailbox")["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
        boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])

    def read(self) -> list[dict[str, str]]:
        found = boto3.client("sqs").receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        return [yaml.safe_load(message["Body"]) for message in found.get("Messages", [])]


@pytest.fixture
def mailbox(services: Services) -> Mailbox:
    """A run of iris is under way."""
    trigger = Trigger(kind="upload", reason="came", at=datetime.now(UTC))
    services.ledger.open(RUN, "iris", trigger, 1)
    services.ledger.note(RUN, training_minutes="2", training_dollars="0.01")
    return Mailbox(services.settings.topic_arn)


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the `approval` of iris."""
    text = (models_dir() / "iris.yaml").read_text(encoding="utf-8")

    def use(approval: Any) -> None:
        document = yaml.safe_load(text) | {"approval": approval}
        (tmp_path / "iris.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")

    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    return use


def asked(services: Services, *, ago: timedelta, expires: timedelta = timedelta(hours=20)) -> Question:
    """The run put its question a while ago."""
    at = datetime.now(UTC) - ago
    question = Question(asked_at=at, expires_at=at + expires, because=("any",))
    services.ledger.note(RUN, approval=question.model_dump(mode="json"))
    return question


def says(verdict: Any, by: str = "anna") -> Answer:
    return Answer(verdict=verdict, by=by, reason="labels checked", at=datetime.now(UTC))


def test_by_default_nobody_is_asked(mailbox: Mailbox) -> None:
    assert invoke("ask_approval")["status"] == "not_needed"
    assert mailbox.read() == []


@pytest.mark.parametrize(
    ("approval", "changes", "status"),
    [
        ("always", {}, "waiting"),
        ({"on": ["search"]}, {}, "not_needed"),
        ({"on": ["search"]}, {"strategy": {"name": "search", "reason": "concept drift"}}, "waiting"),
        ({"on": ["large_change"], "large_change": 0.1}, {}, "waiting"),
        ({"on": ["large_change"], "large_change": 0.2}, {}, "not_needed"),
        ({"on": ["large_change"]}, {"champion": None}, "not_needed"),
        ({"on": ["schema"]}, {}, "not_needed"),
        ({"on": ["search", "schema"]}, {"drift": ["data", "schema"]}, "waiting"),
    ],
)
def test_a_person_is_asked_where_the_model_file_says_so(
    mailbox: Mailbox, policy: Any, approval: Any, changes: dict[str, Any], status: str
) -> None:
    policy(approval)
    assert invoke("ask_approval", **changes)["status"] == status
    assert len(mailbox.read()) == (status == "waiting")


def test_the_email_says_what_to_know_and_how_to_answer(mailbox: Mailbox, policy: Any) -> None:
    policy({"on": ["large_change"]})
    answer = invoke("ask_approval")
    assert answer["wait_seconds"] == 8 * 3600
    (mail,) = mailbox.read()
    assert mail["Subject"] == "Perennial: may version 2 of iris serve?"
    for words in (
        "version 1 serves until then",
        "right on 96.7% of 60 holdout rows",
        "20% of the holdout's answers are others",
        "- The challenger's answers to 60",
        "Gain: +0.15",
        "$0.01",
        "perennial approve sample-run --reason",
        "perennial reject sample-run --reason",
        "Without an answer by ",
    ):
        assert words in mail["Message"]


def test_it_reminds_when_that_is_due_and_not_before(
    mailbox: Mailbox, policy: Any, services: Services
) -> None:
    policy("always")
    asked(services, ago=timedelta(hours=7))
    answer = invoke("ask_approval")
    assert answer["status"] == "waiting"
    assert 3590 < answer["wait_seconds"] <= 3600
    assert mailbox.read() == []
    asked(services, ago=timedelta(hours=17))
    assert 3 * 3600 - 10 < invoke("ask_approval")["wait_seconds"] <= 3 * 3600  # then it expires
    (mail,) = mailbox.read()
    assert mail["Subject"] == "Perennial: reminder: may version 2 of iris serve?"
    assert services.approvals.question(RUN).reminders == 2  # type: ignore[union-attr]


def test_without_an_answer_it_is_a_no_and_no_later_yes_counts(
    mailbox: Mailbox, policy: Any, services: Services
) -> None:
    policy("always")
    asked(services, ago=timedelta(hours=21))
    answer = invoke("ask_approval")
    assert answer["status"] == "expired"
    assert answer["reason"].startswith("Not approved: nobody answered by ")
    assert services.approvals.decide(RUN, says("approved")).verdict == "expired"
    assert invoke("ask_approval") == answer


@pytest.mark.parametrize(
    ("verdict", "end"),
    [("approved", " Approved by anna: labels checked"), ("refused", "Not approved by anna: labels checked")],
)
def test_the_answer_on_record_counts(
    mailbox: Mailbox, policy: Any, services: Services, verdict: str, end: str
) -> None:
    """Also where it came while the run was reminding, so that its wake-up went to a wait that was over."""
    policy("always")
    asked(services, ago=timedelta(hours=8))
    services.approvals.decide(RUN, says(verdict))
    answer = invoke("ask_approval")
    assert answer["status"] == verdict
    assert answer["reason"].endswith(end)
    assert mailbox.read() == []


def test_of_two_answers_the_first_counts(mailbox: Mailbox, services: Services) -> None:
    asked(services, ago=timedelta(hours=1))
    assert services.approvals.decide(RUN, says("refused", "anna")).by == "anna"
    second = services.approvals.decide(RUN, says("approved", "bert"))
    assert (second.by, second.verdict) == ("anna", "refused")


def test_a_run_that_asks_nothing_takes_no_answer(mailbox: Mailbox, services: Services) -> None:
    services.approvals.decide(RUN, says("approved"))
    assert services.approvals.answer(RUN) is None
