"""The deployed stack as an operator sees it: things are started from outside, and seen from outside."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pandas as pd

from perennial import layout
from perennial.aws import history
from perennial.aws.clients import client
from perennial.aws.wiring import Services, Settings

POLL = 0.2  # seconds; the engine is on this machine, and every look takes some of its time
PATIENCE = 120.0  # seconds


class DeployedStack:
    """Starts runs of one model the way they are started in production, and follows them to their end."""

    def __init__(self, name: str, model: str) -> None:
        self.services = Services(Settings.from_stack(name))
        self.name, self.model = name, model

    def upload(self, name: str, body: bytes) -> None:
        """Drop a file where batches arrive."""
        self.services.data.put(layout.incoming(self.model) + name, body)

    def upload_frame(self, name: str, frame: pd.DataFrame) -> None:
        """Drop a table as CSV."""
        self.upload(name, frame.to_csv(index=False).encode())

    def report_metric(self, name: str, value: float, count: int = 1) -> None:
        """Say what a service that serves this model would say."""
        client("cloudwatch").put_metric_data(
            Namespace="Perennial",
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": "Model", "Value": self.model}],
                    "Values": [value],
                    "Counts": [count],
                }
            ],
        )

    def let_schedule_fire(self) -> None:
        """Enable the stack's own schedule for a moment from now."""
        scheduler = client("scheduler")
        names = [item["Name"] for item in scheduler.list_schedules()["Schedules"]]
        schedules = [scheduler.get_schedule(Name=name) for name in names]
        (ours,) = [item for item in schedules if item["Target"]["Arn"] == self.services.workflow.arn]
        kept = {name: ours[name] for name in ("Name", "FlexibleTimeWindow", "Target")}
        soon = datetime.now(UTC) + timedelta(seconds=1)
        scheduler.update_schedule(**kept, ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})", State="ENABLED")

    def start_by_hand(self, reason: str, *, force: bool = False) -> None:
        """What `perennial run` does."""
        event = {"model": self.model, "reason": reason, "force": force}
        self.services.workflow.start(f"on-demand-{self.model}-{uuid4().hex[:12]}", event)

    def runs(self) -> set[str]:
        """The runs of the model so far."""
        return {entry["run"] for entry in self.services.ledger.runs(self.model, limit=200)}

    def new_run(self, known: set[str], patience: float = PATIENCE) -> str:
        """Wait for a run that is not among the known ones. Raises TimeoutError."""
        found = _until(lambda: self.runs() - known, patience, f"no new run of {self.model}")
        return min(found)

    def visits(self, run: str) -> list[history.Visit]:
        """The states of a run so far."""
        return history.visits(self._events(run))

    def follow(
        self, run: str, entered: Callable[[str], None] = lambda _: None, patience: float = PATIENCE
    ) -> dict[str, Any]:
        """Wait until a run ends, telling each state as it is entered; returns its entry in the ledger."""
        told = 0
        until = time.monotonic() + patience
        while True:
            alive = self.services.workflow.alive(run)
            seen = self.visits(run)
            for visit in seen[told:]:
                entered(visit.state)
            told = len(seen)
            if not alive:
                return self.services.ledger.run(run) or {}
            if time.monotonic() > until:
                raise TimeoutError(f"run {run} is still in {seen[-1].state} after {patience:.0f} s")
            time.sleep(POLL)

    def _events(self, run: str) -> Iterator[dict[str, Any]]:
        return history.events(client("stepfunctions"), self.services.workflow.execution_arn(run))


def _until[T](look: Callable[[], T], patience: float, failure: str) -> T:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(POLL)
    raise TimeoutError(f"{failure} within {patience:.0f} s")
