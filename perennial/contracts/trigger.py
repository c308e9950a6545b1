"""Why a run starts, and what it is to look at: Resolve Trigger."""

from datetime import datetime
from typing import Any

from pydantic import Field

from perennial.contracts.base import Contract, OfRun
from perennial.contracts.words import BatchKind, TriggerKind


class Trigger(Contract):
    """Why a run was started, whichever way it was."""

    kind: TriggerKind
    reason: str
    at: datetime
    key: str | None = None
    alarm: str | None = None
    force: bool = False


class ResolveTriggerInput(Contract):
    """`started_at` is when the run began, `now` when it came to this state, which it may do again."""

    run: str
    started_at: datetime
    now: datetime
    event: dict[str, Any]


class Request(OfRun):
    """The one request that every trigger becomes.

    `wait_seconds`: uploads still come, the run is to wait so long and ask again.
    """

    trigger: Trigger
    runnable: bool
    reason: str
    champion: int | None
    batch: BatchKind | None
    objects: int = Field(ge=0)
    wait_seconds: int = Field(default=0, ge=0)
