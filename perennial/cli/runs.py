"""`perennial run` and `status`: runs, from their start to their outcome."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from perennial.aws import history
from perennial.aws.clients import client
from perennial.aws.progress import in_words
from perennial.aws.wiring import Services
from perennial.cli.shared import (
    COLOURS,
    Model,
    Reason,
    Stack,
    coloured,
    console,
    indented,
    services_of,
    text,
    who,
)
from perennial.config import load_model
from perennial.cost import of_entry


def run(
    model: Model,
    reason: Reason,
    force: Annotated[bool, typer.Option(help="Retrain without drift and inside the cooldown.")] = False,
    detach: Annotated[bool, typer.Option(help="Do not wait for the run to end.")] = False,
    stack: Stack = "perennial",
) -> None:
    """Start a run by hand and follow it."""
    services = services_of(stack)
    load_model(model)
    name = f"on-demand-{model}-{uuid4().hex[:12]}"
    services.workflow.start(name, {"model": model, "reason": f"{reason} ({who()})", "force": force})
    console.print(f"run [bold]{name}[/] started")
    if detach:
        return
    try:
        succeeded = _follow(services, name)
    except KeyboardInterrupt:
        console.print(f"the run goes on; perennial status --model {model} shows it")
        raise typer.Exit(130) from None
    if not succeeded:
        raise typer.Exit(1)


def status(
    model: Model,
    watch: Annotated[bool, typer.Option(help="Keep it up to date until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many runs to show.")] = 10,
    stack: Stack = "perennial",
) -> None:
    """What serves, what is going on, and how the last runs ended."""
    services = services_of(stack)
    load_model(model)
    if not watch:
        console.print(_status(services, model, limit))
        return
    with (
        contextlib.suppress(KeyboardInterrupt),
        Live(_status(services, model, limit), console=console, auto_refresh=False) as live,
    ):
        while True:
            time.sleep(1)
            live.update(_status(services, model, limit), refresh=True)
    if not console.is_terminal:
        console.line()  # rich ends the last line for a terminal only


def _follow(services: Services, name: str) -> bool:
    """Print each state as it is entered; says whether the run succeeded."""
    shown = 0
    while True:
        alive = services.workflow.alive(name)
        seen = _visits(services, name)
        for visit in seen[shown:]:
            console.print(f"  {visit.entered:%H:%M:%S}  {visit.state}")
        shown = len(seen)
        if not alive:
            break
        time.sleep(0.5)
    entry = services.ledger.run(name) or {}
    outcome = entry.get("outcome", "failed")
    reason = entry.get("reason", "the run was stopped before it could record why")
    console.print(coloured(outcome) + Text(f": {reason}"))
    return bool(outcome != "failed")


def _visits(services: Services, name: str) -> list[history.Visit]:
    return history.visits(_events(services, name))


def _events(services: Services, name: str) -> Iterator[dict[str, Any]]:
    return history.events(client("stepfunctions"), services.workflow.execution_arn(name))


def _status(services: Services, model: str, limit: int) -> Group:
    """What serves, then a paragraph for each run, the newest first."""
    alias = services.registry.champion(model)
    serving = f"version {alias.version} serves" if alias and alias.version else "no version serves"
    entries = services.ledger.runs(model, limit)
    told: list[RenderableType] = [Text(f"{model}: {serving}", "bold")]
    for entry in entries:
        told += ["", *_paragraph(services, entry)]
    if entries:
        hint = "perennial explain RUN tells its story, perennial report RUN --open shows it"
        told += ["", Text(hint, "dim")]
    return Group(*told)


def _paragraph(services: Services, entry: dict[str, Any]) -> Iterator[RenderableType]:
    """When it began, who started it and how it stands; why; what its training ran on; its name."""
    before, after = text(entry.get("champion_before")), text(entry.get("champion_after"))
    yield Text("  ").join(
        (
            Text(entry["started_at"][:19].replace("T", " ")),
            Text(entry.get("trigger", "").replace("_", " ")),
            coloured(entry["outcome"]) if "outcome" in entry else _under_way(services, entry["run"]),
            Text(f"champion {before} → {after}" if before != after else f"champion {before}", "dim"),
        )
    )
    yield indented(entry.get("reason") or entry.get("trigger_reason", ""))
    if "instance" in entry:
        yield indented(_training(entry))
    yield indented(Text(f"run {entry['run']}", "dim"))


def _training(entry: dict[str, Any]) -> str:
    """The instance of a run and what its attempts cost so far; while it is under way, why it is this one."""
    words = f"training on {entry['instance']}"
    if "training_minutes" in entry:
        words += f", {of_entry(entry)}"
    return words if "outcome" in entry else f"{words}, since {entry['instance_reason']}"


def _under_way(services: Services, run: str) -> Text:
    """The state that a run without an outcome is in, unless somebody stopped it."""
    if not services.workflow.alive(run):
        return Text("stopped", COLOURS["failed"])
    seen = _visits(services, run)
    state = seen[-1].state if seen else "starting"
    progress = services.progress.look(run) if state == "Train On EC2" else None
    return Text(
        f"{state} … {in_words(progress, datetime.now(UTC)) if progress else ''}".rstrip(), "bold cyan"
    )
