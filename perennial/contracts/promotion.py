"""Who serves: Promote Challenger, Roll Back, Deliver Champion."""

from pydantic import ConfigDict, Field

from perennial.contracts.base import Contract, OfRun


class PromoteChallengerInput(OfRun):
    challenger: int
    champion: int | None
    reason: str


class Promotion(Contract):
    champion: int
    previous: int | None
    bake_checks: int = Field(ge=1)
    bake_interval_seconds: int = Field(ge=1)


class RollBackInput(OfRun):
    champion: int
    previous: int | None
    alarms: tuple[str, ...]


class RolledBack(Contract):
    champion: int | None
    summary: str


class ChampionOf(Contract):
    model_config = ConfigDict(extra="ignore", frozen=True)

    model: str


class ChampionChanged(Contract):
    """The stack's own event `Model Promoted` or `Model Rolled Back`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    detail: ChampionOf


class DeliveredChampion(Contract):
    """`version`: what lies ready now; None where no version serves."""

    model: str
    version: int | None
