"""Try Canary on moto: the alias carries the share, serving's counts decide, and one transaction ends it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from perennial.aws.succession import Succession
from perennial.aws.wiring import Services
from perennial.config import load_model, models_dir
from perennial.contracts.canary import CanaryRecord
from perennial.errors import AliasMoved
from tests.integration.function_support import invoke
from tests.integration.moto_support import record, serve

BAKE = {"canary": [5, 25, 100], "step": "10m", "check_every": "1m", "duration": "4s"}


@pytest.fixture
def trial(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Version 1 serves, version 2 is to be tried."""
    document = yaml.safe_load((models_dir() / "iris.yaml").read_text(encoding="utf-8"))
    (tmp_path / "iris.yaml").write_text(yaml.safe_dump(document | {"bake": BAKE}), encoding="utf-8")
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    services.registry.register(record(1))
    services.registry.register(record(2, run="sample-run"))
    serve(services, 1)
    return services


def reported(version: int, requests: int, errors: int) -> None:
    """What serving published a moment ago."""
    dimensions: Any = [{"Name": "Model", "Value": "iris"}, {"Name": "Version", "Value": str(version)}]
    boto3.client("cloudwatch").put_metric_data(
        Namespace="Perennial",
        MetricData=[
            {"MetricName": name, "Dimensions": dimensions, "Value": value, "Timestamp": datetime.now(UTC)}
            for name, value in (("ServingRequests", requests), ("ServingErrors", errors))
        ],
    )


def later(look: dict[str, Any], minutes: float) -> dict[str, Any]:
    """The state of the canary as if its step had begun so much earlier."""
    canary = dict(look["canary"])
    for name in ("started_at", "step_at"):
        canary[name] = (datetime.fromisoformat(canary[name]) - timedelta(minutes=minutes)).isoformat()
    return canary


def share(services: Services) -> tuple[int, int] | None:
    alias = services.registry.champion("iris")
    assert alias
    assert alias.version == 1
    return (alias.canary.version, alias.canary.share) if alias.canary else None


def mirrored() -> Any:
    answer = boto3.client("ssm").get_parameter(Name="/perennial/perennial/iris/champion")
    return json.loads(answer["Parameter"]["Value"])


def test_without_a_canary_in_the_model_file_there_is_none(services: Services) -> None:
    assert invoke("try_canary") == {
        "verdict": "won",
        "reason": invoke("try_canary")["reason"],
        "canary": None,
        "wait_seconds": 1,
    }


def test_the_first_version_has_nobody_to_stand_beside(trial: Services) -> None:
    assert invoke("try_canary", champion=None)["verdict"] == "won"


def test_it_begins_with_the_first_share_and_a_moment_at_which_it_ends_by_itself(trial: Services) -> None:
    look = invoke("try_canary")
    assert (look["verdict"], look["wait_seconds"]) == ("trying", 60)
    assert share(trial) == (2, 5)
    assert mirrored()["version"] == 1
    assert (mirrored()["canary"]["version"], mirrored()["canary"]["share"]) == (2, 5)
    until = datetime.fromisoformat(mirrored()["canary"]["until"])
    assert timedelta(minutes=19) < until - datetime.now(UTC) <= timedelta(minutes=20)


def test_it_goes_through_its_steps_and_is_promoted(trial: Services) -> None:
    look = invoke("try_canary")
    reported(1, 950, 9)
    reported(2, 50, 0)
    look = invoke("try_canary", canary=later(look, 5))
    assert (look["verdict"], look["canary"]["step"]) == ("trying", 0)
    look = invoke("try_canary", canary=later(look, 6))
    assert (look["verdict"], look["canary"]["step"], share(trial)) == ("trying", 1, (2, 25))
    reported(1, 750, 8)
    reported(2, 250, 1)
    look = invoke("try_canary", canary=later(look, 11))
    assert look["verdict"] == "won"
    assert "As a canary: the canary failed on 1 of 300 requests, the champion on 17 of 1700" in look["reason"]
    invoke("promote_challenger")
    alias = trial.registry.champion("iris")
    assert alias
    assert (alias.version, alias.canary) == (2, None)


def steps(services: Services) -> list[tuple[int, str, tuple[int, int], tuple[int, int]]]:
    """What the ledger says of each: share, verdict, requests and errors of the canary and of the champion."""
    entry = services.ledger.run("sample-run") or {}
    found = CanaryRecord.model_validate_json(entry["canary"])
    assert (found.version, found.level) == (2, 0.05)
    return [
        (
            step.share,
            step.verdict,
            (step.canary.requests, step.canary.errors),
            (step.champion.requests, step.champion.errors),
        )
        for step in found.steps
    ]


def test_each_step_is_on_record_as_it_happens(trial: Services) -> None:
    look = invoke("try_canary")
    assert steps(trial) == [(5, "trying", (0, 0), (0, 0))]
    reported(1, 950, 9)
    reported(2, 50, 0)
    look = invoke("try_canary", canary=later(look, 5))
    assert steps(trial) == [(5, "trying", (50, 0), (950, 9))]
    look = invoke("try_canary", canary=later(look, 6))
    assert steps(trial) == [(5, "passed", (50, 0), (950, 9)), (25, "trying", (0, 0), (0, 0))]
    reported(1, 750, 8)
    reported(2, 250, 1)
    invoke("try_canary", canary=later(look, 11))
    assert steps(trial) == [(5, "passed", (50, 0), (950, 9)), (25, "passed", (250, 1), (750, 8))]


def test_a_worse_one_is_taken_back_in_one_transaction(trial: Services) -> None:
    look = invoke("try_canary")
    for _ in range(3):
        reported(1, 950, 9)
        reported(2, 50, 20)
        look = invoke("try_canary", canary=later(look, 1))
        if look["verdict"] != "trying":
            break
    assert look["verdict"] == "lost"
    (lost,) = steps(trial)
    assert lost[:2] == (5, "lost")
    assert lost[2][1] > 0
    assert look["reason"].startswith("version 2 was taken back as a canary at 5 %: the canary failed on ")
    assert share(trial) is None
    assert "canary" not in mirrored()
    assert trial.registry.version("iris", 2).status == "rolled_back"
    assert trial.registry.audit("iris")[-1]["reason"] == look["reason"]
    again = len(trial.registry.audit("iris"))
    trial.registry.end_canary(
        "iris", expected=1, version=2, left_as="rolled_back", run="x", reason="x", now=datetime.now(UTC)
    )
    assert len(trial.registry.audit("iris")) == again


def test_one_that_nobody_asked_is_not_let_in(trial: Services) -> None:
    look = invoke("try_canary", canary=later(invoke("try_canary"), 11))
    assert look["verdict"] == "untested"
    assert steps(trial) == [(5, "untested", (0, 0), (0, 0))]
    assert share(trial) is None


def test_a_champion_that_was_moved_by_hand_meanwhile_ends_it(trial: Services) -> None:
    look = invoke("try_canary")
    trial.registry.register(record(3))
    trial.succession.roll_back(
        load_model("iris"), champion=1, to=3, run="by-hand", reason="x", now=datetime.now(UTC)
    )
    assert "canary" not in mirrored()
    with pytest.raises(AliasMoved, match="is version 3: expected 1"):
        invoke("try_canary", canary=look["canary"])
    alias = trial.registry.champion("iris")
    assert alias
    assert (alias.version, alias.canary) == (3, None)
    assert "canary" not in mirrored()
    assert [step[:2] for step in steps(trial)] == [(5, "overtaken")]
    assert trial.registry.version("iris", 2).status == "rejected"


def test_a_canary_that_a_person_let_serve_meanwhile_is_not_rejected(trial: Services) -> None:
    look = invoke("try_canary")
    serve(trial, 2, previous=1, run="by-hand")
    with pytest.raises(AliasMoved, match="is version 2: expected 1"):
        invoke("try_canary", canary=look["canary"])
    assert trial.registry.version("iris", 2).status == "champion"


def test_a_run_that_finds_another_champion_leaves_its_challenger_rejected(trial: Services) -> None:
    trial.registry.register(record(3))
    serve(trial, 3, previous=1, run="by-hand")
    with pytest.raises(AliasMoved, match="is version 3: expected 1"):
        invoke("promote_challenger")
    assert trial.registry.version("iris", 2).status == "rejected"


class Overtaken:
    """Announces as the real one does, after somebody else has moved the champion and announced that."""

    def __init__(self, services: Services, move: Callable[[], None]) -> None:
        self._announcer, self._move = services.announcer, move

    def champion(self, *said: Any) -> None:
        move, self._move = self._move, lambda: None
        move()
        self._announcer.champion(*said)


def test_a_mirror_that_was_written_too_late_is_put_right(trial: Services) -> None:
    """The alias moves by hand after the canary is set and before that is mirrored."""

    def by_hand() -> None:
        trial.registry.register(record(3))
        trial.succession.promote(
            load_model("iris"), challenger=3, champion=1, run="by-hand", reason="x", now=datetime.now(UTC)
        )

    slow: Any = Overtaken(trial, by_hand)
    Succession(trial.registry, slow, trial.alarms).try_canary(
        load_model("iris"),
        champion=1,
        challenger=2,
        share=5,
        until=datetime.now(UTC),
        run="sample-run",
        announce=True,
    )
    assert mirrored() == {"model": "iris", "version": 3, "previous": 1, "run": "by-hand"}
