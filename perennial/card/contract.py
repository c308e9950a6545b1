"""The card as JSON, its parts named after M. Mitchell et al., Model Cards for Model Reporting, FAT* 2019."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from perennial.contracts.base import Contract
from perennial.contracts.objects import Artifact, AssembledObject
from perennial.contracts.strategy import Strategy


class Scored(Contract):
    """A metric with its 95 % interval; None where so few rows tell nothing. `method`: how it was found."""

    value: float
    low: float | None = None
    high: float | None = None
    method: str = ""


class ScoredSlice(Contract):
    """A part of the holdout: the rows whose `column` is as `name` says."""

    column: str
    name: str
    rows: int = Field(ge=0)
    metrics: dict[str, Scored]


class Spread(Contract):
    """Of a label: rows by class, the most frequent first, or quantiles of numbers."""

    classes: dict[str, int] = Field(default={})
    quantiles: dict[str, float] = Field(default={})


class Details(Contract):
    model: str
    version: int
    description: str
    task: str
    label: str
    features: tuple[str, ...]
    created_at: datetime
    estimator: str
    params: dict[str, Any]
    search: str = ""
    notes: tuple[str, ...]
    seed: int
    owner: str


class Words(Contract):
    """What the model file says; empty where it says nothing."""

    intended_use: str
    out_of_scope: str


class Measures(Contract):
    """How it is judged: `primary` metric, and the level of all intervals."""

    primary: str
    higher_is_better: bool
    level: float


class EvaluationData(Contract):
    """The holdout: `recent` of its rows came with the data that the run looked at."""

    rows: int
    recent: int
    share: float
    labels: Spread


class TrainingData(Contract):
    """What it learnt from. `since` and `until` are the times of its rows; `known` all rows that still count,
    `effective` as how many of equal weight they count."""

    rows: int
    known: int
    effective: float
    since: datetime | None
    until: datetime | None
    strategy: Strategy
    labels: Spread
    objects: tuple[AssembledObject, ...]


class Analyses(Contract):
    """Metrics on the whole holdout, by slice, and whether probabilities are what they say."""

    overall: dict[str, Scored]
    slices: tuple[ScoredSlice, ...]
    importances: dict[str, float]
    mean_confidence: float | None = None


class Lineage(Contract):
    run: str
    attempt: int
    parent: int | None
    code_version: str
    libraries: dict[str, str]


class ModelCard(Contract):
    """All that is known of a version when it was trained. Its cost is known later: see the run's record.

    `artifacts`: every other file of the version, with its digest.
    """

    format: Literal["perennial model card 1"] = "perennial model card 1"
    model_details: Details
    intended_use: Words
    factors: tuple[str, ...]
    metrics: Measures
    evaluation_data: EvaluationData
    training_data: TrainingData
    quantitative_analyses: Analyses
    ethical_considerations: str
    caveats_and_recommendations: tuple[str, ...]
    lineage: Lineage
    artifacts: dict[str, Artifact]
