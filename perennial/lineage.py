"""What is known of a version: where it came from, what it scored, what became of it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from perennial.contracts import Artifact, Contract, StoredObject, Strategy
from perennial.estimator_config import Estimator

Status = Literal["candidate", "champion", "archived", "rejected", "rolled_back"]


class Chosen(Contract):
    """An estimator that a search chose; `declared` is a digest of what the model file said then."""

    estimator: Estimator
    declared: str


class VersionRecord(Contract):
    """One immutable version in the registry; only `status` and who decided it ever change.

    `data` are the data objects it was trained on, `metrics` those of its own holdout at training time,
    `predictions` its answers to these rows and `importances` of its features on them (None where none were),
    `strategy` how its rows were chosen and weighed,
    `manifest` what it can be trained again from. `params` of the estimator, as the model file or a search
    gave them; `chosen` where a search did, its table being `search`. `notes`: what the fit did otherwise.
    `card`: all of it for people, with the digests of the other files.
    """

    model: str
    version: int
    status: Status
    run: str
    parent: int | None
    created_at: datetime
    estimator: str
    code_version: str
    seed: int
    rows_trained: int
    rows_held_out: int
    metrics: dict[str, float]
    artifact: Artifact
    baseline: Artifact
    holdout: Artifact
    reference: Artifact
    data: tuple[StoredObject, ...]
    libraries: dict[str, str]
    predictions: Artifact | None = None
    importances: Artifact | None = None
    strategy: Strategy | None = None
    manifest: Artifact | None = None
    params: dict[str, Any] = Field(default={})
    chosen: Chosen | None = None
    search: Artifact | None = None
    notes: tuple[str, ...] = ()
    card: Artifact | None = None


class Canary(Contract):
    """A challenger that answers a share (per cent) of the requests.

    After `until` nobody looks after it any more, whatever became of its run: the champion answers all.
    """

    version: int
    share: int
    until: datetime


class ChampionAlias(Contract):
    """Who serves, who served before, and since when; who is tried beside it."""

    model: str
    version: int | None
    previous: int | None
    changed_at: datetime
    run: str
    canary: Canary | None = None
