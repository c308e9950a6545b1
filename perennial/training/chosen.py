"""What a search found stays in force for the trainings after it, until the model file says something else."""

from perennial.artifacts import digest
from perennial.config import ModelConfig
from perennial.estimator_config import Estimator
from perennial.lineage import Chosen, VersionRecord


def chosen(config: ModelConfig, winner: Estimator) -> Chosen:
    """The winner of a search, and what the model file said when it was searched for."""
    return Chosen(estimator=winner, declared=_declared(config))


def in_force(config: ModelConfig, parent: VersionRecord | None) -> Chosen | None:
    """What was chosen for the version before, where the model file's `estimator` and `search` are still
    those of the search."""
    found = parent.chosen if parent else None
    return found if found and found.declared == _declared(config) else None


def _declared(config: ModelConfig) -> str:
    return digest(config.model_dump_json(include={"estimator", "search"}, by_alias=True).encode())
