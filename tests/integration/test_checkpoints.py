"""Checkpoints in S3: whole or not there, and gone when nobody needs them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2_trainer.checkpoints import StoredCheckpoints
from perennial.aws.wiring import Services


def never() -> bool:
    return False


@pytest.fixture
def checkpoints(services: Services) -> StoredCheckpoints:
    return StoredCheckpoints(services.artifacts, "run-1", never)


def test_what_is_saved_is_found_by_the_next_attempt(
    services: Services, checkpoints: StoredCheckpoints
) -> None:
    assert checkpoints.load("growth") is None
    checkpoints.save("growth", b"ten trees")
    checkpoints.save("growth", b"twenty\ntrees\n")
    again = StoredCheckpoints(services.artifacts, "run-1", never)
    assert again.load("growth") == b"twenty\ntrees\n"
    assert again.load("search") is None


def test_another_runs_checkpoint_is_none(services: Services, checkpoints: StoredCheckpoints) -> None:
    checkpoints.save("growth", b"ten trees")
    assert StoredCheckpoints(services.artifacts, "run-2", never).load("growth") is None


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
    again = StoredCheckpoints(services.artifacts, "run-1", never)
    again.load("growth")
    again.save("score", b"0.9")
    again.remove()
    assert list(services.artifacts.list("checkpoints/")) == []


def test_the_work_is_told_of_an_interruption(services: Services) -> None:
    asked = [False, True]
    checkpoints = StoredCheckpoints(services.artifacts, "run-1", lambda: asked.pop(0))
    assert [checkpoints.interrupted(), checkpoints.interrupted()] == [False, True]
