"""Play a story on a deployed stack: each step a run that really happens, held against how it has to end."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from perennial.aws import facts
from perennial.contracts.words import Outcome
from perennial.report.page import render
from perennial.report.views import RunView, StoryView
from scenarios.stack import DeployedStack
from scenarios.story import Step

FOLLOW = 240.0  # seconds that one run may take


class Watcher(Protocol):
    """Who is told how a step goes."""

    def state(self, name: str) -> None:
        """The run has entered a state."""

    def done(self, outcome: Outcome, reason: str, expected: Outcome | None = None) -> None:
        """The run has ended."""


def play(stack: DeployedStack, step: Step, watcher: Watcher) -> RunView:
    """Start one step the way it is started in production and follow its run to the end."""
    known = stack.runs()
    step.start(stack)
    run = stack.new_run(known)
    stack.follow(run, _entered(stack, step, watcher.state), FOLLOW)
    view = facts.run_view(stack.services, run, name=step.name, title=step.title, expected=step.expected)
    watcher.done(view.outcome, view.reason, view.expected)
    return view


def _entered(stack: DeployedStack, step: Step, tell: Callable[[str], None]) -> Callable[[str], None]:
    waiting = [step.while_in] if step.while_in else []

    def entered(state: str) -> None:
        tell(state)
        if waiting and waiting[0][0] == state:
            waiting.pop()[1](stack)

    return entered


def tell(stack: DeployedStack, runs: Sequence[RunView], engine: str) -> StoryView:
    """Everything the page shows."""
    title = f"Perennial: the story of {stack.model}"
    return facts.story_view(
        stack.services, stack.model, runs, title=title, engine=engine, now=datetime.now(UTC)
    )


def write(story: StoryView, folder: Path) -> None:
    """`report.html` to look at and `summary.json` for programs."""
    folder.mkdir(exist_ok=True)
    (folder / "report.html").write_text(render(story), encoding="utf-8")
    summary = {"model": story.model, "runs": [_summary(run) for run in story.runs]}
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def _summary(run: RunView) -> dict[str, Any]:
    return {
        "name": run.name,
        "trigger": run.trigger,
        "outcome": run.outcome,
        "reason": run.reason,
        "champion_before": run.champion_before,
        "champion_after": run.champion_after,
        "states": [
            {"name": state.name, "status": state.status, "seconds": round(state.seconds, 3)}
            for state in run.states
        ],
        "seconds": round(run.seconds, 3),
    }


def differences(runs: Sequence[RunView], story: Sequence[Step]) -> list[str]:
    """What did not end as it has to, in sentences."""
    told = [
        f"{run.name}: expected {run.expected}, came {run.outcome} ({run.reason})"
        for run in runs
        if not run.as_expected
    ]
    missing = [step.name for step in story[len(runs) :]]
    return told + ([f"did not run: {', '.join(missing)}"] if missing else [])
