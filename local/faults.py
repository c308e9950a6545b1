"""Faults on demand: `faults.json` in the engine's directory, read again whenever it changes.

    {"time_scale": 0.1,
     "faults": [
       {"kind": "capacity", "market": "spot", "calls": 2, "model": "iris"},
       {"kind": "interruption", "model": "iris", "attempt": 0, "after": 1.5},
       {"kind": "s3", "model": "housing", "at": "data loaded", "for": 3}]}

time_scale: what a second of EC2's two minutes of notice lasts; 1 without it.

| kind | what happens |
|---|---|
| capacity | the first `calls` CreateFleet calls of each market (or of `market`) get no instance but `error` |
| boot | the user data starts `after` seconds late |
| rebalance | a spot instance's rebalance recommendation: in the metadata and as an event |
| interruption | a spot interruption notice: in the metadata and as an event, and EC2 terminates after it |
| terminate | EC2 terminates the instance, as when a person does |
| kill | SIGKILL to the trainer's process, as the kernel does that is out of memory; the user data goes on |
| panic | every process dies, and EC2 notices that the instance has ended |
| hang | every process stands still, and EC2 goes on calling the instance running |
| disk | no file of the trainer grows any further: writing raises OSError |
| network | the instance's calls of AWS are refused |
| s3 | its calls of S3 are answered 503 SlowDown |
| callback | its SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat are answered with `error` |

Which instance: `model`, `run`, `attempt`, as its tags say; what is left out fits all. When: `after` seconds
(0) from the start of its user data, or from the moment when its console shows the text `at`. How long, for
disk, network, s3 and callback: `for` seconds, else for good; those but disk must be in the file when the
instance boots. A fault strikes every fitting instance once; equal entries are one, unless told apart by
`name`. The standard library only: the engine reads this too, on its own interpreter.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE = "faults.json"
AT_THE_DOOR = frozenset({"network", "s3", "callback"})
SPOT_ONLY = frozenset({"rebalance", "interruption"})
LASTING = AT_THE_DOOR | {"disk"}
KINDS = LASTING | SPOT_ONLY | {"capacity", "boot", "terminate", "kill", "panic", "hang"}
_ERRORS = {"capacity": "InsufficientInstanceCapacity", "callback": "ThrottlingException"}
_KEYS = {"kind", "name", "model", "run", "attempt", "market", "calls", "error", "after", "at", "for"}


class FaultFileError(ValueError):
    """The file is not what this module describes; nothing of it was done."""


@dataclass(frozen=True)
class Fault:
    """One entry; times in seconds."""

    kind: str
    name: str = ""
    model: str = ""
    run: str = ""
    attempt: int | None = None
    market: str = ""
    calls: int = 1
    error: str = ""
    after: float = 0.0
    at: str = ""
    lasts: float = math.inf

    def fits(self, tags: Mapping[str, str]) -> bool:
        """Is it meant for the instance with these tags?"""
        wanted = {"perennial:model": self.model, "perennial:run": self.run}
        if self.attempt is not None:
            wanted["perennial:attempt"] = str(self.attempt)
        return all(tags.get(name) == value for name, value in wanted.items() if value)


@dataclass(frozen=True)
class Plan:
    """What the file says."""

    faults: tuple[Fault, ...] = ()
    time_scale: float = 1.0

    def for_instance(self, tags: Mapping[str, str]) -> tuple[Fault, ...]:
        """What is to happen to the instance with these tags."""
        return tuple(one for one in self.faults if one.kind != "capacity" and one.fits(tags))


def parse(text: str) -> Plan:
    """Read a file's text. Raises FaultFileError.

    >>> parse('{"faults": [{"kind": "kill", "model": "iris", "after": 2}]}').faults[0].after
    2.0
    """
    try:
        document = json.loads(text)
        faults = tuple(_fault(entry) for entry in document.get("faults", ()))
        return Plan(faults, float(document.get("time_scale", 1.0)))
    except (ValueError, TypeError, AttributeError) as error:
        raise FaultFileError(f"{FILE}: {error}") from error


def _fault(entry: Mapping[str, object]) -> Fault:
    if unknown := set(entry) - _KEYS:
        raise ValueError(f"expected {', '.join(sorted(_KEYS))}, came {', '.join(sorted(unknown))}")
    kind = str(entry.get("kind", ""))
    if kind not in KINDS:
        raise ValueError(f"expected kind to be one of {', '.join(sorted(KINDS))}, came {kind!r}")
    attempt = entry.get("attempt")
    return Fault(
        kind,
        name=str(entry.get("name", "")),
        model=str(entry.get("model", "")),
        run=str(entry.get("run", "")),
        attempt=None if attempt is None else int(str(attempt)),
        market=str(entry.get("market", "")),
        calls=int(str(entry.get("calls", 1))),
        error=str(entry.get("error", _ERRORS.get(kind, ""))),
        after=float(str(entry.get("after", 0.0))),
        at=str(entry.get("at", "")),
        lasts=float(str(entry.get("for", math.inf))),
    )


@dataclass
class FaultFile:
    """The file at `path`, which need not be there; read again only after a change.

    A file that is none is said to be so once; until the next change what was read before holds.
    """

    path: Path
    _stamp: tuple[int, int] | None = None
    _plan: Plan = field(default_factory=Plan)

    def plan(self) -> Plan:
        """What it says now. Raises FaultFileError."""
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                self._stamp = stamp
                self._plan = parse(self.path.read_text("utf-8"))
        except FileNotFoundError:
            self._plan, self._stamp = Plan(), None
        return self._plan
