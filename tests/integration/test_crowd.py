"""A hundred runs resolve an upload of one model in the same moment: one batch, and nothing lost.

The function runs in this process, so that all hundred really meet at the lock and not at the cold start.
"""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import boto3
import pytest

from functions.resolve_trigger import app
from local.engine import Engine
from perennial.aws import clients, handler
from perennial.aws.wiring import Services, Settings
from perennial.config import models_dir
from tests.integration import moto_support
from tests.sample_run import Context

RUNS = 100
ROLE = "arn:aws:iam::000000000000:role/any"


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A stack whose runs go on until they are stopped, and a model that gathers uploads for a minute."""
    text = (models_dir() / "iris.yaml").read_text("utf-8").replace("debounce: 0s", "debounce: 60s")
    (tmp_path / "iris.yaml").write_text(text, "utf-8")
    with Engine(tmp_path / "engine") as engine:
        for name, value in engine.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the first credentials that it meets
        clients.client.cache_clear()
        handler.services.cache_clear()
        environment = moto_support.create_stack("crowd", moto_support.create_table("crowd-table").name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield Services(Settings.from_environment())
    clients.client.cache_clear()
    handler.services.cache_clear()


def key(number: int) -> str:
    return f"incoming/iris/{number:03d}.csv"


def resolve(number: int, now: datetime) -> dict[str, Any]:
    """What the workflow's first task does for the run of upload `number`."""
    event = {"source": "aws.s3", "detail": {"object": {"key": key(number)}}}
    began = now.isoformat()
    given = {"run": f"run-{number:03d}", "started_at": began, "now": began, "event": event}
    return app.handler(given, Context("resolve_trigger"))


def at_once(now: datetime) -> list[dict[str, Any]]:
    """All runs, none before the others."""
    ready = Barrier(RUNS)

    def one(number: int) -> dict[str, Any]:
        ready.wait()
        return resolve(number, now)

    with ThreadPoolExecutor(RUNS) as pool:
        return list(pool.map(one, range(RUNS)))


def test_hundred_uploads_at_once_become_one_batch(deployed: Services) -> None:
    workflow = moto_support.Executions(boto3.client("stepfunctions"), deployed.settings.state_machine_arn)
    bodies = [f"flower {number}".encode() for number in range(RUNS)]
    for number, body in enumerate(bodies):
        deployed.data.put(key(number), body)
        workflow.start(f"run-{number:03d}")

    now = datetime.now(UTC)
    answers = at_once(now)

    (collecting,) = [answer for answer in answers if answer["wait_seconds"]]
    holder = collecting["run"]
    assert deployed.lock.holder("iris") == holder
    assert not any(answer["runnable"] for answer in answers)
    others = [answer for answer in answers if answer["run"] != holder]
    assert all(answer["reason"].startswith(f"coalesced: run {holder} waits") for answer in others)
    into = Counter(entry.get("coalesced_into") for entry in deployed.ledger.runs("iris", limit=RUNS))
    assert into == {holder: RUNS - 1, None: 1}

    settled = resolve(int(holder.removeprefix("run-")), now + timedelta(seconds=61))
    assert (settled["runnable"], settled["objects"]) == (True, RUNS)
    manifest = json.loads(deployed.artifacts.get(f"runs/{holder}/manifest.json"))
    assert [item["key"] for item in manifest["objects"]] == [key(number) for number in range(RUNS)]
    assert [deployed.data.get(item["key"], item["version_id"]) for item in manifest["objects"]] == bodies

    # every event comes a second time while the batch is worked on
    assert not any(answer["runnable"] for answer in at_once(now) if answer["run"] != holder)
