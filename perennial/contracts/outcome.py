"""What is told of a run: Write Report, Notify, Close Run."""

from typing import Literal

from pydantic import ConfigDict, Field

from perennial.contracts.base import Contract, OfRun
from perennial.contracts.words import Outcome


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
    """`recorded`: the outcome is from here, the run had none; `released`: it still held its model.

    `canary`: the version whose share of the requests was ended.
    """

    run: str
    recorded: bool
    released: bool
    canary: int | None = None
