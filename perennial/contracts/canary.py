"""A challenger on a part of the requests: Try Canary."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from perennial.contracts.base import Contract, OfRun


class ServingCounts(Contract):
    """Requests that a version answered, and how many of them failed."""

    requests: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)


class CanaryStep(Contract):
    """One share of a canary, in per cent, as the last look at it left it.

    `champion`, `canary`: what each side counted in this step alone; `log_e`: the logarithm of the e-value of
    all steps up to here. `overtaken`: another champion serves by now.
    """

    share: int
    began_at: datetime
    looked_at: datetime
    champion: ServingCounts
    canary: ServingCounts
    log_e: float
    verdict: Literal["trying", "passed", "lost", "untested", "overtaken"]


class CanaryRecord(Contract):
    """A run's canary in the ledger, step by step; what `level` and `tolerance` are stands in BakePolicy."""

    version: int
    level: float
    tolerance: float
    steps: tuple[CanaryStep, ...]


class CanaryState(Contract):
    """How far a canary is: which step since when, what both sides counted, the logarithm of the e-value.

    `started_at`: of the whole canary; `step_at`: of this step, before which `seen` requests had come to it.
    `steps`: those before this one, and this one as it was last put on record.
    """

    version: int
    step: int = Field(ge=0)
    started_at: datetime
    step_at: datetime
    seen: int = Field(default=0, ge=0)
    champion: ServingCounts = ServingCounts()
    canary: ServingCounts = ServingCounts()
    log_e: float = 0.0
    steps: tuple[CanaryStep, ...] = ()


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
