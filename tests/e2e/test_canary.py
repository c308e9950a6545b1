"""A canary on the deployed stack: its service's counts decide whether it is promoted or taken back."""

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from perennial import layout
from perennial.aws.clients import client
from perennial.aws.explanation import facts_of
from perennial.contracts.canary import CanaryRecord, CanaryStep
from perennial.explaining import tell
from scenarios import iris
from tests.e2e.models import CANARIES
from tests.e2e.support import Command, Deployment, Model, until


@pytest.fixture(scope="module")
def served(deployment: Deployment) -> dict[str, Model]:
    """Each of the models with version 1, all trained at once; the first version has no canary."""
    models = {name: deployment.model(name) for name in CANARIES}
    first = iris.first_season()
    started = {
        name: model.started(partial(model.upload_frame, "first.csv", first)) for name, model in models.items()
    }
    for name, model in models.items():
        entry = model.follow(started[name])
        assert (entry["outcome"], model.champion()) == ("promoted", 1)
        assert "Let Canary Serve" not in model.path(entry["run"])
    return models


def tried(model: Model) -> str:
    """A run whose challenger, version 2, answers a share of the requests."""
    run = model.started(
        lambda: model.upload_frame("rain.csv", iris.season("rain", rows=200, seed=23, scale=2.0))
    )
    until(lambda: _canary(model) is not None, f"a canary of {run}", 120)
    assert _canary(model) == (2, 50)
    assert model.champion() == 1
    return run


def serves(model: Model, version: int, requests: int, errors: int) -> None:
    """What a service publishes once a minute."""
    dimensions = [{"Name": "Model", "Value": model.model}, {"Name": "Version", "Value": str(version)}]
    client("cloudwatch").put_metric_data(
        Namespace="Perennial",
        MetricData=[
            {"MetricName": name, "Dimensions": dimensions, "Value": value, "Timestamp": datetime.now(UTC)}
            for name, value in (("ServingRequests", requests), ("ServingErrors", errors))
        ],
    )


def _looked(model: Model, run: str, times: int) -> bool:
    """So often, or for the last time."""
    return model.path(run).count("Try Canary") >= times or not model.services.workflow.alive(run)


def _canary(model: Model) -> tuple[int, int] | None:
    alias = model.services.registry.champion(model.model)
    return (alias.canary.version, alias.canary.share) if alias and alias.canary else None


def _mirrored(model: Model, stack: str) -> dict[str, object]:
    name = f"/perennial/{stack}/{model.model}/champion"
    found: dict[str, object] = json.loads(client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    return found


def _steps(entry: dict[str, Any]) -> tuple[CanaryStep, ...]:
    """What a run's entry in the ledger says of its canary."""
    return CanaryRecord.model_validate_json(entry["canary"]).steps


def _statuses(model: Model) -> dict[int, str]:
    return {record.version: record.status for record in model.services.registry.versions(model.model)}


class TestCanary:
    def test_one_that_fails_no_more_than_the_champion_is_promoted(
        self, stack: Deployment, served: dict[str, Model]
    ) -> None:
        model = served["steady-canary"]
        run = tried(model)
        serves(model, 1, 400, 2)
        serves(model, 2, 400, 2)
        entry = model.follow(run)
        assert (entry["outcome"], entry["champion_after"]) == ("promoted", 2)
        assert "failed on 2 of 400 requests, the champion on 2 of 400" in entry["reason"]
        assert (model.champion(), _canary(model)) == (2, None)
        assert _statuses(model) == {1: "archived", 2: "champion"}
        move = model.services.registry.audit(model.model)[-1]
        assert (move["from"], move["version"], move["run"]) == (1, 2, run)
        mirrored = _mirrored(model, stack.stack)
        assert (mirrored["version"], "canary" in mirrored) == (2, False)
        (step,) = _steps(entry)
        assert (step.share, step.verdict, step.canary.requests, step.champion.requests) == (
            50,
            "passed",
            400,
            400,
        )
        page = model.services.artifacts.get(layout.run_key(run, layout.REPORT)).decode()
        assert "no worse than the champion" in page

    def test_one_that_fails_more_is_taken_back_at_once(
        self, stack: Deployment, served: dict[str, Model]
    ) -> None:
        model = served["failing-canary"]
        run = tried(model)
        for _ in range(2):  # what the first minute shows is what the second is judged by
            looks = model.path(run).count("Try Canary")
            serves(model, 1, 400, 2)
            serves(model, 2, 400, 200)
            until(partial(_looked, model, run, looks + 2), "a look at what was reported")
        entry = model.follow(run)
        assert (entry["outcome"], entry["champion_after"]) == ("rolled_back", 1)
        assert "version 2 was taken back as a canary at 50 %" in entry["reason"]
        assert (model.champion(), _canary(model)) == (1, None)
        assert _statuses(model) == {1: "champion", 2: "rolled_back"}
        assert "Promote Challenger" not in model.path(run)
        assert "taken back" in stack.notification(run, "rolled back")["Message"]
        assert [step.verdict for step in _steps(entry)] == ["lost"]

    def test_a_change_by_hand_while_it_is_tried_ends_it(
        self, stack: Deployment, served: dict[str, Model], command: Command
    ) -> None:
        model = served["overtaken-canary"]
        run = tried(model)
        by_hand = ("rollback", "--model", model.model, "--to", "2", "--reason", "by hand", "--force")
        assert command(*by_hand) == 0
        entry = model.follow(run)
        assert (model.champion(), _canary(model)) == (2, None)
        assert (entry["outcome"], entry["champion_after"]) == ("rejected", 2)
        assert [step.verdict for step in _steps(entry)] == ["overtaken"]

    def test_it_ends_with_a_run_that_is_stopped(self, stack: Deployment, served: dict[str, Model]) -> None:
        model = served["stopped-canary"]
        run = tried(model)
        client("stepfunctions").stop_execution(
            executionArn=model.services.workflow.execution_arn(run), cause="the test stops it"
        )
        until(lambda: _canary(model) is None, "the end of the canary, long before it would end by itself")
        until(lambda: "canary" not in _mirrored(model, stack.stack), "its end in the mirror")
        assert model.champion() == 1
        entry = model.services.ledger.run(run) or {}
        assert (entry["outcome"], entry["error"]) == ("failed", "States.Aborted")
        assert _statuses(model) == {1: "champion", 2: "candidate"}
        assert model.services.registry.audit(model.model)[-1]["canary"] == 2
        told = {part.title: part.lines for part in tell(facts_of(model.services, run))}
        assert told["Canary"][-1].endswith("broken off, the run ended")
