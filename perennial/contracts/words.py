"""The words that contracts, records and pages share."""

from typing import Literal

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
