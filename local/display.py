"""What a person sees in the terminal while the story is told; plain lines where nobody watches."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from perennial.contracts.words import Outcome
from perennial.report.views import RunView
from perennial.report.words import OUTCOMES, TRIGGERS, champion, seconds

STYLES: dict[Outcome, str] = {
    "promoted": "green",
    "skipped": "bright_black",
    "quarantined": "yellow",
    "rejected": "magenta",
    "rolled_back": "cyan",
    "failed": "bold red",
}
PLAIN_WIDTH = 140
WIDE = 128  # from here on the slowest states fit beside the rest


@dataclass
class Task:
    """Something under way: a phase or a step of the story. `state` says what it is at."""

    title: str
    started: float
    clock: Callable[[], float]
    number: int | None = None
    current: str = ""
    outcome: Outcome | None = None
    expected: Outcome | None = None
    reason: str = ""

    def state(self, name: str) -> None:
        """Name what it is at now: a state of the run, or a part of the phase."""
        self.current = name

    def done(self, outcome: Outcome, reason: str, expected: Outcome | None = None) -> None:
        """Say how the run ended and why; an outcome other than `expected` is marked."""
        self.outcome, self.reason, self.expected = outcome, reason, expected

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self.clock() - self.started

    @property
    def name(self) -> Text:
        """Number and title."""
        number = f"{self.number:>2} " if self.number is not None else ""
        return Text.assemble((number, "bold"), self.title)


class _Watched:
    """One live line: spinner, name, what it is at, seconds."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.spinner = Spinner("dots", style="green")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Table.grid(padding=(0, 1))
        current = Text(self.task.current, style="cyan", no_wrap=True, overflow="ellipsis")
        time_ = Text(f"{self.task.elapsed:.0f} s", style="bright_black")
        line.add_row(self.spinner, self.task.name, current, time_)
        yield line


class Display:
    """Phases, steps, and the table at the end.

    On a terminal the line under way is live; elsewhere each begins and ends with a plain line. Text from
    outside is never read as markup.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console or Console(highlight=False, emoji=False)
        if console is None and not self.console.is_terminal:
            self.console = Console(highlight=False, emoji=False, width=PLAIN_WIDTH)
        self.clock = clock

    @contextmanager
    def phase(self, title: str) -> Iterator[Task]:
        """Show a phase while the block runs, then how long it took; an exception is marked and goes on."""
        with self._shown(Task(title, self.clock(), self.clock)) as task:
            yield task

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[Task]:
        """Show a step of the story while the block runs, then the outcome that `done` was told."""
        with self._shown(Task(title, self.clock(), self.clock, number=number)) as task:
            yield task

    @contextmanager
    def _shown(self, task: Task) -> Iterator[Task]:
        if not self.console.is_terminal:
            self.console.print(Text("… ") + task.name)
        try:
            if self.console.is_terminal:
                with Live(_Watched(task), console=self.console, transient=True, refresh_per_second=8):
                    yield task
            else:
                yield task
        except BaseException as error:
            word = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
            at = f" at {task.current}" if task.current else ""
            self._line(Text("✕", style="bold red"), task, Text(f"{word}{at}", style="red"))
            raise
        self._end(task)

    def _end(self, task: Task) -> None:
        if task.outcome is None:
            self._line(Text("✓", style="green"), task, Text(""))
            return
        right = task.expected in (None, task.outcome)
        said = badge(task.outcome)
        if not right and task.expected:
            said += Text(f", expected {OUTCOMES[task.expected][1]}", style="bold red")
        self._line(Text("✓", style="green") if right else Text("✕", style="bold red"), task, said)
        if task.reason:
            self.console.print(_indented(Text(task.reason, style="bright_black"), 5))

    def _line(self, sign: Text, task: Task, said: Text) -> None:
        line = Table.grid(padding=(0, 1))
        line.add_row(sign, task.name, said, Text(seconds(task.elapsed), style="bright_black"))
        self.console.print(line)

    def note(self, text: str) -> None:
        """One line beside the rest, such as where to look."""
        self.console.print(_indented(Text(text), 2))

    def problems(self, found: Sequence[str]) -> None:
        """What differs from what was expected; nothing where nothing does."""
        if not found:
            return
        self.console.print(Text(f"✕ {len(found)} difference(s)", style="bold red"))
        for each in found:
            self.console.print(_indented(Text(each), 2))

    def table(self, runs: Sequence[RunView]) -> None:
        """All runs: trigger, outcome, reason, champion after it, seconds; below, seconds of every state."""
        wide = self.console.width >= WIDE
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=True)
        table.add_column("#", justify="right", no_wrap=True)
        table.add_column("Run", ratio=3, min_width=18)
        table.add_column("Trigger", no_wrap=True)
        table.add_column("Outcome", no_wrap=True)
        table.add_column("Reason", ratio=5, min_width=24, overflow="fold")
        table.add_column("Champion", no_wrap=True)
        table.add_column("Time", justify="right", no_wrap=True)
        if wide:
            table.add_column("Slowest states", min_width=26)
        for number, run in enumerate(runs, start=1):
            cells = [
                Text(str(number)),
                Text(run.title),
                Text(TRIGGERS[run.trigger]),
                _outcome(run),
                Text(run.reason),
            ]
            cells += [_champion(run), Text(seconds(run.seconds))]
            table.add_row(*cells, *([_slowest(run)] if wide else []))
        self.console.print(table)
        self._states(runs)

    def _states(self, runs: Sequence[RunView]) -> None:
        """A row per state, a column per run; as many runs side by side as fit."""
        fit = max(1, (self.console.width - 32) // 7)
        for first in range(0, len(runs), fit):
            some = runs[first : first + fit]
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
            table.add_column("Seconds per state", no_wrap=True)
            for number in range(first + 1, first + len(some) + 1):
                table.add_column(f"run {number}", justify="right", no_wrap=True, min_width=5)
            for name in _in_order(some):
                table.add_row(Text(name), *(_took(run, name) for run in some))
            self.console.print(table)


def badge(outcome: Outcome) -> Text:
    """An outcome's sign and word in its colour."""
    sign, word = OUTCOMES[outcome]
    return Text(f"{sign} {word}", style=STYLES[outcome])


def _outcome(run: RunView) -> Text:
    said = badge(run.outcome)
    if run.expected and not run.as_expected:
        said += Text(f"\nnot {OUTCOMES[run.expected][1]}", style="bold red")
    return said


def _champion(run: RunView) -> Text:
    if run.champion_before == run.champion_after:
        return Text(champion(run.champion_after))
    return Text(f"{champion(run.champion_before)} → ") + Text(
        champion(run.champion_after), style="bold green"
    )


def _slowest(run: RunView) -> Text:
    slowest = sorted(run.states, key=lambda state: -state.seconds)[:3]
    return Text(
        "\n".join(f"{state.name} {seconds(state.seconds)}" for state in slowest), style="bright_black"
    )


def _in_order(runs: Sequence[RunView]) -> list[str]:
    """All states that were visited, each after the one that came before it."""
    found: list[str] = []
    for run in runs:
        at = 0
        for state in run.states:
            if state.name not in found:
                found.insert(at, state.name)
            at = found.index(state.name) + 1
    return found


def _took(run: RunView, name: str) -> Text:
    took = next((state.seconds for state in run.states if state.name == name), None)
    if took is None:
        return Text("")
    return Text(f"{took:.1f}", style="bold" if took >= 1 else "bright_black")


def _indented(text: Text, by: int) -> Padding:
    return Padding(text, (0, 0, 0, by), expand=False)
