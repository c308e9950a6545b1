"""What was found out about a batch, beside its columns one by one: plain, frozen facts for the page."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from perennial.contracts.words import Outcome, TriggerKind

ChangeKind = Literal["sudden", "gradual", "recurring"]


class View(BaseModel):
    """A frozen record; a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LevelView(View):
    """A score with the interval that holds the truth with probability 0.95, on so many rows."""

    value: float
    low: float
    high: float
    rows: int


class PerformanceView(View):
    """The champion's primary metric: on its own holdout, on the batch's labels, and by an estimate without
    them. `known` is false where the batch is too unlike what the champion was measured on.
    """

    metric: str
    reference: LevelView
    measured: LevelView | None = None
    estimated: LevelView | None = None
    known: bool = True
    drifted: bool = False
    p_value: float | None = None
    words: str = ""


class ErrorChangeView(View):
    """One change of the level of errors over the rows seen in service."""

    kind: ChangeKind
    words: str
    worse: bool
    seconded: bool


class EvidenceView(View):
    """A test of the whole table."""

    name: str
    reason: str
    p_value: float
    effect: float
    significant: bool
    material: bool


class LeaningView(View):
    """How much the model leans on a feature: shares that sum to 1, on its holdout and on the batch."""

    name: str
    reference: float
    current: float | None = None


class AccumulatedView(View):
    """What all batches since the version began have in common; `p_value` may be looked at after each."""

    p_value: float
    alpha: float
    effect: float
    batches: int
    columns: tuple[str, ...]
    significant: bool
    drifted: bool
    reason: str


class PointView(View):
    """What one run says of a version over its life."""

    run: str
    at: datetime
    champion: int
    performance: PerformanceView | None = None
    accumulated: AccumulatedView | None = None
    drifted: bool = False


class FindingsView(View):
    """Everything that Compute Drift found but the columns. `reasons` are ranked by likely impact."""

    drifted: bool
    reasons: tuple[str, ...] = ()
    reference_rows: int = 0
    current_rows: int = 0
    tests: int = 0
    alpha: float = 0.01
    performance: PerformanceView | None = None
    changes: tuple[ErrorChangeView, ...] = ()
    together: tuple[EvidenceView, ...] = ()
    schema_changes: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    answers: str = ""
    leanings: tuple[LeaningView, ...] = ()
    leaning_words: str = ""
    accumulated: AccumulatedView | None = None


class ProblemView(View):
    """A rule that the batch breaks."""

    rule: str
    column: str | None
    rows: int
    message: str


class DataView(View):
    """What validation found: problems refuse the batch, warnings do not. `bad`: wrong values by column."""

    valid: bool
    rows: int = Field(default=0, ge=0)
    labelled_rows: int = Field(default=0, ge=0)
    problems: tuple[ProblemView, ...] = ()
    warnings: tuple[str, ...] = ()
    bad: dict[str, int] = {}


class PastView(View):
    """An earlier run, in a line of a table."""

    run: str
    started_at: datetime
    trigger: TriggerKind | None
    outcome: Outcome
    reason: str
    champion: int | None
    point: PointView | None = None
