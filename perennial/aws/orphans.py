"""Instances that nobody waits for, and attempts whose end nobody noted.

An event of EC2 may be missed, and a function may die between the launch and its note. What then stays behind
is found by the instances' tags and by the attempts that are not settled.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from perennial.aws.attempts import Attempts
from perennial.aws.compute import Fleet, Seen
from perennial.aws.launching import Launcher
from perennial.aws.ledger import Ledger
from perennial.aws.registry import Registry
from perennial.aws.workflow import Callback, Workflow
from perennial.cost import OVERHEAD_SECONDS, Attempt
from perennial.errors import CallbackExpired, TrainerLost

LONGEST = timedelta(minutes=240)  # by the instance's own dead man's switch
# Its version registered, it answers (for two minutes, should AWS be away), ships its log and shuts down.
LAST_STEPS = timedelta(minutes=5)

logger = Logger(service="perennial", child=True)


@dataclass(frozen=True)
class Orphan:
    """An instance that had to be ended, of which model's training, and why."""

    instance_id: str
    model: str
    reason: str


@dataclass(frozen=True)
class Swept:
    """What was ended, the attempts that were settled, and the runs that were told of their loss."""

    ended: tuple[Orphan, ...]
    settled: tuple[Attempt, ...]
    told: tuple[str, ...]


class Orphans:
    """Doing any of this again changes nothing."""

    def __init__(
        self,
        fleet: Fleet,
        launcher: Launcher,
        attempts: Attempts,
        ledger: Ledger,
        registry: Registry,
        workflow: Workflow,
        callback: Callable[[str], Callback],
    ) -> None:
        self._fleet, self._launcher, self._attempts = fleet, launcher, attempts
        self._ledger, self._registry, self._workflow = ledger, registry, workflow
        self._callback = callback

    def tell(self, attempt: Attempt, token: str, why: str) -> bool:
        """Answer TrainerLost to the run, if it still waits for this attempt."""
        if not self._attempts.is_current(attempt.run, attempt.attempt):
            return False
        try:
            self._callback(token).fail(TrainerLost.__name__, why)
        except CallbackExpired:
            logger.info("the run had its answer", extra={"run": attempt.run})
            return False
        return True

    def sweep(self, models: Iterable[str], now: datetime, grace: timedelta) -> Swept:
        """End what nobody waits for, settle what is gone, tell runs that wait for it. What is younger than
        `grace` is left alone: a launch may be going on.

        `models`: those whose attempts are looked at, beside those of instances that EC2 still knows.
        """
        seen = self._fleet.of_stack()
        ended = tuple(self._unwanted([item for item in seen if now - item.since >= grace], now))
        self._fleet.terminate(orphan.instance_id for orphan in ended)
        over = {orphan.instance_id for orphan in ended} | {item.instance_id for item in seen if item.gone}
        by_attempt = {(item.run, item.attempt): item for item in seen}
        settled, told = [], []
        for model in sorted({*models, *(item.model for item in seen if item.model)}):
            for attempt in self._attempts.open(model):
                item = by_attempt.get((attempt.run, attempt.attempt))
                if now - attempt.reserved_at < grace or (item and item.instance_id not in over):
                    continue
                if attempt.instance_id is None and item is None and not self._done_with(attempt):
                    continue  # nothing was launched for it, and its run sees to that
                if self._tell_loss(attempt, item):
                    told.append(attempt.run)
                settled.append(self._launcher.settle_left(attempt, item, now))
        return Swept(ended, tuple(item for item in settled if item), tuple(told))

    def _tell_loss(self, attempt: Attempt, item: Seen | None) -> bool:
        known = self._attempts.of_instance(attempt.instance_id) if attempt.instance_id else None
        if known is None:
            return False
        state = item.state if item else "gone"
        return self.tell(*known, f"instance {attempt.instance_id} is {state} and had not answered")

    def _unwanted(self, seen: Iterable[Seen], now: datetime) -> Iterator[Orphan]:
        for item in seen:
            if not item.gone and (reason := self._reason(item, now)):
                logger.warning("ended", extra={"instance": item.instance_id, "reason": reason})
                yield Orphan(item.instance_id, item.model or "unknown", reason)

    def _reason(self, item: Seen, now: datetime) -> str | None:
        if item.run is None or item.attempt is None:
            return "its tags name no run"
        if self._over(item.run):
            return f"run {item.run} is over"
        if not self._attempts.is_current(item.run, item.attempt):
            return f"run {item.run} goes on without attempt {item.attempt}"
        if self._has_trained(item, now):
            return f"run {item.run} has its version and waits for the instance no longer"
        if now - item.since > self._allowed(item):
            return f"it has run since {item.since:%Y-%m-%d %H:%M} UTC, longer than attempt {item.attempt} may"
        return None

    def _has_trained(self, item: Seen, now: datetime) -> bool:
        """Is its version registered for so long that it should be gone? Its run looks only at its own end."""
        versions = self._registry.versions(item.model or "")
        made = [record.created_at for record in versions if record.run == item.run]
        return any(item.since <= at <= now - LAST_STEPS for at in made)

    def _allowed(self, item: Seen) -> timedelta:
        known = self._attempts.of_instance(item.instance_id)
        return timedelta(seconds=known[0].max_seconds + OVERHEAD_SECONDS) if known else LONGEST

    def _done_with(self, attempt: Attempt) -> bool:
        current = self._attempts.is_current(attempt.run, attempt.attempt)
        return not current or self._over(attempt.run)

    def _over(self, run: str) -> bool:
        return "outcome" in (self._ledger.run(run) or {}) or not self._workflow.alive(run)
