"""Assembling a training's rows beside pyarrow's plain reading of the same file; what iris takes the trainer.

Each figure is of a process of its own. Memory is the proportional set size (Pss) at its peak above that
before, beside the size of what is assembled. `python -m bench.assembly`
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from bench.story import MEGABYTE, pss

if TYPE_CHECKING:
    from perennial.assembly import Assembled

ROWS, PARTS = 5_000_000, 10
SPEED_LIMIT = 0.5  # of pyarrow's plain reading
MEMORY_LIMIT = 2.0  # times what is assembled
OVERHEAD_LIMIT = 3.0  # seconds
REPEATS = 3


def write(path: Path) -> None:
    """15 columns of numbers, 5 of strings, without a row twice."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bench.drift_speed import mixed

    with pq.ParquetWriter(path, pa.Table.from_pandas(mixed(1, 0), preserve_index=False).schema) as writer:
        for part in range(PARTS):
            writer.write_table(pa.Table.from_pandas(mixed(ROWS // PARTS, part), preserve_index=False))


def timed(path: Path) -> dict[str, float]:
    """pyarrow alone and the assembly in turns, so that both meet what else the machine does: seconds of the
    fastest of each, and processor seconds of the least."""
    import pyarrow.parquet as pq

    calls: dict[str, Callable[[], object]] = {
        "read": lambda: pq.read_table(path),
        "assembly": lambda: _assembled(path),
    }
    _assembled(path.with_name("small.parquet"))  # imports
    took: dict[str, list[float]] = {}
    for _ in range(REPEATS):
        for name, call in calls.items():
            seconds, processor = time.perf_counter(), time.process_time()
            call()
            took.setdefault(name, []).append(time.perf_counter() - seconds)
            took.setdefault(f"{name}, processor", []).append(time.process_time() - processor)
    return {name: min(each) for name, each in took.items()}


def weighed(path: Path) -> dict[str, float]:
    """What the assembly took in memory, and what it came to."""
    _assembled(path.with_name("small.parquet"))
    peak = _Peak()
    with peak:
        rows = _assembled(path)
        size = sum(int(frame.memory_usage(deep=True).sum()) for frame in (rows.training, rows.holdout))
    size += rows.times.nbytes + rows.held_times.nbytes + rows.recent.nbytes + rows.held_recent.nbytes
    assert len(rows) == ROWS
    return {"size": size / MEGABYTE, "extra": peak.extra / MEGABYTE}


def _assembled(path: Path) -> "Assembled":
    from bench.drift_speed import model
    from perennial.assembly import Source, assemble
    from perennial.contracts.objects import StoredObject

    key = "accepted/speed/dt=2026-01-01/run/rows.parquet"
    stored = StoredObject(key=key, version_id=None, etag="", size=0)
    return assemble([Source(path, stored, recent=False)], model())


class _Peak:
    """The most memory of this process above that at the start, looked at again and again."""

    def __init__(self) -> None:
        self.extra = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._before = pss("self")
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.extra = max(self.extra, pss("self") - self._before)


def trained(path: Path) -> dict[str, dict[str, float]]:
    """Seconds and processor seconds of each phase of one training of iris, S3 and DynamoDB played in the same
    process; the name of the path is when the process was started."""
    from ec2_trainer import job as trainer
    from perennial import layout
    from perennial.contracts.training import TrainingJob
    from perennial.strategy import full
    from scenarios.iris import first_season

    begun, imported = (float(path.name), 0.0), (time.time(), time.process_time())
    from moto import mock_aws

    with mock_aws():
        services = _stack()
        services.data.put(
            "accepted/iris/dt=2026-01-01/run/x.csv", first_season().to_csv(index=False).encode()
        )
        manifest = {"run": "run", "model": "iris", "kind": "incoming", "objects": []}
        services.artifacts.put_json(layout.run_key("run", layout.MANIFEST), manifest)
        services.ledger.note("run", attempt=0)
        job = TrainingJob(
            run="run",
            model="iris",
            version=1,
            champion=None,
            attempt=0,
            token="none",  # noqa: S106 - there is no run
            seed=7,
            code_version="bench",
            max_seconds=600,
            strategy=full("all accepted data"),
        )
        phases: list[tuple[str, tuple[float, float]]] = []

        def note(phase: str, share: float) -> None:  # noqa: ARG001 - as it is told
            phases.append((phase, (time.time(), time.process_time())))

        note("load", 0)
        trainer.work(job, services, "i-0", progress=note)
        note("end", 0)
    at = dict(reversed(phases))  # of each phase its beginning
    spans = {
        "start and libraries": (begun, imported),
        "load": (at["load"], at["fit"]),
        "fit and score": (at["fit"], at["store"]),
        "store and register": (at["store"], at["end"]),
    }
    return {
        name: {"seconds": end[0] - start[0], "processor": end[1] - start[1]}
        for name, (start, end) in spans.items()
    }


def _stack() -> Any:
    import boto3

    from perennial.aws.wiring import Services, Settings

    for name in ("data", "artifacts"):
        boto3.client("s3").create_bucket(Bucket=name)
    key = [("pk", "HASH"), ("sk", "RANGE")]
    boto3.client("dynamodb").create_table(
        TableName="table",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in key],  # type: ignore[typeddict-item]
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in key],
        BillingMode="PAY_PER_REQUEST",
    )
    return Services(Settings(stack="bench", data_bucket="data", artifact_bucket="artifacts", table="table"))


def _apart(what: str, path: Path) -> Any:
    environment = {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PERENNIAL_LOG_LEVEL": "ERROR",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.assembly", what, str(path)],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return json.loads(done.stdout.splitlines()[-1])


def tables() -> list[Table]:
    """Assembly, and the phases of a training."""
    with tempfile.TemporaryDirectory(prefix="perennial-bench-") as folder:
        path = Path(folder) / "rows.parquet"
        write(path)
        _small(path)
        speed, memory = _apart("time", path), _apart("weigh", path)
    result = Table(title=f"{ROWS:,} rows x 20 from Parquet to a training's rows", title_justify="left")
    result.add_column(f"load {os.getloadavg()[0]:.1f} on {os.process_cpu_count()} cores")
    for heading in ("came", "processor", "limit"):
        result.add_column(heading, justify="right")
    for title, name in (("pyarrow's plain reading", "read"), ("assembly", "assembly")):
        result.add_row(title, f"{speed[name]:.2f} s", f"{speed[f'{name}, processor']:.2f} s", "")
    ratio = speed["read"] / speed["assembly"]
    of_processor = speed["read, processor"] / speed["assembly, processor"]
    result.add_row(
        "of its speed",
        _held(f"{ratio:.2f}", ratio >= SPEED_LIMIT),
        f"{of_processor:.2f}",
        f"at least {SPEED_LIMIT:.1f}",
    )
    result.add_row("what is assembled", f"{memory['size']:.0f} MB", "", "")
    times = memory["extra"] / memory["size"]
    result.add_row(
        "memory, of that", _held(f"{times:.2f} x", times < MEMORY_LIMIT), "", f"{MEMORY_LIMIT:.0f} x"
    )

    phases = _apart("train", Path(f"{time.time():.3f}"))
    seconds, processor = (
        sum(of[clock] for name, of in phases.items() if name != "fit and score")
        for clock in ("seconds", "processor")
    )
    training = Table(title="One training of iris, by phases", title_justify="left")
    training.add_column("")
    for heading in ("seconds", "processor", "limit"):
        training.add_column(heading, justify="right")
    for name, took in phases.items():
        training.add_row(name, f"{took['seconds']:.2f}", f"{took['processor']:.2f}", "")
    training.add_row(
        "all but fit and score",
        _held(f"{seconds:.2f}", seconds < OVERHEAD_LIMIT),
        f"{processor:.2f}",
        f"{OVERHEAD_LIMIT:.0f}",
    )
    return [result, training]


def _small(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bench.drift_speed import mixed

    pq.write_table(pa.Table.from_pandas(mixed(100, 1), preserve_index=False), path.with_name("small.parquet"))


def _held(text: str, holds: bool) -> str:
    return f"[{'green' if holds else 'bold red'}]{text}[/]"


def main(arguments: list[str]) -> None:
    """Without arguments the tables; else one measurement of a process of its own, as JSON."""
    if arguments:
        what = {"time": timed, "weigh": weighed, "train": trained}[arguments[0]]
        print(json.dumps(what(Path(arguments[1]))))
        return
    from rich.console import Console

    for table in tables():
        Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
