"""`perennial card`: what a version is, how good it is and where not, for whoever has to answer for it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from perennial.cli.shared import Model, Stack, console, indented, services_of
from perennial.words import counted


def card(
    version: Annotated[int, typer.Argument(min=1, help="Number of the version.")],
    model: Model,
    out: Annotated[
        Path | None, typer.Option(help="Where the card is written: JSON if it ends so, else HTML.")
    ] = None,
    stack: Stack = "perennial",
) -> None:
    """Show or write the card of a version: data, metrics with intervals and by slice, limits, cost."""
    from perennial.aws.cards import card_page, read_card, standing

    services = services_of(stack)
    record = services.registry.version(model, version)
    found = read_card(services, record)
    if out is not None:
        is_json = out.suffix == ".json"
        text = found.model_dump_json(indent=1) if is_json else card_page(services, record)
        out.write_text(text, encoding="utf-8")
        console.print(f"the card of version {version} of {model} is {out}", markup=False)
        return
    so_far = standing(services, record)
    table = Table("metric", "value", "95 % interval", title=f"Version {version} of {model}, {so_far.status}")
    for name, score in found.quantitative_analyses.overall.items():
        ends = "-" if score.low is None or score.high is None else f"{score.low:.4g} to {score.high:.4g}"
        table.add_row(name, f"{score.value:.4g}", ends)
    console.print(table)
    data = found.training_data
    learnt = f"trained on {data.rows} rows of {counted(len(data.objects), 'object')}, {data.strategy.name}"
    lines = [
        f"{learnt}: {data.strategy.reason}",
        f"training cost {so_far.cost}",
        *found.caveats_and_recommendations,
    ]
    for line in lines:
        console.print(indented(line))
