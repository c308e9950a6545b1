"""`perennial`: run, status, versions, rollback, approve, reject. Works on AWS and on the embedded AWS alike.

Which account, region and endpoint is a matter of the usual AWS environment variables and profiles.
"""

import getpass
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.live import Live
from rich.table import Table

from perennial.aws import history
from perennial.aws.clients import client
from perennial.aws.wiring import Services, Settings
from perennial.config import load_model
from perennial.errors import ApprovalRefused, CallbackExpired, PerennialError, VersionNotFound

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
    services.workflow.start(
        name, {"model": model, "reason": f"{reason} ({getpass.getuser()})", "force": force}
    )
    console.print(f"run [bold]{name}[/] started")
    if not detach and not _follow(services, name):
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
    with Live(_status(services, model, limit), console=console, auto_refresh=False) as live:
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
            f"[{_COLOURS.get(record.status, 'dim')}]{record.status.replace('_', ' ')}[/]",
            _number(record.metrics.get(config.metric)),
            str(record.rows_trained),
            _text(record.parent),
            f"{record.created_at:%Y-%m-%d %H:%M:%S}",
            record.run,
        )
    console.print(table)


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
        run=f"by-hand-{getpass.getuser()}-{uuid4().hex[:8]}",
        reason=reason,
        now=datetime.now(UTC),
    )
    console.print(f"version [bold]{target}[/] of {model} serves; version {alias.version} was rolled back")


@app.command()
def approve(run: Run, reason: Reason, stack: Stack = "perennial") -> None:
    """Let the challenger of a waiting run serve."""
    services = _services(stack)
    answer = {"by": getpass.getuser(), "reason": reason}
    services.callback(_approval_token(services, run)).succeed(json.dumps(answer))
    console.print(f"run {run} goes on: its challenger is promoted")


@app.command()
def reject(run: Run, reason: Reason, stack: Stack = "perennial") -> None:
    """Keep the champion: the challenger of a waiting run is rejected."""
    services = _services(stack)
    services.callback(_approval_token(services, run)).fail(
        ApprovalRefused.__name__, f"{reason} ({getpass.getuser()})"
    )
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
    console.print(
        f"[{_COLOURS.get(outcome, 'red')}]{outcome.replace('_', ' ')}[/]: {entry.get('reason', '')}"
    )
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
        outcome = entry.get("outcome")
        if outcome is None:
            seen = _visits(services, entry["run"])
            outcome_text = f"[bold cyan]{seen[-1].state if seen else 'starting'} …[/]"
        else:
            outcome_text = f"[{_COLOURS[outcome]}]{outcome.replace('_', ' ')}[/]"
        table.add_row(
            entry["started_at"][:19].replace("T", " "),
            entry["trigger"].replace("_", " ") if "trigger" in entry else "",
            outcome_text,
            entry.get("reason") or entry.get("trigger_reason", ""),
            f"{_text(entry.get('champion_before'))} → {_text(entry.get('champion_after'))}",
        )
    return table


def _text(value: Any) -> str:
    return "-" if value is None else str(value)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def main() -> None:
    """The command line; a named error is a sentence and exit code 1, not a traceback."""
    try:
        app()
    except PerennialError as error:
        problems.print(f"[red]{type(error).__name__}[/]: {error}")
        raise SystemExit(1) from error
    except (ClientError, BotoCoreError) as error:
        problems.print(f"[red]AWS[/]: {error}")
        raise SystemExit(1) from error
