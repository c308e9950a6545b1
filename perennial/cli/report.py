"""`perennial report`: one self-contained page about a run, or about a model's last runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from perennial.cli.shared import Stack, console, services_of
from perennial.config import load_model
from perennial.errors import InvalidRequest


def report(
    run: Annotated[str | None, typer.Argument(help="Name of a run; without it, the last runs.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Name of the model, as in models/<name>.yaml.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the page is written.")] = Path("report.html"),
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many of the last runs to show.")] = 10,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    stack: Stack = "perennial",
) -> None:
    """Write one self-contained page: what was found and decided, the path taken, scores, versions.

    About one run it is the page that the workflow left at runs/<run>/report.html, made anew.
    Where Step Functions has forgotten the run (90 days), it is that page itself, if the run had a challenger.
    """
    from perennial.aws.pages import found_page, runs_page

    services, now = services_of(stack), datetime.now(UTC)
    if run is not None:
        entry = services.ledger.run(run)
        if entry is None:
            raise InvalidRequest(f"no run is named {run}: perennial status lists them")
        out.write_text(found_page(services, run, model or entry["model"], now), encoding="utf-8")
    elif model is not None:
        out.write_text(runs_page(services, load_model(model).name, limit, now), encoding="utf-8")
    else:
        raise InvalidRequest("expected the name of a run, or --model for the last runs of a model")
    console.print(f"the page about {f'run {run}' if run else model} is {out}", markup=False)
    if show:
        typer.launch(out.resolve().as_uri())
