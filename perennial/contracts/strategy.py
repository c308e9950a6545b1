"""How a training learns."""

from datetime import datetime

from perennial.contracts.base import Contract
from perennial.contracts.words import StrategyName, Weighting


class Strategy(Contract):
    """Which accepted rows a training learns from and with what weights, and why.

    `since`: older rows count no more, neither for training nor for comparing. `seen_until`: up to then the
    parent has learnt from everything. `weights`: what weighted goes by. `fallback`: how to train where
    recall finds no archived version that is better.
    """

    name: StrategyName
    reason: str
    since: datetime | None = None
    seen_until: datetime | None = None
    weights: Weighting | None = None
    fallback: "Strategy | None" = None
