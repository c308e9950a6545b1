"""`perennial report`: one self-contained page about a model's last runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from perennial.aws import facts
from perennial.aws.clients import client
from perennial.cli.shared import Model, Stack, console, services_of
from perennial.config import load_model
from perennial.errors import InvalidRequest


def report(
    model: Model,
    out: Annotated[Path, typer.Option(help="Where the page is written.")] = Path("report.html"),
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many of the last runs to show.")] = 10,
    stack: Stack = "perennial",
) -> None:
    """Write one self-contained page about the last runs: paths, drift, scores, versions."""
    from perennial.report.page import render

    services, config = services_of(stack), load_model(model)
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
