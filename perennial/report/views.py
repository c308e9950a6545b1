"""What the page is told: plain, frozen facts, read from wherever they lie by whoever asks for the page."""

from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from perennial.contracts.canary import ServingCounts
from perennial.contracts.evaluation import Gate
from perennial.contracts.words import DriftKind, Outcome, TriggerKind
from perennial.lineage import Status
from perennial.report.findings import DataView, FindingsView, PastView, PointView, View

StateStatus = Literal["succeeded", "failed", "caught", "aborted"]
EventKind = Literal["promoted", "rejected", "rolled_back", "quarantined", "failed"]
Share = float  # between 0 and 1


class StateView(View):
    """One state of one run, all its visits together.

    `caught` is a state whose error a Catch took; `failed` one that ended the run. `seconds` sums all visits.
    """

    name: str
    status: StateStatus
    entered: datetime
    seconds: float = Field(ge=0)
    visits: int = Field(default=1, ge=1)


class ColumnView(View):
    """One column, reference against current, and the verdict on it.

    A number's `edges` (one more than `labels`) bound its bins, in seconds since 1970 where it is a date-time;
    a category's `edges` are None and its labels
    are its levels. `reference` and `current` are shares, one per label. `p_value` is adjusted for the number
    of columns. `weight`: how much the model leans on it, 1 for the label and its answers.
    """

    name: str
    role: Literal["feature", "label", "answer"] = "feature"
    kind: Literal["number", "datetime", "category"]
    labels: tuple[str, ...]
    edges: tuple[float, ...] | None = None
    reference: tuple[Share, ...]
    current: tuple[Share, ...]
    drifted: bool
    significant: bool
    material: bool
    effect: float | None = None
    weight: float = 1.0
    p_value: float | None = None
    statistics: dict[str, float] = Field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if not len(self.labels) == len(self.reference) == len(self.current):
            raise ValueError(f"{self.name}: labels, reference and current differ in length")
        if self.edges is not None and len(self.edges) != len(self.labels) + 1:
            raise ValueError(f"{self.name}: {len(self.labels)} bins need {len(self.labels) + 1} edges")
        return self


class DecisionView(View):
    """What the policy decided, why, and what it turned down; `strategy` of the training, if there was one."""

    action: str
    summary: str
    reasons: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    strategy: str = ""
    strategy_reason: str = ""


class EvaluationView(View):
    """Champion against challenger on the same rows.

    `metrics` is flat: `champion.accuracy`, `challenger.accuracy`, `champion.known.accuracy`,
    `challenger.recent.accuracy`; other keys are listed as they are.
    """

    summary: str
    better: bool
    verdict: Literal["better", "worse", "inconclusive"] | None = None
    rows_missing: int = 0
    reasons: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was said beside the gates."""
        told = {gate.sentence for gate in self.gates}
        return tuple(reason for reason in self.reasons if reason not in told)


class CanaryStepView(View):
    """One share of a canary, in per cent: what both sides counted in this step, the e-value of all steps up
    to here, and the bound at which the canary is taken back.
    """

    share: int
    began_at: datetime
    looked_at: datetime
    champion: ServingCounts
    canary: ServingCounts
    e_value: float
    bound: float
    verdict: str


class RunView(View):
    """One run: how it was started, the path it took and what came of it.

    `path` names the states in the order they were entered, repeats included; where it is empty, `states`
    gives the order. `instance` is the type and market that it trained on last. `drift` holds the batch's
    columns, `answers` what the champion made of them; these, `findings` and what begins with `drift` are
    empty where nothing was compared. `approval`: what a person was asked and answered; `canary`: its
    steps; `moves`: the changes of the champion while the run was under way.
    """

    name: str
    title: str
    run: str
    started_at: datetime
    trigger: TriggerKind | None
    trigger_text: str = ""
    outcome: Outcome
    expected: Outcome | None = None
    reason: str
    champion_before: int | None
    champion_after: int | None
    challenger: int | None = None
    instance: str = ""
    instance_reason: str = ""
    states: tuple[StateView, ...]
    path: tuple[str, ...] = ()
    seconds: float = Field(ge=0)
    drift: tuple[ColumnView, ...] = ()
    drift_kinds: tuple[DriftKind, ...] = ()
    drift_summary: str = ""
    answers: tuple[ColumnView, ...] = ()
    findings: FindingsView | None = None
    data: DataView | None = None
    point: PointView | None = None
    decision: DecisionView | None = None
    evaluation: EvaluationView | None = None
    approval: tuple[str, ...] = ()
    canary: tuple[CanaryStepView, ...] = ()
    moves: tuple[str, ...] = ()

    @property
    def as_expected(self) -> bool:
        """Whether the outcome is the one expected; true where none was."""
        return self.expected is None or self.expected == self.outcome

    @property
    def looks(self) -> int:
        """How often a canary was looked at."""
        return self._visits("Let Canary Serve")

    @property
    def bake_checks(self) -> int:
        """How often the alarms were read while the promotion baked."""
        return self._visits("Read Alarms")

    def _visits(self, state: str) -> int:
        return sum(seen.visits for seen in self.states if seen.name == state)

    @cached_property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """The transitions taken, in order, repeats included."""
        path = self.path or tuple(state.name for state in self.states)
        return tuple(pairwise(path))


class Interval(View):
    """When a version was champion; `until` is None while it still is."""

    since: datetime
    until: datetime | None = None


class VersionView(View):
    """One version of the registry and the times it served."""

    version: int
    status: Status
    parent: int | None
    run: str
    created_at: datetime
    metric_name: str
    metric: float | None
    rows_trained: int
    champion: tuple[Interval, ...] = ()


class EventView(View):
    """Something that happened on the time line; `version` is None where it concerns no version."""

    at: datetime
    kind: EventKind
    version: int | None
    run: str
    text: str


class StoryView(View):
    """Everything on the page. `definition` is the state machine's, as deployed (Amazon States Language).

    `past`: earlier runs, oldest first; `single`: the page is about one run.
    """

    title: str
    model: str
    generated_at: datetime
    stack: str
    engine: str
    definition: dict[str, Any]
    runs: tuple[RunView, ...]
    versions: tuple[VersionView, ...] = ()
    events: tuple[EventView, ...] = ()
    past: tuple[PastView, ...] = ()
    single: bool = False

    @property
    def champion(self) -> int | None:
        """The version that serves at the end of the last run."""
        return self.runs[-1].champion_after if self.runs else None

    @property
    def all_as_expected(self) -> bool:
        """Whether every run ended as expected."""
        return all(run.as_expected for run in self.runs)
