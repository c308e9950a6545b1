"""The story of `make run`, played once: how long it takes, how long it idles, and what all of it weighs.

An idle wait is a time without a change of state in which engine, workers, EC2 host and instances together use
less than a quarter of a core: nobody works, so somebody waits. Memory is the proportional set size (Pss) of
all these processes and of the one that plays: what is shared is counted once. Both are sampled from /proc.
https://docs.kernel.org/filesystems/proc.html
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.table import Table

from local.deploy import STACK, build, deploy
from local.engine import Engine
from local.session import Session
from perennial.aws import clients
from perennial.contracts.words import Outcome
from scenarios.play import differences, play
from scenarios.stack import DeployedStack
from scenarios.story import STORY

STORY_LIMIT = 90.0  # seconds
IDLE_LIMIT = 5.0  # seconds
MEMORY_LIMIT = 2048.0  # MB
BUSY = 0.25  # of a core; answering the questions of the process that plays takes less
INTERVAL = 0.2  # seconds between two looks at the CPU time
WEIGH_EVERY = 3  # looks; asking for Pss costs milliseconds a process
MEGABYTE = 1024 * 1024
_TICK = os.sysconf("SC_CLK_TCK")


class Sampler:
    """Watches every process whose environment or command names a directory, from a thread of its own."""

    def __init__(self, directory: Path) -> None:
        self.peak = 0  # bytes
        self.quiet: list[tuple[float, float]] = []  # from when to when nothing worked, by the clock
        self._mark = str(directory).encode()
        self._ours: dict[str, bool] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        looks, at, since = 0, time.time(), time.time()
        before = self._cpu()
        while not self._stop.wait(INTERVAL):
            used, now = self._cpu(), time.time()
            # a process that ended takes its time along: only those that are left can be compared
            if sum(seconds - before.get(name, 0.0) for name, seconds in used.items()) >= BUSY * (now - at):
                self.quiet.append((since, at))
                since = now
            before, at, looks = used, now, looks + 1
            if looks % WEIGH_EVERY == 0:
                self.peak = max(self.peak, sum(map(pss, [*used, str(os.getpid())])))
        self.quiet.append((since, at))

    def _cpu(self) -> dict[str, float]:
        """Seconds of CPU time that each of our processes has used."""
        found = {}
        numbers = [process.name for process in Path("/proc").glob("[0-9]*")]
        self._ours = {name: self._ours.get(name) or self._named(name) for name in numbers}
        for name in (name for name, ours in self._ours.items() if ours):
            with suppress(OSError):
                times = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[11:13]
                found[name] = sum(map(int, times)) / _TICK
        return found

    def _named(self, name: str) -> bool:
        try:
            texts = [Path("/proc", name, file).read_bytes() for file in ("environ", "cmdline")]
        except OSError:  # gone meanwhile, or of somebody else
            return False
        return any(self._mark in text for text in texts)


def pss(process: str) -> int:
    """The proportional set size of a process in bytes; 0 where it has ended."""
    with suppress(OSError):
        for line in Path("/proc", process, "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@dataclass(frozen=True)
class Measured:
    """What one telling took, in seconds; `idle_after` names the state before the longest idle wait."""

    build: float
    deploy: float
    story: float
    idle: float
    idle_after: str
    megabytes: float


def measure() -> Measured:
    """Build, deploy to an engine of its own and play. Raises RuntimeError where a run ends otherwise."""
    started = time.time()
    build()
    built = time.time()
    with (
        tempfile.TemporaryDirectory(prefix="perennial-bench-") as scratch,
        Session(Engine(Path(scratch), auth=True)) as session,
        Sampler(session.engine.directory) as sampler,
    ):
        deploy(session.engine)
        deployed = time.time()
        with speaking_to(session.engine):
            stack = DeployedStack(STACK, "iris")
            runs = [play(stack, step, _Silent()) for step in STORY]
            told = time.time()
            changes = [
                (visit.entered.timestamp(), f"{run.name}: {visit.state}")
                for run in runs
                for visit in stack.visits(run.run)
            ]
    if wrong := differences(runs, STORY):
        raise RuntimeError("; ".join(wrong))
    idle, after = longest_wait(sampler.quiet, [(deployed, "deployed"), *changes, (told, "told")])
    return Measured(
        build=built - started,
        deploy=deployed - built,
        story=told - deployed,
        idle=idle,
        idle_after=after,
        megabytes=sampler.peak / MEGABYTE,
    )


def longest_wait(
    quiet: Sequence[tuple[float, float]], changes: Sequence[tuple[float, str]]
) -> tuple[float, str]:
    """Seconds of the longest time within a quiet one and between two changes, and the name of the first.

    >>> longest_wait([(1, 2), (4, 10)], [(0, "a"), (5, "b"), (7, "c"), (20, "d")])
    (3, 'c')
    """
    return max(
        (min(end, until) - max(start, since), name)
        for (since, name), (until, _) in pairwise(sorted(changes))
        for start, end in quiet
    )


class _Silent:
    """Nobody watches."""

    def state(self, name: str) -> None:
        """Say nothing."""

    def done(self, outcome: Outcome, reason: str, expected: Outcome | None = None) -> None:
        """Say nothing."""


@contextmanager
def speaking_to(engine: Engine) -> Iterator[None]:
    """This process speaks to the engine."""
    before = dict(os.environ)
    os.environ.update(engine.environment())
    clients.client.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        clients.client.cache_clear()


def table() -> Table:
    """One row a measure, with its limit where it has one."""
    measured = measure()
    result = Table(title=f"The story: {len(STORY)} runs", title_justify="left")
    result.add_column("measure")
    for heading in ("came", "limit"):
        result.add_column(heading, justify="right")
    result.add_row("build", f"{measured.build:.1f} s", "")
    result.add_row("start and deploy", f"{measured.deploy:.1f} s", "")
    result.add_row("the story itself", *_held(measured.story, STORY_LIMIT, "s"))
    result.add_row(f"longest idle wait (after {measured.idle_after})", *_held(measured.idle, IDLE_LIMIT, "s"))
    result.add_row("peak memory of all processes", *_held(measured.megabytes, MEMORY_LIMIT, "MB"))
    return result


def _held(value: float, limit: float, unit: str) -> tuple[str, str]:
    style = "green" if value < limit else "bold red"
    return f"[{style}]{value:.1f} {unit}[/]", f"{limit:.0f} {unit}"
