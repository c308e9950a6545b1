"""However a training ends early - notice, SIGTERM, its own limit, a later attempt - the run is told once."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

import ec2_trainer.job
from ec2_trainer.__main__ import FAILED, GONE, REPORTED, UNREPORTED, Patience, main
from ec2_trainer.interruption import Interruption
from ec2_trainer.job import work as train_job
from perennial import layout
from perennial.config import models_dir
from perennial.contracts.training import TrainingJob
from perennial.errors import Conflict, PerennialError, SpotInterrupted, VersionNotFound
from perennial.training.checkpoints import Progress
from tests.integration.trainer_support import (
    MODEL,
    RUN,
    VERSION,
    MetadataServer,
    Stack,
    with_data,
    with_job,
)

pytestmark = pytest.mark.integration

QUICK = Patience(heartbeat=0.05, spot=0.02, answer=0.01, answers=4)
ACTION, ADVICE = (
    "/latest/meta-data/spot/instance-action",
    "/latest/meta-data/events/recommendations/rebalance",
)

type Work = Callable[..., Any]


def working(monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    """Let the trainer do this in the place of a training."""
    monkeypatch.setattr(ec2_trainer.job, "work", work)


def in_steps(*_: Any, interrupted: Callable[[], bool], progress: Progress) -> None:
    """A training that asks between its steps and goes on for ever otherwise."""
    until = time.monotonic() + 10
    while not interrupted():
        assert time.monotonic() < until, "nobody asked it to end"
        progress("fit", 0.5)
        time.sleep(0.01)
    raise SpotInterrupted("training was interrupted after 3 of 6 steps")


def without_steps(until: threading.Event) -> Work:
    """A training that ends when it is done and asks nobody."""

    def work(*_: Any, **__: Any) -> None:
        assert until.wait(10)
        raise ValueError("done in vain")

    return work


def taken_in(seconds: float) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return json.dumps({"action": "terminate", "time": moment.isoformat()})


@pytest.mark.parametrize("path", [ACTION, ADVICE])
def test_a_notice_ends_a_training_in_steps(
    stack: Stack, metadata: MetadataServer, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    metadata.values[path] = taken_in(120)
    working(monkeypatch, in_steps)
    assert main(with_job(stack), patience=QUICK) == FAILED
    assert stack.task.error == "SpotInterrupted"
    assert "EC2" in stack.task.cause["errorMessage"]


def test_an_interruption_ends_a_training_that_asks_nobody(
    stack: Stack, metadata: MetadataServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata.values[ACTION] = taken_in(0.4)
    left = threading.Event()
    codes: list[int] = []

    def leave(code: int) -> None:
        codes.append(code)
        left.set()

    working(monkeypatch, without_steps(left))
    assert main(with_job(stack), leave=leave, patience=QUICK) == GONE, "the second answer changes nothing"
    assert codes == [FAILED]
    assert stack.task.error == "SpotInterrupted"


def test_a_recommendation_lets_a_training_without_steps_finish(
    stack: Stack, metadata: MetadataServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata.values[ADVICE] = json.dumps({"noticeTime": "2026-01-01T00:00:00Z"})
    codes: list[int] = []
    assert main(with_data(with_job(stack)), leave=codes.append, patience=QUICK) == REPORTED
    assert codes == []


def test_sigterm_ends_a_training_in_steps(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*_: Any, interrupted: Callable[[], bool], progress: Progress) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        in_steps(interrupted=interrupted, progress=progress)

    before = signal.getsignal(signal.SIGTERM)
    working(monkeypatch, work)
    assert main(with_job(stack), patience=QUICK) == FAILED
    assert stack.task.error == "TrainerLost"
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (MemoryError(), "MemoryError"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (SystemExit("the estimator wants to leave"), "SystemExit"),
    ],
)
def test_whatever_is_raised_is_told(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, problem: BaseException, words: str
) -> None:
    def work(*_: Any, **__: Any) -> None:
        raise problem

    working(monkeypatch, work)
    assert main(with_job(stack), patience=QUICK) == FAILED
    assert stack.task.error == "TrainingFailed"
    assert words in stack.task.cause["errorMessage"]


def refusing(problems: list[Exception], send: Callable[..., None]) -> Callable[..., None]:
    """Step Functions that fails with these problems before it takes an answer."""

    def unsteady(**answer: str) -> None:
        if problems:
            raise problems.pop()
        send(**answer)

    return unsteady


AWAY = EndpointConnectionError(endpoint_url="https://states")
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "SendTaskFailure")


@pytest.mark.parametrize(
    ("problems", "code"), [([AWAY] * 3, FAILED), ([AWAY] * 4, UNREPORTED), ([DENIED], UNREPORTED)]
)
def test_an_answer_is_tried_again_while_aws_is_away(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, problems: list[Exception], code: int
) -> None:
    working(monkeypatch, in_steps)
    task = with_job(stack, max_seconds="no number").task
    monkeypatch.setattr(task, "send_task_failure", refusing([*problems], task.send_task_failure))
    assert main(stack, patience=QUICK) == code
    assert task.waiting is (code == UNREPORTED)


def test_an_instance_of_an_earlier_attempt_leaves_the_job_alone(stack: Stack) -> None:
    assert main(with_data(with_job(stack, attempt=1)), patience=QUICK) == GONE
    assert stack.task.waiting
    with pytest.raises(VersionNotFound):
        stack.registry.version(MODEL, VERSION)


@pytest.mark.parametrize("change", [{"attempt": 1}, {"outcome": "failed"}])
def test_what_a_superseded_attempt_trained_is_not_registered(stack: Stack, change: dict[str, Any]) -> None:
    with_data(with_job(stack))
    stack.ledger.note(RUN, **change)
    assert main(stack, patience=QUICK) == FAILED
    assert stack.task.error == Conflict.__name__
    with pytest.raises(VersionNotFound):
        stack.registry.version(MODEL, VERSION)


def test_only_the_training_that_wrote_a_checkpoint_goes_on_from_it(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two attempts the model file may change, by a deploy before a redrive."""
    with_data(with_job(stack))
    job = TrainingJob.model_validate(stack.artifacts.get_json(layout.run_key(RUN, layout.JOB)))
    text = (models_dir() / "iris.yaml").read_text("utf-8")
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))

    def train(leaf: int, *, interrupted: bool = False) -> tuple[str, list[float]]:
        """The model's digest, and the shares that were told."""
        changed = text.replace("min_samples_leaf: 2}", f"min_samples_leaf: {leaf}}}\n  steps: 3")
        (tmp_path / "iris.yaml").write_text(changed, "utf-8")
        told: list[float] = []
        train_job(
            job, stack, "i-1", interrupted=lambda: interrupted, progress=lambda _, share: told.append(share)
        )
        return stack.registry.version(MODEL, VERSION).artifact.sha256, told

    whole, changed = train(2), train(20)
    assert whole[0] != changed[0]
    with pytest.raises(SpotInterrupted, match="20 of 60 members"):
        train(2, interrupted=True)
    assert train(20) == changed
    with pytest.raises(SpotInterrupted, match="20 of 60 members"):
        train(2, interrupted=True)
    again = train(2)
    assert again[0] == whole[0]
    assert len(again[1]) == len(whole[1]) - 1, "the first step is not done again"


def test_progress_is_told_with_the_heartbeats(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def work(*_: Any, interrupted: Callable[[], bool], progress: Progress) -> None:
        until = time.monotonic() + 10
        share = 0.1
        while not told or told[-1].ends_at is None:
            assert time.monotonic() < until
            share = min(0.9, share + 0.05)
            progress("fit", share)
            time.sleep(0.02)
            if found := stack.progress.look(RUN):
                told.append(found)
        raise ValueError(f"interrupted: {interrupted()}")

    working(monkeypatch, work)
    main(with_job(stack), patience=QUICK)
    assert "interrupted: False" in stack.task.cause["errorMessage"]
    last = told[-1]
    assert (last.phase, last.attempt, last.instance_id) == ("fit", 0, "i-0123")
    assert 0.1 < last.share <= 0.9
    assert last.ends_at > last.at


def test_the_first_reason_stays_and_the_work_is_given_up_once() -> None:
    given_up: list[PerennialError] = []
    done = threading.Event()

    def give_up(error: PerennialError) -> None:
        given_up.append(error)
        done.set()

    first, second = SpotInterrupted("first"), SpotInterrupted("second")
    with Interruption(give_up) as interruption:
        assert not interruption.asked()
        interruption.ask(first)
        assert interruption.asked()
        interruption.ask(second, 0.01)
        interruption.ask(second, 0.0)
        assert done.wait(5)
    assert given_up == [second]
    assert interruption.error is first


def test_work_that_is_over_is_not_given_up() -> None:
    with Interruption(lambda _error: pytest.fail("given up")) as interruption:
        interruption.ask(SpotInterrupted("soon"), 0.05)
    interruption.ask(SpotInterrupted("too late"), 0.0)
    time.sleep(0.1)
