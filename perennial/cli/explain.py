"""`perennial explain`: why a run ended as it did, and why a version serves."""

from typing import Annotated

import typer
from rich.text import Text

from perennial.cli.shared import Stack, console, indented, services_of
from perennial.errors import InvalidRequest


def explain(
    run: Annotated[str | None, typer.Argument(help="Name of a run.")] = None,
    version: Annotated[
        int | None, typer.Option("--version", help="A version, instead of the run that it came of.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Name of the version's model.")] = None,
    stack: Stack = "perennial",
) -> None:
    """The whole story of a run in plain words: what was found, decided, turned down, trained and promoted."""
    from perennial.aws.explanation import facts_of, run_of
    from perennial.explaining import tell

    if run is None and (version is None or model is None):
        raise InvalidRequest("expected the name of a run, or --model and --version")
    services = services_of(stack)
    name = run if run is not None else run_of(services, model or "", version or 0)
    facts = facts_of(services, name)
    console.print(Text(f"Run {name}", "bold"))
    for part in tell(facts):
        console.print(Text(f"\n{part.title}", "bold"))
        for line in part.lines:
            console.print(indented(line))
