"""`perennial versions` and `rollback`: what a model has been, and which of it serves."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import typer
from rich.table import Table

from perennial.aws.wiring import Services
from perennial.cli.shared import (
    Model,
    Reason,
    Stack,
    coloured,
    console,
    number,
    services_of,
    text,
    who,
)
from perennial.config import load_model
from perennial.cost import of_entry
from perennial.errors import InvalidRequest, VersionNotFound

_RUNS = 200  # of the last ones, whose costs are shown


def versions(model: Model, stack: Stack = "perennial") -> None:
    """Every version of a model: status, score, where it came from."""
    services = services_of(stack)
    config = load_model(model)
    runs = {entry["run"]: entry for entry in services.ledger.runs(model, _RUNS)}
    table = Table(
        *("version", "status", config.metric, "rows", "parent", "trained", "cost", "run"),
        title=f"Versions of {model}",
    )
    for record in services.registry.versions(model):
        table.add_row(
            str(record.version),
            coloured(record.status),
            number(record.metrics.get(config.metric)),
            str(record.rows_trained),
            text(record.parent),
            f"{record.created_at:%Y-%m-%d %H:%M:%S}",
            of_entry(runs.get(record.run, {})),
            record.run,
        )
    console.print(table)


def rollback(
    model: Model,
    reason: Reason,
    to: Annotated[
        int | None, typer.Option(help="The version that is to serve; by default the one before.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Even to a version that was rejected or never served.")] = False,
    stack: Stack = "perennial",
) -> None:
    """Give the place of the champion back to an earlier version; safe while a run is under way."""
    services, config = services_of(stack), load_model(model)
    alias = services.registry.champion(model)
    target = to if to is not None or alias is None else alias.previous
    if alias is None or alias.version is None or target is None:
        raise VersionNotFound(f"model {model} has no version to go back to")
    if target == alias.version:
        raise VersionNotFound(f"version {target} serves already")
    if not force:
        _check_served(services, model, target)
    services.succession.roll_back(
        config,
        champion=alias.version,
        to=target,
        run=f"by-hand-{who()}-{uuid4().hex[:8]}",
        reason=reason,
        now=datetime.now(UTC),
    )
    console.print(f"version [bold]{target}[/] of {model} serves; version {alias.version} was rolled back")


def _check_served(services: Services, model: str, version: int) -> None:
    """Raises InvalidRequest where a version exists that never was the champion."""
    status = services.registry.version(model, version).status
    if version not in {move["version"] for move in services.registry.audit(model)}:
        raise InvalidRequest(
            f"version {version} of {model} is {status} and never served: --force lets it serve; "
            "the champion is unchanged"
        )
