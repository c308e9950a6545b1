"""Changes of the champion: the alias first, in one transaction, then everything that mirrors it."""

from datetime import datetime
from typing import Literal

from perennial.aws.announce import Announcer
from perennial.aws.registry import Registry
from perennial.config import ModelConfig


class Succession:
    """Promotion and rollback. Repeating what a run has done changes nothing; see `Registry.move_champion`."""

    def __init__(self, registry: Registry, announcer: Announcer) -> None:
        self._registry, self._announcer = registry, announcer

    def promote(
        self,
        config: ModelConfig,
        *,
        challenger: int,
        champion: int | None,
        run: str,
        reason: str,
        now: datetime,
    ) -> None:
        """Give the challenger the place of the champion that it was compared with.

        Raises AliasMoved where another version serves by now, VersionNotFound where there is no challenger.
        """
        self._registry.move_champion(
            config.name,
            expected=champion,
            to=challenger,
            previous=champion,
            left_as="archived",
            run=run,
            reason=reason,
            now=now,
        )
        self._tell(config, challenger, champion, run, "Model Promoted")

    def roll_back(
        self,
        config: ModelConfig,
        *,
        champion: int,
        to: int | None,
        run: str,
        reason: str,
        now: datetime,
    ) -> None:
        """Give the place back to an earlier version; to none where there was none before.

        Raises AliasMoved where another version serves by now, VersionNotFound where there is no such version.
        """
        self._registry.move_champion(
            config.name,
            expected=champion,
            to=to,
            previous=None,
            left_as="rolled_back",
            run=run,
            reason=reason,
            now=now,
        )
        self._tell(config, to, champion, run, "Model Rolled Back")

    def _tell(
        self,
        config: ModelConfig,
        serving: int | None,
        before: int | None,
        run: str,
        change: Literal["Model Promoted", "Model Rolled Back"],
    ) -> None:
        self._announcer.champion(config.name, serving, before, run, change)
        if serving is not None:
            self._announcer.watch(config, self._registry.version(config.name, serving))
