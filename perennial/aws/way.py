"""How one training is to be carried out, from what was ordered and the champion of that time."""

from dataclasses import dataclass
from typing import Any

from perennial.artifacts import load
from perennial.aws.wiring import Services
from perennial.config import ModelConfig
from perennial.contracts.strategy import Strategy
from perennial.errors import VersionExpired, VersionNotFound
from perennial.lineage import Chosen, VersionRecord, gone
from perennial.training.chosen import in_force
from perennial.training.incremental import can_go_on


@dataclass(frozen=True)
class Way:
    """The model file with the estimator in force, the strategy that can be carried out, and what the fit is
    to be. `parent`: the champion's fitted pipeline, where the strategy goes on from it. `chosen`: by an
    earlier search."""

    config: ModelConfig
    strategy: Strategy
    ordered: Strategy
    parent: Any = None
    chosen: Chosen | None = None

    def fit_as(self, applied: Strategy) -> str:
        """The name of the strategy for the fit. An incremental one learns block by block even where all rows
        are learnt from: the next training can then go on from it."""
        return "incremental" if self.ordered.name == "incremental" else applied.name

    def parent_for(self, applied: Strategy) -> Any:
        """What to go on from, with the rows of the applied strategy."""
        return self.parent if applied.name == "incremental" else None


def find_way(services: Services, config: ModelConfig, ordered: Strategy, champion: int | None) -> Way:
    """Look at the champion. Raises ArtifactCorrupted, and VersionExpired where its files are gone."""
    before = _record(services, config.name, champion)
    earlier = in_force(config, before)
    if earlier and ordered.name != "search":
        config = config.model_copy(update={"estimator": earlier.estimator})
    if ordered.name != "incremental" or champion is None:
        return Way(config, ordered, ordered, chosen=earlier)
    if before is not None:
        if before.expired:
            raise VersionExpired(f"{gone(before)}; nothing can go on from it")
        body = services.artifacts.get(before.artifact.key, before.artifact.version_id)
        parent = load(body, before.artifact.sha256)
        if can_go_on(parent, config):
            return Way(config, ordered, ordered, parent, earlier)
    reason = f"version {champion} is no pipeline that this model file can go on from: all rows again"
    anew = ordered.model_copy(update={"name": "full", "reason": reason})
    return Way(config, anew, ordered, chosen=earlier)


def _record(services: Services, model: str, version: int | None) -> VersionRecord | None:
    """What is known of the champion; None where there is none, or nothing is known of it any more."""
    if version is None:
        return None
    try:
        return services.registry.version(model, version)
    except VersionNotFound:
        return None
