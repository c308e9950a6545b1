"""`perennial`: run, watch, change and report on the models of a stack, on AWS and on the embedded AWS alike.

Which account, region and endpoint is a matter of the usual AWS environment variables and profiles.
"""

import contextlib
import getpass
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from botocore.exceptions import BotoCoreError
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from perennial.aws import facts, history
from perennial.aws.clients import client, naming_outages
from perennial.aws.wiring import Services, Settings
from perennial.cli_init import init
from perennial.config import load_model
from perennial.errors import (
    ApprovalRefused,
    CallbackExpired,
    InvalidRequest,
    PerennialError,
    VersionNotFound,
)

app = typer.Typer(
    help="Keep a deployed scikit-learn model alive on AWS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console()
problems = Console(stderr=True)

Model = Annotated[str, typer.Option("--model", "-m", help="Name of the model, as in models/<name>.yaml.")]
Run = Annotated[str, typer.Argument(help="Name of the run.")]
Stack = Annotated[
    str, typer.Option("--stack", envvar="PERENNIAL_STACK", help="Name of the CloudFormation stack.")
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why, in words: it goes on record.")]

_COLOURS = {
    "promoted": "green",
    "champion": "green",
    "skipped": "dim",
    "quarantined": "yellow",
    "rejected": "yellow",
    "rolled_back": "magenta",
    "failed": "bold red",
}


app.command()(init)


@app.command()
def run(
    model: Model,
    reason: Reason,
    force: Annotated[bool, typer.Option(help="Retrain without drift and inside the cooldown.")] = False,
    detach: Annotated[bool, typer.Option(help="Do not wait for the run to end.")] = False,
    stack: Stack = "perennial",
) -> None:
    """Start a run by hand and follow it."""
    services = _services(stack)
    load_model(model)
    name = f"on-demand-{model}-{uuid4().hex[:12]}"
    services.workflow.start(name, {"model": model, "reason": f"{reason} ({_me()})", "force": force})
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


@app.command()
def status(
    model: Model,
    watch: Annotated[bool, typer.Option(help="Keep the table up to date until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many runs to show.")] = 10,
    stack: Stack = "perennial",
) -> None:
    """What serves, what is going on, and how the last runs ended."""
    services = _services(stack)
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


@app.command()
def versions(model: Model, stack: Stack = "perennial") -> None:
    """Every version of a model: status, score, where it came from."""
    services = _services(stack)
    config = load_model(model)
    table = Table(
        "version", "status", config.metric, "rows", "parent", "trained", "run", title=f"Versions of {model}"
    )
    for record in services.registry.versions(model):
        table.add_row(
            str(record.version),
            _coloured(record.status),
            _number(record.metrics.get(config.metric)),
            str(record.rows_trained),
            _text(record.parent),
            f"{record.created_at:%Y-%m-%d %H:%M:%S}",
            record.run,
        )
    console.print(table)


@app.command()
def report(
    model: Model,
    out: Annotated[Path, typer.Option(help="Where the page is written.")] = Path("report.html"),
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many of the last runs to show.")] = 10,
    stack: Stack = "perennial",
) -> None:
    """Write one self-contained page about the last runs: paths, drift, scores, versions."""
    from perennial.report.page import render

    services, config = _services(stack), load_model(model)
    ended = [entry for entry in services.ledger.runs(model, limit) if "outcome" in entry]
    runs = [
        facts.run_view(
            services, entry["run"], name=entry["run"], title=entry.get("trigger_reason", entry["run"])
        )
        for entry in reversed(ended)
    ]
    if not runs:
        raise InvalidRequest(f"model {model} has no run that has ended: there is nothing to show yet")
    where = f"AWS, {client('stepfunctions').meta.region_name}"
    story = facts.story_view(
        services, config, runs, title=f"Perennial: {model}", engine=where, now=datetime.now(UTC)
    )
    out.write_text(render(story), encoding="utf-8")
    console.print(f"{len(runs)} runs of {model} in {out}", markup=False)


@app.command()
def rollback(
    model: Model,
    reason: Reason,
    to: Annotated[
        int | None, typer.Option(help="The version that is to serve; by default the one before.")
    ] = None,
    stack: Stack = "perennial",
) -> None:
    """Give the place of the champion back to an earlier version."""
    services, config = _services(stack), load_model(model)
    alias = services.registry.champion(model)
    target = to if to is not None or alias is None else alias.previous
    if alias is None or alias.version is None or target is None:
        raise VersionNotFound(f"model {model} has no version to go back to")
    if target == alias.version:
        raise VersionNotFound(f"version {target} serves already")
    services.succession.roll_back(
        config,
        champion=alias.version,
        to=target,
        run=f"by-hand-{_me()}-{uuid4().hex[:8]}",
        reason=reason,
        now=datetime.now(UTC),
    )
    console.print(f"version [bold]{target}[/] of {model} serves; version {alias.version} was rolled back")


@app.command()
def approve(run: Run, reason: Reason, stack: Stack = "perennial") -> None:
    """Let the challenger of a waiting run serve."""
    services = _services(stack)
    answer = {"by": _me(), "reason": reason}
    services.callback(_approval_token(services, run)).succeed(json.dumps(answer))
    console.print(f"run {run} goes on: its challenger is promoted")


@app.command()
def reject(run: Run, reason: Reason, stack: Stack = "perennial") -> None:
    """Keep the champion: the challenger of a waiting run is rejected."""
    services = _services(stack)
    services.callback(_approval_token(services, run)).fail(ApprovalRefused.__name__, f"{reason} ({_me()})")
    console.print(f"run {run} goes on: its challenger is rejected")


def _approval_token(services: Services, run: str) -> str:
    token = (services.ledger.run(run) or {}).get("approval_token")
    if token is None:
        raise CallbackExpired(f"run {run} waits for nobody's approval")
    return str(token)


def _services(stack: str) -> Services:
    return Services(Settings.from_stack(stack))


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
    console.print(_coloured(outcome) + Text(f": {reason}"))
    return bool(outcome != "failed")


def _visits(services: Services, name: str) -> list[history.Visit]:
    return history.visits(_events(services, name))


def _events(services: Services, name: str) -> Iterator[dict[str, Any]]:
    return history.events(client("stepfunctions"), services.workflow.execution_arn(name))


def _status(services: Services, model: str, limit: int) -> Table:
    alias = services.registry.champion(model)
    serving = f"version {alias.version} serves" if alias and alias.version else "no version serves"
    table = Table("started", "trigger", "outcome", "reason", "champion", title=f"{model}: {serving}")
    for entry in services.ledger.runs(model, limit):
        table.add_row(
            entry["started_at"][:19].replace("T", " "),
            entry.get("trigger", "").replace("_", " "),
            _coloured(entry["outcome"]) if "outcome" in entry else _under_way(services, entry["run"]),
            Text(entry.get("reason") or entry.get("trigger_reason", "")),
            f"{_text(entry.get('champion_before'))} → {_text(entry.get('champion_after'))}",
        )
    return table


def _under_way(services: Services, run: str) -> Text:
    """The state that a run without an outcome is in, unless somebody stopped it."""
    if not services.workflow.alive(run):
        return Text("stopped", _COLOURS["failed"])
    seen = _visits(services, run)
    return Text(f"{seen[-1].state if seen else 'starting'} …", "bold cyan")


def _coloured(word: str) -> Text:
    """An outcome or a status. Text, as all that comes from outside: nothing in it is read as markup."""
    return Text(word.replace("_", " "), _COLOURS.get(word, "dim"))


def _me() -> str:
    """Who is on record: the user's name, or number where it has no name."""
    try:
        return getpass.getuser()
    except OSError:
        return str(os.getuid())


def _text(value: Any) -> str:
    return "-" if value is None else str(value)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def main() -> None:
    """The command line; a named error is a sentence and exit code 1, not a traceback."""
    try:
        with naming_outages():
            app()
    except PerennialError as error:
        problems.print(Text(type(error).__name__, "red") + Text(f": {error}"))
        raise SystemExit(1) from error
    except BotoCoreError as error:  # no credentials, no region: nothing was asked of AWS
        problems.print(Text("AWS", "red") + Text(f": {error}"))
        raise SystemExit(1) from error
