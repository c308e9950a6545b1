"""What to do about it: Decide."""

from perennial.contracts.base import Contract, OfRun
from perennial.contracts.batch import DataSummary
from perennial.contracts.drift import DriftSummary
from perennial.contracts.strategy import Strategy
from perennial.contracts.trigger import Trigger
from perennial.contracts.words import Action


class DecideInput(OfRun):
    champion: int | None
    trigger: Trigger
    data: DataSummary
    drift: DriftSummary


class Decision(Contract):
    """What to do, why, and what was turned down; `strategy` where it is to retrain."""

    action: Action
    summary: str
    reasons: tuple[str, ...]
    alternatives: tuple[str, ...]
    strategy: Strategy | None = None
