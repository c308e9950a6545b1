"""What a run did, state by state, read from its execution history."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_FAILED = ("TaskFailed", "LambdaFunctionFailed", "TaskTimedOut", "TaskSubmitFailed", "TaskStartFailed")


@dataclass(frozen=True)
class Visit:
    """One stay in one state; `left` is None while it lasts, `error` is what ended it otherwise than well."""

    state: str
    entered: datetime
    left: datetime | None
    error: str | None

    @property
    def seconds(self) -> float:
        """How long it lasted; 0 while it lasts."""
        return (self.left - self.entered).total_seconds() if self.left else 0.0


def visits(events: Iterator[dict[str, Any]]) -> list[Visit]:
    """The states of one run in the order they were entered.

    `events` are those of GetExecutionHistory, oldest first. The workflow has no Map and no Parallel,
    so a state is left before the next is entered.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
    """
    found: list[Visit] = []
    entered: tuple[str, datetime] | None = None
    error: str | None = None
    for event in events:
        kind, at = event["type"], event["timestamp"]
        if kind.endswith("StateEntered"):
            if entered:  # a Catch may leave a state without a StateExited event
                found.append(Visit(*entered, at, error))
            entered, error = (event["stateEnteredEventDetails"]["name"], at), None
        elif kind in _FAILED:
            error = next((d["error"] for d in event.values() if isinstance(d, dict) and "error" in d), kind)
        elif kind == "TaskSucceeded":
            error = None
        elif entered and (kind.endswith("StateExited") or kind.startswith("Execution")):
            found.append(Visit(*entered, at, error))
            entered, error = None, None
    if entered:
        found.append(Visit(*entered, None, error))
    return found


def events(client: Any, execution_arn: str) -> Iterator[dict[str, Any]]:
    """All events of one run, oldest first."""
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn, includeExecutionData=False
    )
    for page in pages:
        yield from page["events"]
