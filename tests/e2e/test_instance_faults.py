"""What befalls a training instance, from the fault file: its run learns of it, nothing is left running."""

import json
from functools import partial
from typing import Any

import pytest

from perennial.aws.clients import client
from scenarios import iris
from tests.e2e.support import Deployment, Model, living_instances, until

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "interruption", "model": "interrupted", "attempt": 0},
    {"kind": "kill", "model": "starved", "attempt": 0, "at": "data loaded"},
    {"kind": "callback", "model": "unheard", "attempt": 0, "error": "AccessDeniedException"},
    {"kind": "disk", "model": "overfull"},
    {"kind": "hang", "model": "frozen", "at": "reported"},
)


@pytest.fixture(scope="module")
def runs(deployment: Deployment) -> dict[str, str]:
    """A run of each model, all at once; by model."""
    faults = deployment.session.engine.faults
    faults.write_text(json.dumps({"faults": FAULTS}))
    models = [deployment.model(name) for name in (*(fault["model"] for fault in FAULTS), "undisturbed")]
    flowers = iris.first_season()
    started = {
        model.model: model.started(partial(model.upload_frame, "first.csv", flowers)) for model in models
    }
    for model in models:
        model.follow(started[model.model], patience=300)
    faults.unlink()
    return started


def errors(stack: Deployment, run: str) -> list[str]:
    """The names of the errors in a run's history, in their order."""
    pages = client("stepfunctions").get_paginator("get_execution_history")
    return [
        details["error"]
        for page in pages.paginate(executionArn=stack.services.workflow.execution_arn(run))
        for event in page["events"]
        for details in event.values()
        if isinstance(details, dict) and "error" in details
    ]


def console(stack: Deployment, model: str, run: str, attempt: int) -> tuple[str, str]:
    """The id and the console log of the instance of an attempt, which EC2 may have forgotten."""
    found = stack.services.attempts.of_run(model, run)[attempt].instance_id
    assert found
    return found, stack.session.console(found).read_text()


def shipped(stack: Deployment, instance: str) -> str:
    """What CloudWatch Logs holds of an instance."""
    asked = {"logGroupName": f"/perennial/{stack.stack}/trainer", "logStreamName": instance}

    def look() -> str:
        streams = client("logs").describe_log_streams(
            logGroupName=asked["logGroupName"], logStreamNamePrefix=instance
        )["logStreams"]
        if not streams:
            return ""
        return "\n".join(event["message"] for event in client("logs").get_log_events(**asked)["events"])

    return until(look, f"the log of {instance}")


class TestInterruption:
    """A spot interruption notice in the middle of a training that goes in steps."""

    def test_the_next_attempt_goes_on_where_the_last_one_ended(
        self, stack: Deployment, runs: dict[str, str]
    ) -> None:
        run = runs["interrupted"]
        instance, first = console(stack, "interrupted", run, attempt=0)
        _, second = console(stack, "interrupted", run, attempt=1)
        assert errors(stack, run) == ["SpotInterrupted"]
        assert "checkpoint saved" in first
        assert "training failed" in shipped(stack, instance)
        assert "checkpoint found" in second

    def test_the_model_is_that_of_an_uninterrupted_training(
        self, stack: Deployment, runs: dict[str, str]
    ) -> None:
        assert errors(stack, runs["undisturbed"]) == []
        one, other = (stack.services.registry.versions(name)[0] for name in ("interrupted", "undisturbed"))
        assert one.status == "champion"
        assert (one.rows_trained, one.rows_held_out) == (other.rows_trained, other.rows_held_out)
        assert one.metrics == other.metrics
        assert one.artifact.sha256 == other.artifact.sha256

    def test_no_checkpoint_is_left(self, stack: Deployment, runs: dict[str, str]) -> None:
        assert list(stack.services.artifacts.list(f"checkpoints/{runs['interrupted']}/")) == []


class TestLoss:
    """A trainer that cannot say what happened to it."""

    def test_killed_process_ends_its_instance_and_the_run_trains_again(
        self, stack: Deployment, runs: dict[str, str]
    ) -> None:
        run = runs["starved"]
        assert errors(stack, run) == ["TrainerLost"]
        assert "data loaded" in shipped(stack, console(stack, "starved", run, attempt=0)[0])
        assert stack.model("starved").follow(run)["outcome"] == "promoted"

    def test_refused_answer_ends_the_instance_and_the_run_trains_again(
        self, stack: Deployment, runs: dict[str, str]
    ) -> None:
        run = runs["unheard"]
        model = stack.model("unheard")
        assert errors(stack, run) == ["TrainerLost"]
        assert "the answer was refused" in console(stack, "unheard", run, attempt=0)[1]
        assert model.follow(run)["outcome"] == "promoted"
        assert [record.version for record in model.services.registry.versions("unheard")] == [1]


class TestHangAfterTheAnswer:
    """The run has what it waited for; the instance never shuts itself down."""

    def test_the_run_ends_it_before_it_ends_itself(self, stack: Deployment, runs: dict[str, str]) -> None:
        run, model = runs["frozen"], stack.model("frozen")
        instance, said = console(stack, "frozen", run, attempt=0)
        assert "fault: hang" in said
        assert model.follow(run)["outcome"] == "promoted"
        assert errors(stack, run) == []
        assert model.path(run)[-3:] == ["End Trainer", "Count Orphan", "Succeed"]
        assert instance not in [one["InstanceId"] for one in living_instances()]

    def test_what_it_cost_is_settled(self, stack: Deployment, runs: dict[str, str]) -> None:
        attempts = stack.services.attempts
        until(lambda: attempts.open("frozen") == [], "the attempt is settled")
        (attempt,) = attempts.of_run("frozen", runs["frozen"])
        assert attempt.ended_at
        assert attempt.minutes > 1  # a minute after its answer it was ended
        entry = stack.services.ledger.run(runs["frozen"])
        assert entry
        assert entry["training_minutes"] > 1

    @pytest.mark.parametrize("name", ["undisturbed", "interrupted"])
    def test_an_instance_that_goes_by_itself_is_left_to_it(
        self, stack: Deployment, runs: dict[str, str], name: str
    ) -> None:
        path = stack.model(name).path(runs[name])
        assert "Look For Trainer" in path
        assert "End Trainer" not in path


class TestFullDisk:
    """Nothing more can be written on the instance."""

    def test_fails_the_run_with_its_reason_and_loses_nothing(
        self, stack: Deployment, runs: dict[str, str]
    ) -> None:
        model: Model = stack.model("overfull")
        entry = model.follow(runs["overfull"])
        assert (entry["outcome"], entry["error"]) == ("failed", "TrainingFailed")
        assert "No usable temporary directory" in entry["reason"]
        assert model.services.registry.versions("overfull") == []
        assert len(model.stored("accepted")) == 1
        assert "No usable temporary directory" in shipped(
            stack, console(stack, "overfull", runs["overfull"], attempt=0)[0]
        )
