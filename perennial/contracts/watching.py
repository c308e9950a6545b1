"""What is looked after beside the runs: Watch Runs, Watch Instances, Sweep Instances, Expire Versions."""

from datetime import datetime

from pydantic import ConfigDict, Field

from perennial.contracts.base import Contract


class WatchRunsInput(Contract):
    """What the clock says: `time` is when it was due."""

    time: datetime


class WatchedRuns(Contract):
    """The runs that hold a model, and those among them that hold it longer than they may."""

    at_work: tuple[str, ...]
    overdue: tuple[str, ...]


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
