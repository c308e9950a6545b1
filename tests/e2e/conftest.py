"""One stack, deployed once to an embedded AWS of its own, for all the tests here."""

import json
import os
import shutil
from collections.abc import Iterator

import boto3
import pytest

from local import tree
from local.deploy import STACK, build, deploy
from local.engine import Engine
from local.session import Session
from perennial import cli
from perennial.aws import clients
from perennial.aws.wiring import Settings
from tests.e2e.models import FACTORY, MODELS
from tests.e2e.support import Command, Deployment, Inbox, until


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The story first: its schedule looks at every model, and the others shall have nothing to show then."""
    items.sort(key=lambda item: item.path.parent.name == "e2e" and item.path.stem != "test_story")


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The stack, in directories that no `make up` knows."""
    scratch = tmp_path_factory.mktemp("stack")
    copied = tree.copy(scratch / "tree", MODELS)
    (copied / "models" / "garden.py").write_text(FACTORY, encoding="utf-8")
    build(copied)
    with Session(Engine(scratch / "engine", auth=True)) as session, pytest.MonkeyPatch.context() as patch:
        deploy(session.engine, copied)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in session.engine.environment().items():
            patch.setenv(name, value)
        patch.setenv("PERENNIAL_MODELS", str(copied / "models"))
        clients.client.cache_clear()
        patch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the first credentials that it meets
        yield Deployment(session, copied, STACK, _notifications(), _announcements())
    clients.client.cache_clear()
    shutil.rmtree(scratch)


@pytest.fixture
def stack(deployment: Deployment) -> Iterator[Deployment]:
    """The deployed stack; after the test nothing runs, nothing is held, and every run has its outcome."""
    yield deployment
    until(deployment.at_rest, "nothing runs, no lock is held")
    assert deployment.unrecorded() == set()


@pytest.fixture
def command(stack: Deployment, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `perennial` with these arguments on the deployed stack; its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["perennial", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0)

    return run


def _notifications() -> Inbox:
    """What a subscriber of the topic is told."""
    inbox = Inbox("notifications", "sns.amazonaws.com")
    topic = Settings.from_stack(STACK).topic_arn
    clients.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox.arn)
    return inbox


def _announcements() -> Inbox:
    """What a service that serves the champion hears."""
    inbox = Inbox("announcements", "events.amazonaws.com")
    events = clients.client("events")
    events.put_rule(Name="announcements", EventPattern=json.dumps({"source": ["perennial"]}))
    events.put_targets(Rule="announcements", Targets=[{"Id": "queue", "Arn": inbox.arn}])
    return inbox
