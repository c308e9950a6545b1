"""Decide, Launch Trainer, Evaluate, Promote, Roll Back, Watch Instances: who serves, and why."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from perennial import layout
from perennial.aws import clients
from perennial.aws.wiring import Services
from perennial.config import load_model, models_dir
from perennial.contracts.trigger import Trigger
from perennial.decision import replay
from perennial.errors import (
    AliasMoved,
    ArtifactCorrupted,
    BudgetExceeded,
    CapacityUnavailable,
    VersionNotFound,
)
from perennial.strategy import full
from tests.integration.function_support import document, invoke
from tests.integration.moto_support import record, serve
from tests.sample_run import arrive, event, first_champion, train


def past(services: Services, outcome: str, ago: timedelta) -> None:
    """A run of iris that ended some time ago."""
    ended = datetime.now(UTC) - ago
    services.ledger.open("past", "iris", Trigger(kind="upload", reason="x", at=ended), 1)
    services.ledger.note("past", outcome=outcome, ended_at=f"{ended:%Y-%m-%dT%H:%M:%S}.000Z")


def alarm_names() -> set[str]:
    return {alarm["AlarmName"] for alarm in boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]}


def mirrored() -> Any:
    answer = boto3.client("ssm").get_parameter(Name="/perennial/perennial/iris/champion")
    return json.loads(answer["Parameter"]["Value"])


def served(services: Services) -> tuple[int | None, int | None]:
    alias = services.registry.champion("iris")
    assert alias
    return alias.version, alias.previous


@pytest.fixture
def competition(services: Services) -> Services:
    """Version 1 serves, version 2 is a candidate."""
    services.registry.register(record(1))
    services.registry.register(record(2, run="sample-run"))
    serve(services, 1)
    return services


# Decide


def test_the_decision_is_on_record_before_anything_follows(services: Services) -> None:
    decision = invoke("decide")
    stored = document(services, "decision.json")
    assert decision.items() <= stored.items()
    again = replay(stored)
    assert (again.action, again.summary, list(again.reasons)) == (
        decision["action"],
        decision["summary"],
        decision["reasons"],
    )
    assert decision["alternatives"][: len(again.alternatives)] == list(again.alternatives)
    entry = services.ledger.run("sample-run")
    assert entry
    assert entry["decision"] == "retrain"


def test_a_rollback_some_hours_ago_holds_retraining_back(services: Services) -> None:
    past(services, "rolled_back", timedelta(hours=3))
    decision = invoke("decide")
    assert decision["action"] == "alert"
    assert "retraining waits 24 hours after the last rollback" in decision["summary"]


def test_a_rollback_long_ago_does_not(services: Services) -> None:
    past(services, "rolled_back", timedelta(hours=25))
    assert invoke("decide")["action"] == "retrain"


def test_a_failed_run_holds_nothing_back(services: Services) -> None:
    past(services, "failed", timedelta(minutes=1))
    assert invoke("decide")["action"] == "retrain"


# Launch Trainer


def test_the_job_is_written_before_the_instance_starts(services: Services) -> None:
    launched = invoke("launch_trainer")
    job = document(services, layout.JOB)
    assert job == {
        "run": "sample-run",
        "model": "iris",
        "version": launched["version"],
        "champion": 1,
        "attempt": 0,
        "token": "sample-token",
        "seed": 7,
        "code_version": "code:1",
        "max_seconds": 600,
        "instance_reason": (
            "0 bytes of accepted data may take 1.5 GiB to train on: "
            "c6i.large, c7i.large, m5.large, m6i.large, m7i.large, r6i.large"
        ),
        "libraries": {},  # only a layer knows its versions
        "strategy": full("all accepted data").model_dump(),
    }
    known = services.attempts.of_instance(launched["instance_id"])
    assert known
    assert (known[0].run, known[0].attempt, known[1]) == ("sample-run", 0, "sample-token")


def test_another_attempt_keeps_the_version_and_gets_its_own_token(services: Services) -> None:
    first = invoke("launch_trainer")
    second = invoke("launch_trainer", attempt=1, token="other")
    assert second["version"] == first["version"]
    assert second["instance_id"] != first["instance_id"]
    assert document(services, layout.JOB)["token"] == "other"


def test_another_run_gets_another_version(services: Services) -> None:
    assert [invoke("launch_trainer", run=run)["version"] for run in ("run-1", "run-2")] == [1, 2]


def test_where_there_is_no_instance_the_error_is_named(services: Services) -> None:
    with Stubber(clients.client("ec2")) as ec2:
        ec2.add_response("describe_instances", {"Reservations": []})
        for _ in ("spot", "on-demand"):
            error = {"ErrorCode": "InsufficientInstanceCapacity", "ErrorMessage": "none left"}
            ec2.add_response("create_fleet", {"Errors": [error], "Instances": []})
        with pytest.raises(CapacityUnavailable, match="none left"):
            invoke("launch_trainer")


def test_a_retried_launch_ends_the_instance_that_its_predecessor_left(services: Services) -> None:
    """The function died after CreateFleet: nothing is noted of the instance but its tags."""
    services.attempts.begin("sample-run", 0)
    stray = services.fleet.launch(("c6i.large",), ("spot",), run="sample-run", model="iris", attempt=0)
    second = invoke("launch_trainer", attempt=1, token="other")
    states = {item.instance_id: item.gone for item in services.fleet.of_run("sample-run")}
    assert states == {stray.instance_id: True, second["instance_id"]: False}


def test_a_training_over_its_budget_is_not_started(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (models_dir() / "iris.yaml").read_text(encoding="utf-8")
    limited = text.replace("max_duration: 10m", "max_duration: 10m, max_dollars_per_month: 0.1")
    (tmp_path / "iris.yaml").write_text(limited, encoding="utf-8")
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    assert invoke("decide")["action"] == "retrain"
    invoke("launch_trainer")  # 20 minutes of the dearest type: $0.042
    invoke("launch_trainer", run="second")
    with pytest.raises(BudgetExceeded, match=r"it may cost \$0.042, \$0.084 of the month's \$0.10 are taken"):
        invoke("launch_trainer", run="third")
    assert services.fleet.of_run("third") == []
    decision = invoke("decide")
    assert decision["action"] == "alert"
    assert "the budget forbids it: it may cost $0.042" in decision["summary"]


# Evaluate Challenger


def test_a_challenger_that_learnt_nothing_new_is_no_better(services: Services) -> None:
    first_champion(services)
    arrive(services)
    invoke("resolve_trigger")
    train(services, 2, "sample-run", champion=1)
    evaluation = invoke("evaluate_challenger")
    assert evaluation["better"] is False
    assert document(services, "evaluation.json")["better"] is False


def test_the_first_challenger_competes_with_a_naive_answer(services: Services) -> None:
    first_champion(services)
    evaluation = invoke("evaluate_challenger", champion=None, challenger=1)
    assert evaluation["better"] is True, evaluation["summary"]


@pytest.mark.parametrize("file", ["artifact", "holdout"])
def test_a_file_that_is_not_the_registered_one_is_not_loaded(services: Services, file: str) -> None:
    first_champion(services)
    version = services.registry.version("iris", 1)
    stored = getattr(version, file)
    forged = services.artifacts.put(stored.key, b"forged")
    changed = version.model_copy(update={file: stored.model_copy(update={"version_id": forged.version_id})})
    services.registry.register(changed.model_copy(update={"version": 2, "status": "candidate"}))
    with pytest.raises(ArtifactCorrupted, match="it was not loaded"):
        invoke("evaluate_challenger")


def test_a_file_replaced_after_it_was_registered_is_not_even_read(services: Services) -> None:
    """The registry pins the object's version."""
    first_champion(services)
    services.artifacts.put(services.registry.version("iris", 1).artifact.key, b"forged")
    assert invoke("evaluate_challenger", champion=None, challenger=1)["better"] is True


@pytest.mark.parametrize("versions", [{"challenger": 9}, {"champion": 9, "challenger": 1}], ids=str)
def test_a_version_that_does_not_exist_is_named(services: Services, versions: dict[str, Any]) -> None:
    first_champion(services)
    with pytest.raises(VersionNotFound, match="no version 9"):
        invoke("evaluate_challenger", **versions)


# Promote Challenger


def test_a_promotion_is_mirrored_and_watched(competition: Services) -> None:
    promotion = invoke("promote_challenger")
    assert promotion == {"champion": 2, "previous": 1, "bake_checks": 4, "bake_interval_seconds": 1}
    assert served(competition) == (2, 1)
    assert mirrored() == {"model": "iris", "version": 2, "previous": 1, "run": "sample-run"}
    assert {"perennial/health/iris/error-rate", "perennial/watch/iris/drift-unanswered"} <= alarm_names()
    assert [entry["reason"] for entry in competition.registry.audit("iris")][-1] == (
        event("promote_challenger")["reason"]
    )


def test_a_promotion_that_is_repeated_answers_the_same(competition: Services) -> None:
    assert invoke("promote_challenger") == invoke("promote_challenger")
    assert len(competition.registry.audit("iris")) == 2


def test_a_promotion_that_is_repeated_takes_no_rollback_by_hand_back(competition: Services) -> None:
    """The call's answer was lost, and a person was quicker than the second try."""
    invoke("promote_challenger")
    competition.succession.roll_back(
        load_model("iris"), champion=2, to=1, run="by-hand", reason="x", now=datetime.now(UTC)
    )
    assert invoke("promote_challenger")["champion"] == 2, "the bake then finds that it was taken back"
    assert served(competition) == (1, None)
    assert (mirrored()["version"], len(competition.registry.audit("iris"))) == (1, 3)


def test_a_rollback_that_is_repeated_takes_no_decision_back(competition: Services) -> None:
    invoke("promote_challenger")
    invoke("roll_back")
    competition.succession.promote(
        load_model("iris"), challenger=2, champion=1, run="by-hand", reason="x", now=datetime.now(UTC)
    )
    with pytest.raises(AliasMoved, match="rolled back to version 1 already"):
        invoke("roll_back")
    assert (served(competition), mirrored()["version"]) == ((2, 1), 2)


def test_a_champion_that_moved_meanwhile_stays(competition: Services) -> None:
    competition.registry.register(record(3))
    serve(competition, 3, previous=1, run="by-hand")
    with pytest.raises(AliasMoved, match="is version 3: expected 1"):
        invoke("promote_challenger")
    assert served(competition) == (3, 1)
    with pytest.raises(boto3.client("ssm").exceptions.ParameterNotFound):
        mirrored()
    assert alarm_names() == set()


def test_a_challenger_that_does_not_exist_is_named(competition: Services) -> None:
    with pytest.raises(VersionNotFound, match="no version 9"):
        invoke("promote_challenger", challenger=9)
    assert served(competition) == (1, None)


# Roll Back


def test_a_rollback_gives_the_place_back_and_says_so(competition: Services) -> None:
    invoke("promote_challenger")
    answer = invoke("roll_back")
    assert answer["champion"] == 1
    assert answer["summary"] == (
        "version 2 was rolled back while it baked: perennial/health/iris/error-rate in alarm; "
        "version 1 serves again"
    )
    assert served(competition) == (1, None)
    assert mirrored()["version"] == 1
    assert [version.status for version in competition.registry.versions("iris")] == [
        "champion",
        "rolled_back",
    ]


def test_after_a_rollback_the_alarms_watch_the_version_that_serves(services: Services) -> None:
    services.registry.register(record(1, metrics={"accuracy": 0.8}))
    serve(services, 1)
    services.registry.register(record(2, run="sample-run", metrics={"accuracy": 0.95}))
    invoke("promote_challenger")
    invoke("roll_back")
    (alarm,) = boto3.client("cloudwatch").describe_alarms(AlarmNamePrefix="perennial/retrain/iris/")[
        "MetricAlarms"
    ]
    assert alarm["Threshold"] == pytest.approx(0.75)


def test_a_rollback_that_is_repeated_answers_the_same(competition: Services) -> None:
    invoke("promote_challenger")
    assert invoke("roll_back") == invoke("roll_back")
    assert len(competition.registry.audit("iris")) == 3


def test_the_first_champion_is_rolled_back_to_nobody(services: Services) -> None:
    services.registry.register(record(1))
    serve(services, 1, run="sample-run")
    answer = invoke("roll_back", champion=1, previous=None)
    assert answer["champion"] is None
    assert answer["summary"].endswith("no version serves")
    assert served(services) == (None, None)


def test_nothing_is_rolled_back_that_does_not_serve(competition: Services) -> None:
    with pytest.raises(AliasMoved, match="is version 1: expected 2"):
        invoke("roll_back")
    assert served(competition) == (1, None)


# Watch Instances


def launched(services: Services, *, attempt: int = 0) -> dict[str, Any]:
    """Launch, and the event of the instance's end ten minutes later."""
    answer = invoke("launch_trainer", attempt=attempt, token=f"token-{attempt}")
    ended = datetime.now(UTC) + timedelta(minutes=10)
    return {
        **event("watch_instances"),
        "time": ended.isoformat(),
        "detail": {"instance-id": answer["instance_id"], "state": "shutting-down"},
    }


def test_the_loss_of_a_trainer_is_told_to_its_run_and_paid_for(services: Services) -> None:
    end = launched(services)
    instance = end["detail"]["instance-id"]
    told = {
        "taskToken": "token-0",
        "error": "TrainerLost",
        "cause": f"instance {instance} is shutting-down and had not answered",
    }
    with Stubber(clients.client("stepfunctions")) as stepfunctions:
        stepfunctions.add_response("send_task_failure", {}, told)
        report = invoke("watch_instances", end)
        stepfunctions.assert_no_pending_responses()
    assert report == {"instance_id": instance, "run": "sample-run", "told": True}
    (attempt,) = services.attempts.of_run("iris", "sample-run")
    assert attempt.ended_at == datetime.fromisoformat(end["time"])
    assert attempt.minutes == pytest.approx(10, abs=0.1)
    assert attempt.price
    assert attempt.dollars == pytest.approx(attempt.price / 6, abs=1e-6)
    entry = services.ledger.run("sample-run")
    assert entry
    assert float(entry["training_dollars"]) == attempt.dollars


def test_the_ordinary_end_of_a_trainer_only_costs(
    services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    end = launched(services)
    capfd.readouterr()
    with Stubber(clients.client("stepfunctions")) as stepfunctions:
        for _ in range(2):  # shutting-down and terminated are both told
            stepfunctions.add_client_error("send_task_failure", "TaskTimedOut", "answered already")
        assert invoke("watch_instances", end)["told"] is False
        assert invoke("watch_instances", end)["told"] is False
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (counted,) = [line for line in lines if "TrainingCost" in line]
    (attempt,) = services.attempts.of_run("iris", "sample-run")
    assert (counted["Model"], counted["TrainingCost"]) == ("iris", [attempt.dollars])


def test_the_end_of_an_attempt_that_another_followed_fails_nobody(services: Services) -> None:
    end = launched(services)
    launched(services, attempt=1)
    with Stubber(clients.client("stepfunctions")):  # any call would be refused
        assert invoke("watch_instances", end)["told"] is False
