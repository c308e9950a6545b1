"""What each state of the workflow is given and what it leaves: typed, checked at every door.

The state itself carries only these small summaries. Everything larger lies in the artefact bucket under
`runs/<run>/`, where the functions find it by the run's name (see `perennial.layout`).
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TriggerKind = Literal["schedule", "upload", "alarm", "on_demand"]
Outcome = Literal["skipped", "quarantined", "promoted", "rejected", "rolled_back", "failed"]
BatchKind = Literal["incoming", "window"]
Action = Literal["skip", "alert", "retrain"]
DriftKind = Literal["data", "label", "prediction", "concept", "schema"]
CauseKind = Literal["data", "label", "prediction", "concept", "schema", "performance"]
StrategyName = Literal[
    "full", "window", "weighted", "incremental", "rehearsal", "replace", "recall", "search"
]
ChangeKind = Literal["sudden", "gradual", "recurring"]
Weighting = Literal["age", "batch", "labels"]


class Contract(BaseModel):
    """A frozen record; an unknown field is an error, so that a misspelt one cannot pass.

    A validator is built when it is first needed: importing all of them is part of every cold start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Trigger(Contract):
    """Why a run was started, whichever way it was."""

    kind: TriggerKind
    reason: str
    at: datetime
    key: str | None = None
    alarm: str | None = None
    force: bool = False


class StoredObject(Contract):
    """One object of a batch, pinned to its S3 version. `stored_at`: when S3 took that version in."""

    key: str
    version_id: str | None
    etag: str
    size: int = Field(ge=0)
    stored_at: datetime | None = None


class PinnedObject(Contract):
    """An object that a training reads. `recent`: its run looked at it."""

    stored: StoredObject
    recent: bool


class AssembledObject(PinnedObject):
    """An object that a training read: `rows_used` of its rows were labelled and new."""

    rows_read: int = Field(ge=0)
    rows_used: int = Field(ge=0)


class Manifest(Contract):
    """The objects that a run looks at: `incoming` ones are its to settle, a `window` was accepted before."""

    run: str
    model: str
    kind: BatchKind
    objects: tuple[StoredObject, ...]


class OfRun(Contract):
    """Every task after the first speaks of one run of one model."""

    run: str
    model: str


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


class ValidateDataInput(OfRun):
    champion: int | None


class DataSummary(Contract):
    valid: bool
    rows: int
    labelled_rows: int
    reasons: tuple[str, ...]


class SettleBatchInput(OfRun):
    started_at: datetime
    disposition: Literal["accepted", "quarantine"]
    reasons: tuple[str, ...]


class SettledBatch(Contract):
    disposition: Literal["accepted", "quarantine"]
    objects: int
    prefix: str


class ComputeDriftInput(OfRun):
    champion: int | None


class PerformanceSummary(Contract):
    """The champion's metric on current rows, with the interval that holds the truth with probability 0.95,
    beside that on its holdout.

    `drop` > 0 is worse, with its own interval of 0.95: the difference, or for metrics of error the growth
    relative to the holdout's. `allowed`: a smaller drop does not matter.
    """

    metric: str
    reference: float
    current: float
    low: float
    high: float
    rows: int
    higher_is_better: bool = True
    drop: float | None = None
    drop_low: float | None = None
    drop_high: float | None = None
    allowed: float = Field(default=0.05, ge=0)


class Observed(Contract):
    """How the champion did on one batch, as the ledger keeps it: measured by labels, estimated without."""

    measured: PerformanceSummary | None
    estimated: PerformanceSummary | None


class Finding(Contract):
    """How strong the evidence for one kind of drift is.

    `p_value`: the smallest of its tests, corrected for all tests of the check. `size`: the largest change
    found, in multiples of the smallest that matters; None where it has none (the schema). `lasting`: seen
    over several batches, by a test that accumulates.
    """

    kind: CauseKind
    p_value: float = Field(ge=0, le=1)
    size: float | None = Field(default=None, ge=0)
    lasting: bool = False


class ConceptChange(Contract):
    """The relation between features and label is another one than the champion learnt, `since` when.

    `batches` in a row showed it, this one included, by `rows` labelled rows that were looked at.
    """

    kind: ChangeKind
    since: datetime
    batches: int = Field(ge=1)
    rows: int = Field(ge=0)


class DriftSummary(Contract):
    """`compared` is false where there is no champion to compare with.

    `findings`: one for each of the kinds. `measured` needs labels; `estimated` does without, and is None
    where too little is known. `change`: how the errors of this run's rows went over to another level, if they
    did. `concept`: not only other rows come, but the same rows have other labels than the champion expects.
    """

    compared: bool
    drifted: bool
    kinds: tuple[DriftKind, ...]
    columns: tuple[str, ...]
    score: float
    summary: str
    findings: tuple[Finding, ...] = ()
    measured: PerformanceSummary | None = None
    estimated: PerformanceSummary | None = None
    change: ChangeKind | None = None
    concept: ConceptChange | None = None


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


class LaunchTrainerInput(OfRun):
    champion: int | None
    attempt: int = Field(ge=0)
    token: str
    strategy: Strategy


class Artifact(Contract):
    """A stored file that may be loaded only if its bytes have this digest."""

    key: str
    version_id: str | None
    sha256: str
    size: int


class TrainingJob(OfRun):
    """What the instance is told: read from `runs/<run>/job.json`, never from its user data.

    `instance_reason`: why it is of its type. `libraries`: the versions that the functions load models with.
    """

    version: int
    champion: int | None
    attempt: int
    token: str
    seed: int
    code_version: str
    max_seconds: int
    instance_reason: str = ""
    libraries: dict[str, str] = {}
    strategy: Strategy


class TrainingProgress(Contract):
    """How far an attempt at a training is, told with its heartbeats.

    `ends_at`: when its phase will probably end.
    """

    attempt: int = Field(ge=0)
    instance_id: str
    phase: str
    share: float = Field(ge=0, le=1)
    at: datetime
    ends_at: datetime | None = None


class TrainingManifest(Contract):
    """All that a version was trained from: with it the same training can be done again.

    `objects` in the order they were read; `strategy` as it was ordered, `parent` the champion of that time;
    `model_file` the text of the model file.
    """

    model: str
    version: int
    run: str
    parent: int | None
    strategy: Strategy
    seed: int
    code_version: str
    libraries: dict[str, str]
    model_file: Artifact
    objects: tuple[AssembledObject, ...]


class TrainingResult(Contract):
    """The callback's answer."""

    version: int
    instance_id: str
    rows_trained: int
    rows_held_out: int
    metrics: dict[str, float]
    seconds: float


class EvaluateChallengerInput(OfRun):
    champion: int | None
    challenger: int
    training_seconds: float = Field(ge=0)


class Gate(Contract):
    """One condition of promotion: whether it was met, in a sentence, and by which numbers."""

    name: str
    passed: bool
    sentence: str
    numbers: dict[str, float] = {}


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


class PromoteChallengerInput(OfRun):
    challenger: int
    champion: int | None
    reason: str


class Promotion(Contract):
    champion: int
    previous: int | None
    bake_checks: int = Field(ge=1)
    bake_interval_seconds: int = Field(ge=1)


class RollBackInput(OfRun):
    champion: int
    previous: int | None
    alarms: tuple[str, ...]


class RolledBack(Contract):
    champion: int | None
    summary: str


class WriteReportInput(OfRun):
    """The run has its outcome; the page says how it came about."""


class WrittenReport(Contract):
    """Where the page lies, as `aws s3 cp` takes it, and who serves as the run ends."""

    uri: str
    champion: int | None


class NotifyInput(OfRun):
    """A run that has its outcome, as people are told of it.

    `batch_at`: where its batch was moved to; None where it moved none. `report`: where its page lies, or why
    there is none. `error`: the name of the error of a run that failed.
    """

    outcome: Outcome
    reason: str
    champion: int | None
    report: str
    batch_at: str | None
    error: str | None


class Notified(Contract):
    """`told` is false where one of the kind was sent a moment ago; `held_back`: so many since that one."""

    told: bool
    held_back: int = Field(ge=0)


class WatchRunsInput(Contract):
    """What the clock says: `time` is when it was due."""

    time: datetime


class WatchedRuns(Contract):
    """The runs that hold a model, and those among them that hold it longer than they may."""

    at_work: tuple[str, ...]
    overdue: tuple[str, ...]


class LaunchedTrainer(Contract):
    """What launching left; the state's own output is the instance's answer."""

    instance_id: str
    version: int


class InstanceChange(Contract):
    model_config = ConfigDict(extra="ignore", frozen=True, validate_by_name=True, validate_by_alias=True)

    instance_id: str = Field(alias="instance-id")
    state: str


class InstanceStateChange(Contract):
    """EC2's own event.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    time: datetime
    detail: InstanceChange


class LossReport(Contract):
    instance_id: str
    run: str | None
    told: bool


class SweepInstancesInput(Contract):
    """`model`: one, or `*` for all that the stack serves. Instances are looked at of whatever model.
    `grace_minutes`: what is younger is left alone, since a launch and its note may be going on."""

    model: str
    grace_minutes: float = Field(default=10, ge=0)


class SweptInstances(Contract):
    """`ended`: instances, and why; `settled`: attempts; `told`: runs that waited for an instance that is
    gone."""

    ended: dict[str, str]
    settled: tuple[str, ...]
    told: tuple[str, ...]


class ExpireVersionsInput(Contract):
    """`model`: one, or `*` for all that the stack serves."""

    model: str


class ExpiredVersions(Contract):
    """By model, the versions whose files went."""

    versions: dict[str, tuple[int, ...]]


class ChampionOf(Contract):
    model_config = ConfigDict(extra="ignore", frozen=True)

    model: str


class ChampionChanged(Contract):
    """The stack's own event `Model Promoted` or `Model Rolled Back`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    detail: ChampionOf


class DeliveredChampion(Contract):
    """`version`: what lies ready now; None where no version serves."""

    model: str
    version: int | None


class RunStatus(Contract):
    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    status: Literal["ABORTED", "TIMED_OUT", "FAILED"]


class RunStatusChange(Contract):
    """Step Functions' own event.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    detail: RunStatus


class ClosedRun(Contract):
    """`recorded`: the outcome is from here, the run had none; `released`: it still held its model."""

    run: str
    recorded: bool
    released: bool
