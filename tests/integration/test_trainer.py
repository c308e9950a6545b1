"""The trainer from its metadata to its answer, on moto's S3 and DynamoDB."""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
import yaml
from botocore.exceptions import ClientError, EndpointConnectionError

from ec2_trainer.__main__ import FAILED, GONE, REPORTED, UNREPORTED, main
from ec2_trainer.heartbeat import Heartbeat
from ec2_trainer.job import work
from perennial import layout
from perennial.artifacts import load, verified
from perennial.aws.workflow import Callback
from perennial.config import load_model, models_dir
from perennial.contracts.objects import Artifact
from perennial.contracts.training import TrainingJob, TrainingResult
from perennial.dataset import read_sample
from perennial.errors import CallbackExpired, VersionNotFound
from perennial.holdout import read_holdout
from perennial.lineage import VersionRecord
from perennial.metrics import ask, labels_of, scores
from perennial.profile import Profile
from perennial.reproduction import libraries
from scenarios.iris import first_season
from tests.integration.trainer_support import (
    KNOWN,
    MODEL,
    RECENT,
    RUN,
    TOKEN,
    VERSION,
    MetadataServer,
    Stack,
    Task,
    with_data,
    with_job,
)


def stored(stack: Stack, artifact: Artifact) -> bytes:
    return verified(stack.artifacts.get(artifact.key, artifact.version_id), artifact.sha256)


def test_a_version_is_trained_stored_registered_and_reported(stack: Stack) -> None:
    with_data(with_job(stack))
    assert main(stack) == REPORTED

    assert stack.task.output
    result = TrainingResult.model_validate_json(stack.task.output)
    assert result.version == VERSION
    assert result.instance_id == "i-0123"
    assert result.rows_trained + result.rows_held_out == 270
    assert result.metrics["accuracy"] > 0.85
    assert stack.task.beats >= 1

    record = stack.registry.version(MODEL, VERSION)
    assert (record.status, record.run, record.parent, record.seed) == ("candidate", RUN, 6, 7)
    assert record.metrics == result.metrics
    assert record.libraries.keys() == {
        "python",
        "numpy",
        "pandas",
        "pyarrow",
        "scipy",
        "scikit-learn",
        "joblib",
    }


def test_what_is_stored_fits_together(stack: Stack) -> None:
    with_data(with_job(stack))
    main(stack)
    config = load_model(MODEL)
    record = stack.registry.version(MODEL, VERSION)
    assert record.artifact.key == "models/iris/000007/model.joblib"

    holdout, recent = read_holdout(stored(stack, record.holdout), config)
    ids = holdout["flower_id"]
    assert len(holdout) == record.rows_held_out
    assert ids[recent].str.startswith("second").all()
    assert ids[~recent].str.startswith("first").all()
    assert 0 < recent.sum() < len(recent)

    model = load(stored(stack, record.artifact), record.artifact.sha256)
    again = scores(labels_of(holdout, config), ask(model, holdout, config), config.task)
    assert again == pytest.approx(record.metrics)

    reference = read_sample(stored(stack, record.reference), config)
    assert len(reference) == record.rows_trained
    assert not set(reference["flower_id"]) & set(ids)
    baseline = Profile.load(stored(stack, record.baseline))
    assert set(baseline.columns) == {*config.features, config.label}
    assert baseline.rows == record.rows_trained
    assert baseline == Profile.of(reference[[*config.features, config.label]], schema=config.columns)


def test_the_lineage_names_every_object_and_its_version(stack: Stack) -> None:
    with_data(with_job(stack))
    main(stack)
    stack.data.put(KNOWN, b"a newer upload")
    lineage = VersionRecord.model_validate(
        stack.artifacts.get_json(layout.version_key(MODEL, VERSION, layout.LINEAGE))
    )
    assert [item.key for item in lineage.data] == [KNOWN, RECENT]  # known before first
    first = stack.data.get(KNOWN, lineage.data[0].version_id)
    assert first == first_season().to_csv(index=False).encode()


def test_training_again_gives_the_same_model(stack: Stack) -> None:
    """An instance that was lost after it had registered its version leaves nothing that disturbs the next."""
    with_data(with_job(stack))
    assert main(stack) == REPORTED
    once = stack.registry.version(MODEL, VERSION)
    stack.task = Task()
    assert main(stack) == REPORTED
    again = stack.registry.version(MODEL, VERSION)
    assert again.artifact.sha256 == once.artifact.sha256
    assert again.holdout.sha256 == once.holdout.sha256
    assert [record.version for record in stack.registry.versions(MODEL)] == [VERSION]


def failed(stack: Stack) -> tuple[str, str]:
    """The error that the run was told; nothing must have been registered."""
    assert main(stack) == FAILED
    assert stack.task.output is None
    assert stack.registry.versions(MODEL) == []
    cause = stack.task.cause
    assert cause.keys() == {"errorMessage", "errorType", "stackTrace"}
    assert cause["errorType"] == stack.task.error
    return stack.task.error, cause["errorMessage"]


def test_no_data(stack: Stack) -> None:
    error, message = failed(with_job(stack))
    assert error == "NoTrainingData"
    assert message == "expected accepted data of iris, came none; the champion serves on"


def test_too_few_rows(stack: Stack) -> None:
    with_job(stack).data.put(KNOWN, first_season().head(12).to_csv(index=False).encode())
    error, message = failed(stack)
    assert error == "NotEnoughLabels"
    assert "came 12" in message


@pytest.mark.parametrize(
    ("key", "body", "error"),
    [
        ("x.parquet", b"no parquet", "UnreadableFile"),
        ("x.csv", b"", "EmptyObject"),
        ("x.csv", b"flower_id,species\na,setosa\n", "MissingColumn"),
    ],
)
def test_a_file_that_cannot_be_read(stack: Stack, key: str, body: bytes, error: str) -> None:
    with_data(with_job(stack)).data.put(f"accepted/iris/dt=2026-01-01/run-0/{key}", body)
    assert failed(stack)[0] == error


def model_file(folder: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    text = yaml.safe_load((models_dir() / "iris.yaml").read_text())
    text["estimator"] = {"class": path}
    (folder / "iris.yaml").write_text(yaml.safe_dump(text))
    monkeypatch.setenv("PERENNIAL_MODELS", str(folder))


def test_an_estimator_that_does_not_exist(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_file(tmp_path, monkeypatch, "sklearn.ensemble.RandomJungle")
    error, message = failed(with_data(with_job(stack)))
    assert error == "InvalidModelFile"
    assert "RandomJungle" in message


def test_an_estimator_that_raises(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model_file(tmp_path, monkeypatch, "sklearn.naive_bayes.MultinomialNB")
    error, message = failed(with_data(with_job(stack)))
    assert error == "TrainingFailed"
    assert "Negative values" in message
    assert any("fitting.py" in line for line in stack.task.cause["stackTrace"])


def test_a_model_that_nobody_knows(stack: Stack) -> None:
    assert failed(with_job(stack, model="tulip"))[0] == "UnknownModel"


def test_a_job_that_makes_no_sense_is_refused_by_name(stack: Stack) -> None:
    error, message = failed(with_job(stack, version="seven"))
    assert error == "InvalidRequest"
    assert "version" in message


def test_other_libraries_than_the_functions_have_train_nothing(stack: Stack) -> None:
    error, message = failed(with_data(with_job(stack, libraries=libraries() | {"scikit-learn": "0.1"})))
    assert error == "VersionMismatch"
    assert re.search(r"^scikit-learn is [\d.]+ where 0\.1 was expected; nothing was trained$", message)
    assert list(stack.artifacts.list(f"models/{MODEL}/")) == []


def test_the_same_libraries_train(stack: Stack) -> None:
    assert main(with_data(with_job(stack, libraries=libraries()))) == REPORTED


def test_every_phase_is_told_and_only_goes_forward(stack: Stack) -> None:
    with_data(with_job(stack))
    body = TrainingJob.model_validate(stack.artifacts.get_json(layout.run_key(RUN, layout.JOB)))
    told: list[tuple[str, float]] = []
    work(body, stack, "i-0123", progress=lambda phase, share: told.append((phase, share)))
    assert list(dict.fromkeys(phase for phase, _ in told)) == ["load", "fit", "score", "store"]
    for phase in ("load", "fit"):
        shares = [share for name, share in told if name == phase]
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        assert shares == sorted(shares)
    assert len([share for name, share in told if name == "load"]) == 3


def test_a_training_calls_no_service_without_an_endpoint(stack: Stack) -> None:
    """What docs/network.md lists is all that a private subnet offers. Callbacks go to a task of the test."""
    called: set[str] = set()

    def note(model: Any, **_: Any) -> None:
        called.add(model.service_model.endpoint_prefix)

    session = boto3.DEFAULT_SESSION
    assert session
    session.events.register("before-call", note)
    try:
        assert main(with_data(with_job(stack))) == REPORTED
    finally:
        session.events.unregister("before-call", note)
    assert called == {"s3", "dynamodb"}


@pytest.mark.parametrize("body", [b'{"token": "tok', b"[]", b'{"run": "run-2"}', b"\xff", None])
def test_without_a_token_nothing_can_be_told(stack: Stack, body: bytes | None) -> None:
    if body is not None:
        stack.artifacts.put(layout.run_key(RUN, layout.JOB), body)
    assert main(stack) == UNREPORTED
    assert stack.task.waiting


def test_an_instance_without_the_tag_does_nothing(stack: Stack, metadata: MetadataServer) -> None:
    del metadata.values["/latest/meta-data/tags/instance/perennial:run"]
    assert main(with_data(with_job(stack))) == UNREPORTED
    assert stack.task.waiting


def test_aws_out_of_order_is_told_as_what_may_be_tried_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(prefix: str) -> Any:
        raise ClientError(
            {"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}},  # type: ignore[typeddict-item]
            "ListObjectsV2",
        )

    monkeypatch.setattr(with_job(stack).data, "list", refuse)
    assert failed(stack)[0] == "ServiceUnavailable"


def test_an_expired_token_ends_the_training_from_its_first_heartbeat(stack: Stack) -> None:
    with_data(with_job(stack)).task.waiting = False
    left: list[int] = []
    assert main(stack, leave=left.append) == GONE
    assert left == [GONE]
    assert stack.task.output is None


def test_a_training_that_takes_too_long_fails_by_its_own_limit(stack: Stack) -> None:
    left: list[int] = []
    assert main(with_data(with_job(stack, max_seconds=0)), leave=left.append) == GONE  # only leave() ends it
    assert left == [FAILED]
    assert stack.task.error == "TrainingFailed"
    assert stack.task.cause["errorMessage"] == "training took longer than 0 seconds"


def test_a_very_long_failure_is_cut_to_what_a_callback_takes(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deep(depth: int) -> None:
        if not depth:
            raise ValueError("long " * 20_000)
        deep(depth - 1)

    monkeypatch.setattr(with_job(stack).data, "list", lambda _prefix: deep(400))
    error, message = failed(stack)
    assert error == "TrainingFailed"
    assert message.startswith("ValueError: long long")
    assert stack.task.failure
    assert len(stack.task.failure[1]) <= 32_768


def beating(task: Any, **changes: Any) -> Heartbeat:
    def never() -> None:
        raise AssertionError

    settings: dict[str, Any] = {"max_seconds": 60, "on_gone": never, "on_late": never, "interval": 0.01}
    return Heartbeat(Callback(task, TOKEN), **settings | changes)


def test_heartbeats_go_on_until_left() -> None:
    task = Task()
    with beating(task):
        for _ in range(3):
            assert task.beaten.wait(5)
            task.beaten.clear()
    assert task.beats >= 3
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_the_end_of_the_run_is_noticed_between_beats() -> None:
    task, gone = Task(), threading.Event()
    with beating(task, on_gone=gone.set):
        assert task.beaten.wait(5)
        task.waiting = False
        assert gone.wait(5)


@pytest.mark.parametrize(
    "problem",
    [
        EndpointConnectionError(endpoint_url="https://states"),
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "SendTaskHeartbeat"),
    ],
)
def test_a_beat_that_does_not_get_through_is_followed_by_the_next(problem: Exception) -> None:
    task = Task()
    beat: Callable[..., None] = task.send_task_heartbeat
    problems = [problem]

    def unsteady(**request: str) -> None:
        if problems:
            raise problems.pop()
        beat(**request)

    task.send_task_heartbeat = unsteady  # type: ignore[method-assign]
    with beating(task):
        assert task.beaten.wait(5)


def test_the_fake_task_refuses_as_step_functions_does() -> None:
    task = Task()
    Callback(task, TOKEN).succeed("{}")
    with pytest.raises(CallbackExpired):
        Callback(task, TOKEN).fail("TrainingFailed", "{}")
    with pytest.raises(CallbackExpired):
        Callback(Task(), "another").heartbeat()


def test_nothing_is_registered_before_it_is_trained(stack: Stack) -> None:
    with pytest.raises(VersionNotFound):
        stack.registry.version(MODEL, VERSION)
    assert list(stack.artifacts.list("models/")) == []
    main(with_job(stack))
    assert list(stack.artifacts.list("models/")) == []


def test_frames_of_every_format_become_one(stack: Stack) -> None:
    rows = first_season()
    for number, part in enumerate((rows[:50], rows[50:100], rows[100:])):
        body = [
            part.to_csv(index=False),
            part.to_json(orient="records", lines=True),
            part.to_csv(index=False),
        ]
        suffix = ["csv", "jsonl", "csv"]
        stack.data.put(
            f"accepted/iris/dt=2026-01-0{number + 1}/run-0/x.{suffix[number]}", body[number].encode()
        )
    assert main(with_job(stack)) == REPORTED
    record = stack.registry.version(MODEL, VERSION)
    assert record.rows_trained + record.rows_held_out == 150
    holdout, recent = read_holdout(stored(stack, record.holdout), load_model(MODEL))
    assert not recent.any()
    expected = rows.set_index("flower_id").loc[list(holdout["flower_id"])].reset_index()
    pd.testing.assert_frame_equal(holdout, expected, check_dtype=False)
