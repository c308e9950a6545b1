"""Changes of the champion: the alias first, in one transaction, then everything that mirrors it."""

from datetime import datetime
from typing import Literal

from perennial.aws.alarms import Alarms
from perennial.aws.announce import Announcer
from perennial.aws.registry import Registry
from perennial.config import ModelConfig
from perennial.errors import AliasMoved
from perennial.lineage import Canary, Status

type Change = Literal["Model Promoted", "Model Rolled Back"]


class Succession:
    """Promotion, rollback and canaries. Repeating what a run has done changes nothing.

    Every change raises AliasMoved where another version serves by now than the one that it names, and
    VersionNotFound where there is no version to go to.
    """

    def __init__(self, registry: Registry, announcer: Announcer, alarms: Alarms) -> None:
        self._registry, self._announcer, self._alarms = registry, announcer, alarms

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
        """Give the challenger the place of the champion that it was compared with; a canary ends with it."""
        self._move(config, champion, challenger, "Model Promoted", run, reason, now)

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
        """Give the place back to an earlier version; to none where there was none before."""
        if not self._move(config, champion, to, "Model Rolled Back", run, reason, now):
            raise AliasMoved(f"{run} has rolled back to version {to} already, and it was taken back since")

    def try_canary(
        self,
        config: ModelConfig,
        *,
        champion: int | None,
        challenger: int,
        share: int,
        until: datetime,
        run: str,
        announce: bool,
    ) -> None:
        """Let the challenger answer a share of the requests until a moment, unless that is renewed."""
        canary = Canary(version=challenger, share=share, until=until, run=run)
        self._registry.set_canary(config.name, expected=champion, canary=canary)
        self._mirror(config.name, run, "Canary Changed" if announce else None)

    def end_canary(
        self,
        config: ModelConfig,
        *,
        champion: int | None,
        challenger: int,
        left_as: Status,
        run: str,
        reason: str,
        now: datetime,
    ) -> None:
        """Let the champion answer all requests again."""
        self._registry.end_canary(
            config.name,
            expected=champion,
            version=challenger,
            left_as=left_as,
            run=run,
            reason=reason,
            now=now,
        )
        self._mirror(config.name, run, "Canary Changed")

    def drop_canary(self, model: str, *, run: str, tried: bool, reason: str, now: datetime) -> int | None:
        """End the canary of a run that was stopped or failed: its version; None where there is none of it.

        `tried`: the run is known to have had one; the mirror is then renewed in any case, since an earlier
        call may have broken off before it came to that.
        """
        dropped = self._registry.drop_canary(model, run=run, reason=reason, now=now)
        if dropped is not None or tried:
            self._mirror(model, run, None if dropped is None else "Canary Changed")
        return dropped

    def _move(
        self,
        config: ModelConfig,
        leaves: int | None,
        comes: int | None,
        change: Change,
        run: str,
        reason: str,
        now: datetime,
    ) -> bool:
        promoted = change == "Model Promoted"
        holds = self._registry.move_champion(
            config.name,
            expected=leaves,
            to=comes,
            previous=leaves if promoted else None,  # what was rolled back is nothing to go back to
            left_as="archived" if promoted else "rolled_back",
            run=run,
            reason=reason,
            now=now,
        )
        if not holds:
            self._mirror(config.name, run, None)
            return False
        self._announcer.champion(config.name, comes, leaves, run, change)
        self._look_again(config.name, comes, None)
        if comes is not None:
            self._alarms.watch(config, self._registry.version(config.name, comes))
        return True

    def _mirror(self, model: str, run: str, change: Literal["Canary Changed"] | None) -> None:
        alias = self._registry.champion(model)
        if alias:
            self._announcer.champion(model, alias.version, alias.previous, run, change, alias.canary)
            self._look_again(model, alias.version, alias.canary)

    def _look_again(self, model: str, version: int | None, canary: Canary | None) -> None:
        """Of two changes that overtake each other, whoever mirrored last finds out what holds."""
        said = (version, canary)
        while (alias := self._registry.champion(model)) and (alias.version, alias.canary) != said:
            self._announcer.champion(model, alias.version, alias.previous, alias.run, None, alias.canary)
            said = (alias.version, alias.canary)
