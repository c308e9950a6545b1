"""One instance for one attempt: on moto, with what earlier attempts may have left."""

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest

from perennial import layout
from perennial.aws.wiring import Services
from perennial.config import ModelConfig, load_model
from perennial.contracts.trigger import Trigger
from perennial.cost import Attempt
from perennial.errors import CallbackExpired, CapacityUnavailable, TrainerLost
from tests.integration.moto_support import NOW

RUN = "run-1"


def config(**training: Any) -> ModelConfig:
    known = load_model("iris")
    return known.model_copy(update={"training": known.training.model_copy(update=training)})


def launch(services: Services, number: int = 0, *, run: str = RUN, market: Any = "spot") -> Attempt:
    """What the function does."""
    services.attempts.begin(run, number)
    services.launcher.clear("iris", run, number, NOW)
    reserved = services.launcher.reserve(config(), run, number, NOW)
    return services.launcher.launch(reserved, market, f"token-{number}", NOW)


def alive(services: Services, run: str = RUN) -> list[str]:
    return [item.instance_id for item in services.fleet.of_run(run) if not item.gone]


def counted(capfd: pytest.CaptureFixture[str]) -> list[tuple[str, list[float]]]:
    """What was told to CloudWatch of costs: model and dollars."""
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    return [(line["Model"], line["TrainingCost"]) for line in lines if "TrainingCost" in line]


def test_an_attempt_knows_its_instance_its_price_and_where_that_is_from(services: Services) -> None:
    attempt = launch(services, market="on-demand")
    assert attempt.instance_type in attempt.types
    assert attempt.price == services.launcher.prices.price(str(attempt.instance_type), "us-east-1")
    assert (attempt.price_note, f"{attempt.prices_of}") == ("on demand", "2026-01-19")
    assert launch(services, 1).price_note == "spot, at the launch"
    assert services.attempts.of_run("iris", RUN)[0].instance_id == attempt.instance_id


def test_the_size_follows_the_accepted_data(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "c6i.large" in services.launcher.size(config()).types
    large = [
        item.model_copy(update={"size": 2 * 1024**3})
        for item in [services.data.put(f"{layout.accepted('iris')}x.csv", b"1")]
    ]
    monkeypatch.setattr(services.launcher.data, "list", lambda _: iter(large))
    sizing = services.launcher.size(config())
    assert sizing.types[0] == "r6i.xlarge"
    assert sizing.reason.startswith("2 GiB of accepted data may take 17.5 GiB to train on")


def test_the_same_attempt_twice_is_one_reservation(services: Services) -> None:
    services.attempts.begin(RUN, 0)
    first = services.launcher.reserve(config(), RUN, 0, NOW)
    assert services.launcher.reserve(config(cpus=8), RUN, 0, NOW + timedelta(seconds=5)) == first


def test_a_new_attempt_ends_the_instance_of_the_one_before_and_pays_for_it(
    services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = launch(services), launch(services, 1)
    assert alive(services) == [second.instance_id]
    ended, going = services.attempts.of_run("iris", RUN)
    assert ended.ended_at is not None
    assert ended.minutes >= 1
    assert (going.attempt, going.ended_at) == (1, None)
    assert first.instance_id == ended.instance_id
    assert counted(capfd) == [("iris", [ended.dollars])]


def test_an_instance_that_was_never_noted_is_found_by_its_tags_and_paid_for(services: Services) -> None:
    services.attempts.begin(RUN, 0)
    services.launcher.reserve(config(), RUN, 0, NOW)
    stray = services.fleet.launch(("c6i.large",), ("on-demand",), run=RUN, model="iris", attempt=0)
    second = launch(services, 1)
    assert alive(services) == [second.instance_id]
    (first, _) = services.attempts.of_run("iris", RUN)
    assert first.launched_at is not None
    assert first.dollars == pytest.approx(0.085 / 60, abs=1e-6)  # the minute that EC2 bills at least
    assert stray.instance_id != second.instance_id


def test_after_two_spot_instances_were_lost_the_third_is_on_demand(services: Services) -> None:
    assert [launch(services, number).market for number in range(3)] == ["spot", "spot", "on-demand"]


def test_attempts_without_an_instance_are_no_losses(
    services: Services, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def none(*_: Any, **__: Any) -> Any:
        raise CapacityUnavailable("none left")

    with monkeypatch.context() as patched:
        patched.setattr(type(services.fleet), "launch", none)
        for number in range(3):
            with pytest.raises(CapacityUnavailable):
                launch(services, number)
    assert services.attempts.month("iris", "2026-11").minutes == 0
    assert counted(capfd) == []
    assert launch(services, 3).market == "spot"


def test_an_instance_that_is_gone_before_it_is_noted_is_not_waited_for(
    services: Services, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    original = services.attempts.launched

    def lost_meanwhile(attempt: Attempt, instance_id: str, token: str) -> None:
        boto3.client("ec2").terminate_instances(InstanceIds=[instance_id])
        original(attempt, instance_id, token)

    monkeypatch.setattr(services.attempts, "launched", lost_meanwhile)
    with pytest.raises(TrainerLost, match="was terminated before the training began"):
        launch(services)
    assert services.attempts.open("iris") == []
    (lost,) = services.attempts.of_run("iris", RUN)
    assert counted(capfd) == [("iris", [lost.dollars])]
    assert lost.dollars


def test_a_launch_that_was_overtaken_leaves_no_instance(services: Services) -> None:
    """Two invocations at once: the first comes back from EC2 after the second has begun."""
    services.attempts.begin(RUN, 0)
    reserved = services.launcher.reserve(config(), RUN, 0, NOW)
    second = launch(services, 1)
    with pytest.raises(CallbackExpired):
        services.launcher.launch(reserved, "on-demand", "token-0", NOW)
    assert alive(services) == [second.instance_id]


def test_a_later_run_settles_what_no_event_told_of(services: Services) -> None:
    lost = launch(services)
    other = launch(services, run="run-2")
    assert alive(services) == [lost.instance_id]  # its run may still be going on
    services.ledger.open(RUN, "iris", Trigger(kind="upload", reason="x", at=NOW), None)
    services.ledger.note(RUN, outcome="failed", ended_at=(NOW + timedelta(minutes=7)).isoformat())
    services.launcher.clear("iris", "run-3", 0, NOW + timedelta(hours=1))
    (settled,) = services.attempts.of_run("iris", RUN)
    assert settled.ended_at is not None
    assert [item.run for item in services.attempts.open("iris")] == ["run-2"]
    assert alive(services) == []
    assert alive(services, "run-2") == [other.instance_id]
