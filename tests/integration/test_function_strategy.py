"""From drift to what is learnt from, through the functions on moto: replaced, then recalled."""

import time
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from ec2_trainer.job import work
from perennial import layout
from perennial.aws.wiring import Services
from perennial.contracts.objects import Manifest
from perennial.contracts.strategy import Strategy
from perennial.contracts.training import TrainingJob
from perennial.contracts.trigger import Trigger
from scenarios.iris import mislabelled, season
from tests.integration.function_support import invoke
from tests.sample_run import arrive, csv, first_champion


def accepted(services: Services, run: str, frame: pd.DataFrame, champion: int) -> dict[str, Any]:
    """A run as far as its decision; what Decide left. S3 tells arrivals by the second: in one of its own."""
    before = int(time.time())
    while int(time.time()) == before:
        time.sleep(0.01)
    services.ledger.open(run, "iris", Trigger(kind="upload", reason="x", at=datetime.now(UTC)), champion)
    stored = arrive(services, csv(frame), f"incoming/iris/{run}.csv")
    manifest = Manifest(run=run, model="iris", kind="incoming", objects=(stored,))
    services.artifacts.put_json(layout.run_key(run, layout.MANIFEST), manifest.model_dump(mode="json"))
    data = invoke("validate_data", run=run, champion=champion)
    invoke("settle_batch", run=run, disposition="accepted", reasons=[])
    drift = invoke("compute_drift", run=run, champion=champion)
    return invoke("decide", run=run, champion=champion, data=data, drift=drift)


def trained(services: Services, run: str, strategy: dict[str, Any], version: int, champion: int) -> None:
    services.ledger.note(run, attempt=0)
    job = TrainingJob(
        run=run,
        model="iris",
        version=version,
        champion=champion,
        attempt=0,
        token="none",
        seed=7,
        code_version="code:1",
        max_seconds=600,
        strategy=Strategy.model_validate(strategy),
    )
    work(job, services, "i-0123456789abcdef0")


def promoted(services: Services, run: str, version: int, champion: int) -> None:
    invoke("promote_challenger", run=run, challenger=version, champion=champion, reason="better")
    services.ledger.note(run, outcome="promoted", ended_at="2026-01-01T00:00:00.000Z")


def test_a_concept_is_replaced_once_two_batches_agree_and_recalled_when_it_is_back(
    services: Services,
) -> None:
    first_champion(services)
    first = accepted(services, "one", mislabelled(season("one", rows=240, seed=1)), 1)
    assert first["strategy"]["name"] == "rehearsal"
    second = accepted(services, "two", mislabelled(season("two", rows=240, seed=2)), 1)
    strategy = second["strategy"]
    assert strategy["name"] == "replace"
    assert any(refused.startswith("full: ") for refused in second["alternatives"])

    trained(services, "two", strategy, 2, 1)
    record = services.registry.version("iris", 2)
    assert record.strategy
    assert record.strategy.name == "replace"
    assert 250 < record.rows_trained + record.rows_held_out <= 480
    evaluation = invoke("evaluate_challenger", run="two", champion=1, challenger=2)
    assert evaluation["better"] is True
    promoted(services, "two", 2, 1)

    back = accepted(services, "three", season("three", rows=200, seed=3), 2)
    assert (back["strategy"]["name"], back["strategy"]["fallback"]["name"]) == ("recall", "rehearsal")
    recalled = invoke("recall_version", run="three", champion=2, strategy=back["strategy"])
    assert (recalled["version"], recalled["tried"]) == (1, [1])
    assert recalled["evaluation"]["better"] is True
    promoted(services, "three", 1, 2)
    statuses = {record.version: record.status for record in services.registry.versions("iris")}
    assert statuses == {1: "champion", 2: "archived"}

    later = accepted(services, "four", season("four", rows=200, seed=4, scale=2.0), 1)
    assert later["strategy"]["since"] == back["strategy"]["since"]


def test_a_version_that_does_not_fit_is_not_recalled(services: Services) -> None:
    first_champion(services)
    accepted(services, "one", season("one", rows=200, seed=1, scale=2.0), 1)
    trained(services, "one", {"name": "full", "reason": "x"}, 2, 1)
    promoted(services, "one", 2, 1)
    decision = accepted(services, "two", mislabelled(season("two", rows=240, seed=2)), 2)
    assert decision["strategy"]["name"] == "recall"
    recalled = invoke("recall_version", run="two", champion=2, strategy=decision["strategy"])
    assert (recalled["version"], recalled["tried"], recalled["evaluation"]) == (None, [1], None)
    assert "version 1 does not fit" in recalled["summary"]
    assert (services.ledger.run("two") or {}).get("recalled") is None
