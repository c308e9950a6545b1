"""What is known of a version: where it came from, what it scored, what became of it."""

from datetime import datetime
from typing import Literal

from perennial.contracts import Artifact, Contract, StoredObject, Strategy

Status = Literal["candidate", "champion", "archived", "rejected", "rolled_back"]


class VersionRecord(Contract):
    """One immutable version in the registry; only `status` and who decided it ever change.

    `data` are the data objects it was trained on, `metrics` those of its own holdout at training time,
    `predictions` its answers to these rows and `importances` of its features on them (None where none were),
    `strategy` how its rows were chosen and weighed,
    `manifest` what it can be trained again from.
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


class ChampionAlias(Contract):
    """Who serves, who served before, and since when."""

    model: str
    version: int | None
    previous: int | None
    changed_at: datetime
    run: str
