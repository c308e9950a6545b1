"""A training, from its order to its end: Launch Trainer."""

from datetime import datetime

from pydantic import Field

from perennial.contracts.base import Contract, OfRun
from perennial.contracts.objects import Artifact, AssembledObject
from perennial.contracts.strategy import Strategy


class LaunchTrainerInput(OfRun):
    champion: int | None
    attempt: int = Field(ge=0)
    token: str
    strategy: Strategy


class LaunchedTrainer(Contract):
    """What launching left; the state's own output is the instance's answer."""

    instance_id: str
    version: int


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
    libraries: dict[str, str] = Field(default={})
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
