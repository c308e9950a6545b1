"""Checkpoints in S3: whole or not there, and of this very training."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2_trainer.checkpoints import StoredCheckpoints, fingerprint
from perennial import layout
from perennial.aws.wiring import Services

MARK = fingerprint({"seed": 1})


def never() -> bool:
    return False


@pytest.fixture
def checkpoints(services: Services) -> StoredCheckpoints:
    return StoredCheckpoints(services.artifacts, "run-1", MARK, never)


def test_what_is_saved_is_found_by_the_next_attempt(
    services: Services, checkpoints: StoredCheckpoints
) -> None:
    assert checkpoints.load("growth") is None
    checkpoints.save("growth", b"ten trees")
    checkpoints.save("growth", b"twenty\ntrees\n")
    again = StoredCheckpoints(services.artifacts, "run-1", MARK, never)
    assert again.load("growth") == b"twenty\ntrees\n"
    assert again.load("search") is None


@pytest.mark.parametrize(("run", "mark"), [("run-2", MARK), ("run-1", fingerprint({"seed": 2}))])
def test_another_trainings_checkpoint_is_none(
    services: Services, checkpoints: StoredCheckpoints, run: str, mark: str
) -> None:
    checkpoints.save("growth", b"ten trees")
    assert StoredCheckpoints(services.artifacts, run, mark, never).load("growth") is None


@pytest.mark.parametrize("damage", [lambda body: body[:-1], lambda body: body[:0], lambda body: body + b"x"])
def test_a_damaged_checkpoint_is_none(
    services: Services, checkpoints: StoredCheckpoints, damage: Any
) -> None:
    checkpoints.save("growth", b"ten trees")
    key = layout.checkpoint_key("run-1", "growth")
    services.artifacts.put(key, damage(services.artifacts.get(key)))
    assert checkpoints.load("growth") is None


def test_s3_out_of_order_costs_only_the_checkpoint(
    services: Services, checkpoints: StoredCheckpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown", "Message": "slower"}}, "PutObject")

    with monkeypatch.context() as patch:
        patch.setattr(services.artifacts, "put", refuse)
        patch.setattr(services.artifacts, "get", refuse)
        checkpoints.save("growth", b"ten trees")
        assert checkpoints.load("growth") is None
    assert checkpoints.load("growth") is None


def test_nothing_is_left_when_the_version_is_registered(
    services: Services, checkpoints: StoredCheckpoints
) -> None:
    checkpoints.save("growth", b"ten trees")
    again = StoredCheckpoints(services.artifacts, "run-1", MARK, never)
    again.load("growth")
    again.save("score", b"0.9")
    again.remove()
    assert list(services.artifacts.list("checkpoints/")) == []


def test_the_work_is_told_of_an_interruption(services: Services) -> None:
    asked = [False, True]
    checkpoints = StoredCheckpoints(services.artifacts, "run-1", MARK, lambda: asked.pop(0))
    assert [checkpoints.interrupted(), checkpoints.interrupted()] == [False, True]
