"""All that a decision may depend on, beside the policy and the time. Stored with it, so that it can be
replayed."""

from pydantic import AwareDatetime, Field

from perennial.contracts.base import Contract
from perennial.contracts.batch import DataSummary
from perennial.contracts.drift import DriftSummary, Finding
from perennial.contracts.trigger import Trigger
from perennial.contracts.words import Action, Outcome


class Check(Contract):
    """What an earlier run found and decided, as the ledger keeps it.

    `incoming`: its rows were new; those of a window had been looked at before. Over all checks of the same
    champion up to this one: `drifted_rows` of batches that drifted, and `waiting_labels`, labelled rows that
    no training has had. `labelled_rows`: of its own, where they were new.
    """

    run: str
    at: AwareDatetime
    champion: int | None
    incoming: bool
    action: Action
    findings: tuple[Finding, ...] = ()
    drifted_rows: int = Field(default=0, ge=0)
    waiting_labels: int = Field(default=0, ge=0)
    labelled_rows: int = Field(default=0, ge=0)


class Retrain(Contract):
    """An earlier training and what it gained: in the primary metric on the holdout, above 0 being better.

    `findings` and `drifted_rows` of the check that led to it; `dollars` of all its attempts, None where
    unknown.
    """

    run: str
    version: int
    parent: int | None
    at: AwareDatetime
    outcome: Outcome
    gain: float | None = None
    dollars: float | None = None
    findings: tuple[Finding, ...] = ()
    drifted_rows: int = Field(default=0, ge=0)


class Costs(Contract):
    """Dollars and instance minutes of a training, None where unknown: `expected` by earlier ones, or `most`.

    The month's are what its trainings took, reservations included. `refusal`: why the budget forbids one.
    """

    expected: float | None
    most: float | None
    most_minutes: float = Field(ge=0)
    month: float | None
    month_minutes: float = Field(ge=0)
    refusal: str | None = None


class Evidence(Contract):
    """What is known when the decision is taken; times are None for what never happened.

    `checks` and `retrains` are the latest, in any order. `alpha`: the chance of a false alarm per check.
    `costs` are only asked for where a training is wanted.
    """

    champion: int | None
    trained_at: AwareDatetime | None = None
    trigger: Trigger
    data: DataSummary
    drift: DriftSummary
    incoming: bool = True
    checks: tuple[Check, ...] = ()
    retrains: tuple[Retrain, ...] = ()
    last_retrained_at: AwareDatetime | None = None
    last_rolled_back_at: AwareDatetime | None = None
    costs: Costs | None = None
    alpha: float = Field(default=0.01, ge=0, le=1)

    @property
    def of_champion(self) -> list[Check]:
        """Earlier checks against the same champion that saw new rows, the latest first."""
        same = [check for check in self.checks if check.champion == self.champion and check.incoming]
        return sorted(same, key=lambda check: check.at, reverse=True)

    @property
    def drifted_rows(self) -> int:
        """Rows of the champion's batches that drifted, this one included."""
        before = next((check.drifted_rows for check in self.of_champion), 0)
        if not self.incoming:  # rows that were looked at when they came
            return max(before, self.data.rows if self.drift.drifted else 0)
        return before + (self.data.rows if self.drift.drifted else 0)

    @property
    def waiting_labels(self) -> int:
        """Labelled rows that came since the champion or a challenger was trained, this batch's included."""
        latest = next(iter(self.of_champion), None)
        before = latest.waiting_labels if latest and latest.action != "retrain" else 0
        here = self.data.labelled_rows
        return before + here if self.incoming else max(before, here)

    @property
    def trials(self) -> list[Retrain]:
        """Earlier trainings that had a champion to beat and were judged, the latest first."""
        judged = {"promoted", "rejected", "rolled_back"}
        found = [item for item in self.retrains if item.outcome in judged and item.parent is not None]
        return sorted(found, key=lambda item: (item.at, item.version), reverse=True)
