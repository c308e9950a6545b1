"""Runs on the deployed stack, each with a fault at a random moment of its training: `make bench-reliability`.

    python -m bench.reliability [--runs 220] [--seed 1] [--at-once 6]

Every run has a model and a batch of its own, and the workflow, the functions, the permissions and the user
data of the real template, on the embedded AWS. Two things are other than on AWS, so that a campaign takes an
hour and not a day: the workflow waits HEARTBEAT seconds for a heartbeat, and its retries and waits, like
EC2's two minutes of notice, last a part of their time. The tables go to docs/reliability.md.
"""

import argparse
import json
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from bench.reliability_judge import Ending, judge
from bench.reliability_table import write
from bench.story import speaking_to
from local import tree
from local.deploy import STACK, build, deploy
from local.engine import ROOT, Engine
from local.session import Session
from perennial.aws.clients import client
from perennial.aws.history import events
from scenarios import iris
from scenarios.stack import DeployedStack

HEARTBEAT = 45  # seconds; 300 in the workflow
WAITS = 0.2  # of the workflow's waits and retry delays
NOTICE = 0.1  # of EC2's two minutes
PATIENCE = 1200.0  # seconds for a run to end; then it counts as one without an outcome
REST = 90.0  # seconds for its instances to end after it
_LONG = 12.0  # seconds of an instance, on two busy cores

# What befalls, and how often; `for` says how long it lasts.
KINDS = {
    "kill": 3,
    "panic": 3,
    "terminate": 3,
    "interruption": 4,
    "rebalance": 1,
    "hang": 1,
    "network": 4,
    "disk": 3,
    "s3": 4,
    "callback": 4,
    "capacity": 3,
    "boot": 1,
}
LASTING = ("network", "disk", "s3", "callback")
MOMENTS = ("data loaded", "rows selected", "trained", "registered")  # lines of the trainer's log


def draw(number: int, seed: int) -> dict[str, Any]:
    """The fault of run `number`: the same for the same seed."""
    chance = random.Random(f"{seed} {number}")
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    fault: dict[str, Any] = {"kind": kind, "model": name(number)}
    if kind == "capacity":
        return fault | {"calls": chance.randint(1, 8)}
    if chance.random() < 0.75:
        fault["attempt"] = 0  # otherwise every attempt
    if chance.random() < 0.5:
        fault["after"] = round(chance.uniform(0, _LONG), 2)
    else:
        fault |= {"at": chance.choice(MOMENTS), "after": round(chance.uniform(0, 0.5), 2)}
    if kind in LASTING and chance.random() < 0.6:
        fault["for"] = round(chance.uniform(0.5, 10), 2)
    if kind == "callback":
        fault["error"] = chance.choice(["ThrottlingException", "AccessDeniedException"])
    return fault


def name(number: int) -> str:
    """The model of run `number`."""
    return f"model-{number:03d}"


class Faults:
    """The fault file, written anew as a whole whenever a fault comes or goes."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._faults: dict[str, dict[str, Any]] = {}

    def set(self, model: str, fault: dict[str, Any] | None) -> None:
        """Have this fault, or none, in store for a model."""
        with self._lock:
            self._faults.pop(model, None)
            if fault:
                self._faults[model] = fault
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps({"time_scale": NOTICE, "faults": list(self._faults.values())}))
            new.replace(self._path)


@dataclass
class Campaign:
    """The deployed stack, and what is in store for its models."""

    session: Session
    faults: Faults
    seed: int

    def play(self, number: int) -> Ending:
        """One run from its batch to its end, and what it left."""
        fault, model = draw(number, self.seed), name(number)
        self.faults.set(model, fault)
        stack = DeployedStack(STACK, model)
        flowers = iris.season(model, rows=90, seed=number)
        batch = flowers.to_csv(index=False).encode()
        began = time.monotonic()
        stack.upload("batch.csv", batch)
        run = stack.new_run(set(), PATIENCE)
        until = began + PATIENCE
        while stack.services.workflow.alive(run) and time.monotonic() < until:
            time.sleep(0.5)
        seconds = time.monotonic() - began
        until = time.monotonic() + REST
        while living(run) and time.monotonic() < until:
            time.sleep(0.5)
        self.faults.set(model, None)
        ending = judge(
            stack,
            run,
            batch,
            fault,
            seconds,
            errors(stack, run),
            self._consoles(stack, run),
            left=living(run),
        )
        _forget_alarms(model)  # the engine looks at each of them with every metric
        return ending

    def _consoles(self, stack: DeployedStack, run: str) -> list[str]:
        """The console logs of a run's instances; EC2 forgets one soon after its end."""
        attempts = stack.services.attempts.of_run(stack.model, run)
        paths = [self.session.console(one.instance_id) for one in attempts if one.instance_id]
        return [path.read_text(errors="replace") for path in paths if path.exists()]


def living(run: str) -> list[str]:
    """A run's instances that cost money."""
    filters = [
        {"Name": "tag:perennial:run", "Values": [run]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "shutting-down"]},
    ]
    pages = client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    return [
        instance["InstanceId"]
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]


def errors(stack: DeployedStack, run: str) -> list[str]:
    """The names of the errors in a run's history, in their order."""
    history = events(client("stepfunctions"), stack.services.workflow.execution_arn(run))
    return [
        details["error"]
        for event in history
        for details in event.values()
        if isinstance(details, dict) and "error" in details
    ]


def _forget_alarms(model: str) -> None:
    """The one above the others goes first: they cannot go while it depends on them."""
    cloudwatch = client("cloudwatch")
    found = cloudwatch.describe_alarms(MaxRecords=100, AlarmTypes=["CompositeAlarm", "MetricAlarm"])
    for kind in ("CompositeAlarms", "MetricAlarms"):
        names = [alarm["AlarmName"] for alarm in found[kind]]
        ours = [name for name in names if model in name.split("/")]
        if ours:
            cloudwatch.delete_alarms(AlarmNames=ours)


def prepare(scratch: Path, runs: int) -> Path:
    """A copy of the tree with a model for each run and a shorter patience for heartbeats, built."""
    common = yaml.safe_load((ROOT / "models" / "iris.yaml").read_text("utf-8")) | {
        "estimator": {
            "class": "sklearn.ensemble.RandomForestClassifier",
            "params": {"n_estimators": 40},
            "steps": 4,
        },
        "bake": {"duration": "1s", "check_every": "1s"},
    }
    copied = tree.copy(scratch / "tree", {name(n): common | {"name": name(n)} for n in range(runs)})
    path = copied / "statemachine" / "retraining.asl.json"
    machine = json.loads(path.read_text("utf-8"))
    machine["States"]["Train On EC2"]["HeartbeatSeconds"] = HEARTBEAT
    path.write_text(json.dumps(machine, indent=2), encoding="utf-8")
    build(copied)
    return copied


def campaign(runs: int, seed: int, at_once: int) -> list[Ending]:
    """Play all runs. What is left of the engine's directory is removed."""
    scratch = Path(tempfile.mkdtemp(prefix="perennial-reliability-"))
    try:
        copied = prepare(scratch, runs)
        engine = Engine(scratch / "engine", auth=True, settings={"SFN_WAIT_SCALE": str(WAITS)})
        with Session(engine) as session, speaking_to(engine):
            deploy(engine, copied)
            played = Campaign(session, Faults(engine.faults), seed)
            with ThreadPoolExecutor(at_once) as pool:
                return list(_told(pool.map(played.play, range(runs)), runs))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _told(endings: Iterable[Ending], runs: int) -> Iterable[Ending]:
    """Say of each what became of it, as it comes."""
    for number, ending in enumerate(endings, start=1):
        print(f"{number}/{runs} {ending.line()}", flush=True)
        yield ending


def main() -> None:
    """Play a campaign and write its tables; exit code 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=220)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=6)
    asked = parser.parse_args()
    began = time.monotonic()
    endings = campaign(asked.runs, asked.seed, asked.at_once)
    command = f"python -m bench.reliability --runs {asked.runs} --seed {asked.seed} --at-once {asked.at_once}"
    minutes = (time.monotonic() - began) / 60
    write(ROOT / "docs" / "reliability.md", endings, command, datetime.now(UTC), minutes, os.cpu_count() or 1)
    raise SystemExit(any(ending.broken for ending in endings))


if __name__ == "__main__":
    main()
