"""A challenger on a part of the requests: Try Canary."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from perennial.contracts.base import Contract, OfRun


class ServingCounts(Contract):
    """Requests that a version answered, and how many of them failed."""

    requests: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)


class CanaryState(Contract):
    """How far a canary is: which step since when, what both sides counted, the logarithm of the e-value.

    `started_at`: of the whole canary; `step_at`: of this step, before which `seen` requests had come to it.
    """

    version: int
    step: int = Field(ge=0)
    started_at: datetime
    step_at: datetime
    seen: int = Field(default=0, ge=0)
    champion: ServingCounts = ServingCounts()
    canary: ServingCounts = ServingCounts()
    log_e: float = 0.0


class TryCanaryInput(OfRun):
    """`canary`: what the look before left; None before the first."""

    challenger: int
    champion: int | None
    reason: str
    canary: CanaryState | None


class CanaryLook(Contract):
    """`won` also where there is none to try. While `trying`, the next look is due after `wait_seconds`."""

    verdict: Literal["trying", "won", "lost", "untested"]
    reason: str
    canary: CanaryState | None
    wait_seconds: int = Field(default=1, ge=1)
