"""What people say of a challenger: Ask For Approval."""

from typing import Literal

from pydantic import Field

from perennial.contracts.base import Contract, OfRun
from perennial.contracts.strategy import Strategy
from perennial.contracts.words import DriftKind


class AskApprovalInput(OfRun):
    """`reason` and `gates`: the evaluation's summary and what each gate said."""

    challenger: int
    champion: int | None
    reason: str
    gates: tuple[str, ...]
    metrics: dict[str, float]
    strategy: Strategy
    drift: tuple[DriftKind, ...]


class Approval(Contract):
    """Whether a challenger may serve, as far as people are concerned, and the reason with their word in it.

    While `waiting`, the question is put again after `wait_seconds`.
    """

    status: Literal["not_needed", "waiting", "approved", "refused", "expired"]
    reason: str
    wait_seconds: int = Field(default=1, ge=1)
