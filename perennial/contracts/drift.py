"""What was found of drift: Compute Drift."""

from datetime import datetime

from pydantic import Field

from perennial.contracts.base import Contract, OfRun
from perennial.contracts.words import CauseKind, ChangeKind, DriftKind


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
