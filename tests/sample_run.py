"""The stack as events/ suppose it: version 1 of iris serves, and the batch of `sample-run` has arrived.

Everything is put there through the AWS APIs and by the trainer's own code, on moto and on the embedded AWS
alike.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ec2_trainer.job import work
from perennial import layout
from perennial.aws.wiring import Services
from perennial.contracts.objects import Manifest, StoredObject
from perennial.contracts.training import TrainingJob, TrainingResult
from perennial.strategy import full
from scenarios.iris import first_season, season

RUN, MODEL = "sample-run", "iris"
KEY = "incoming/iris/2026-11-21/meadow.csv"
EVENTS = Path(__file__).resolve().parents[1] / "events"


@dataclass(frozen=True)
class Context:
    """What Lambda tells a handler of its invocation."""

    function_name: str
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:any"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"


def event(name: str) -> dict[str, Any]:
    """One of the sample events."""
    document: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return document


def csv(frame: pd.DataFrame) -> bytes:
    """A batch as a file."""
    return frame.to_csv(index=False).encode()


def known_season() -> pd.DataFrame:
    """What version 1 learns from."""
    return first_season()


def other_season() -> pd.DataFrame:
    """Flowers a third larger: data drift, with labels."""
    return season("meadow", rows=150, seed=11, scale=1.35)


def train(services: Services, version: int, run: str, champion: int | None) -> TrainingResult:
    """What the instance does; all accepted data is learnt from."""
    job = TrainingJob(
        run=run,
        model=MODEL,
        version=version,
        champion=champion,
        attempt=0,
        token="none",
        seed=7,
        code_version="code:1",
        max_seconds=600,
        strategy=full("all accepted data"),
    )
    services.ledger.note(run, attempt=job.attempt)
    return work(job, services, "i-0123456789abcdef0")


def first_champion(services: Services) -> None:
    """Accept the known season and let version 1 serve."""
    stored = services.data.put("accepted/iris/dt=2026-11-01/run-0/first.csv", csv(known_season()), "text/csv")
    manifest = Manifest(run="run-0", model=MODEL, kind="incoming", objects=(stored,))
    services.artifacts.put_json(layout.run_key("run-0", layout.MANIFEST), manifest.model_dump(mode="json"))
    version = services.registry.next_version(MODEL)
    train(services, version, "run-0", None)
    services.registry.move_champion(
        MODEL,
        expected=None,
        to=version,
        previous=None,
        left_as="archived",
        run="run-0",
        reason="the first",
        now=datetime.now(UTC),
    )


def arrive(services: Services, body: bytes | None = None, key: str = KEY) -> StoredObject:
    """Upload a batch."""
    return services.data.put(key, csv(other_season()) if body is None else body, "text/csv")
