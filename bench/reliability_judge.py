"""What a run left, seen from outside, and which promises that breaks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from botocore.exceptions import ClientError

from perennial.artifacts import verified
from perennial.contracts.objects import Artifact
from perennial.contracts.words import Outcome
from perennial.errors import ArtifactCorrupted
from scenarios.stack import DeployedStack

PROMISES = (
    "no outcome",
    "instance left",
    "lock left",
    "half-written version visible",
    "batch lost or doubled",
    "champion is not the run's",
)


@dataclass(frozen=True)
class Ending:
    """How a run with a fault ended. `broken`: promises, each with what was found."""

    run: str
    fault: dict[str, Any]
    struck: int
    outcome: str
    reason: str
    errors: tuple[str, ...]
    attempts: int
    seconds: float
    broken: tuple[tuple[str, str], ...]

    def line(self) -> str:
        """On one line."""
        said = [f"{promise}: {found}" for promise, found in self.broken]
        return (
            f"{self.fault} struck {self.struck}: {self.outcome} after {self.attempts} attempts, "
            f"{self.seconds:.0f} s {' '.join(self.errors)} {'; '.join(said)} ({self.reason[:300]})"
        )


def judge(
    stack: DeployedStack,
    run: str,
    batch: bytes,
    fault: dict[str, Any],
    seconds: float,
    errors: Sequence[str],
    consoles: Sequence[str],
    left: Sequence[str],
) -> Ending:
    """Look at everything that a run may have left behind."""
    entry = stack.services.ledger.run(run) or {}
    outcome = str(entry.get("outcome", ""))
    broken: list[tuple[str, str]] = []
    if outcome not in get_args(Outcome):
        broken.append(("no outcome", f"{entry}"))
    if left:
        broken.append(("instance left", ", ".join(left)))
    if holder := stack.services.lock.holder(stack.model):
        broken.append(("lock left", holder))
    broken += [("half-written version visible", found) for found in _damaged(stack)]
    if (found := _stored(stack)) != [batch]:
        broken.append(("batch lost or doubled", f"{len(found)} objects"))
    if wrong := _champion(stack, outcome, entry):
        broken.append(("champion is not the run's", wrong))
    struck = sum(f"[host] fault: {fault['kind']}" in text for text in consoles)
    if fault["kind"] in {"capacity", "boot"}:
        struck = 1  # from the launch on, where no console tells of it
    attempts = len(stack.services.attempts.of_run(stack.model, run))
    reason = str(entry.get("reason", ""))
    return Ending(run, fault, struck, outcome, reason, tuple(errors), attempts, seconds, tuple(broken))


def _damaged(stack: DeployedStack) -> Iterator[str]:
    """Files of registered versions that are not there, or not as they were registered."""
    for record in stack.services.registry.versions(stack.model):
        files = [value for _, value in record if isinstance(value, Artifact)]
        for file in files:
            try:
                verified(stack.services.artifacts.get(file.key, file.version_id), file.sha256)
            except (ClientError, ArtifactCorrupted) as error:
                yield f"{file.key}: {error}"


def _stored(stack: DeployedStack) -> list[bytes]:
    """The data objects of the model, wherever they are."""
    areas = ("incoming", "accepted", "quarantine")
    keys = [item.key for area in areas for item in stack.services.data.list(f"{area}/{stack.model}/")]
    return [stack.services.data.get(key) for key in keys if not key.endswith("/reasons.json")]


def _champion(stack: DeployedStack, outcome: str, entry: dict[str, Any]) -> str:
    """What is wrong with the champion: the run's version after `promoted`, none after anything else."""
    alias = stack.services.registry.champion(stack.model)
    serving = alias.version if alias else None
    expected = int(entry["challenger"]) if outcome == "promoted" else None
    return "" if serving == expected else f"expected {expected}, came {serving}"
