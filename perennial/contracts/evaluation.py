"""Which version is better: Evaluate Challenger, Recall Version."""

from typing import Literal

from pydantic import Field

from perennial.contracts.base import Contract, OfRun
from perennial.contracts.strategy import Strategy


class EvaluateChallengerInput(OfRun):
    champion: int | None
    challenger: int
    training_seconds: float = Field(ge=0)


class Gate(Contract):
    """One condition of promotion: whether it was met, in a sentence, and by which numbers."""

    name: str
    passed: bool
    sentence: str
    numbers: dict[str, float] = Field(default={})


class Evaluation(Contract):
    """The verdict; `batch_suspect` when learning from the batch hurt on rows that the model knew.

    `better` is true for the verdict of that name alone. `worse`: a gate was not passed. `inconclusive`: all
    others were, and the holdout has about `rows_missing` rows too few to tell.
    """

    better: bool
    batch_suspect: bool
    verdict: Literal["better", "worse", "inconclusive"]
    rows_missing: int = Field(default=0, ge=0)
    summary: str
    reasons: tuple[str, ...]
    gates: tuple[Gate, ...]
    metrics: dict[str, float]


class RecallVersionInput(OfRun):
    champion: int | None
    strategy: Strategy


class Recalled(Contract):
    """The archived version that is better, None where none is; which were tried, and what was found."""

    version: int | None
    tried: tuple[int, ...]
    summary: str
    evaluation: Evaluation | None = None
