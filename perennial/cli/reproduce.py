"""`perennial reproduce`: is a version what its manifest and seed give?"""

from typing import Annotated

import typer
from rich.text import Text

from perennial.cli.shared import Model, Stack, console, services_of


def reproduce(
    version: Annotated[int, typer.Argument(min=1, help="Number of the version.")],
    model: Model,
    stack: Stack = "perennial",
) -> None:
    """Train a version again from the data, model file and seed on record, and compare."""
    from perennial.aws.reproduction import reproduce as train_again  # takes seconds to import

    found = train_again(services_of(stack), model, version)
    if found.identical:
        how = "byte for byte" if found.same_bytes else "in all that was fitted; its file differs"
        console.print(Text("identical", "green") + Text(f": version {version} of {model}, {how}"))
        console.print(Text(f"  trained again on {found.rows_trained} rows; nothing was written"))
    else:
        console.print(Text("different", "bold red") + Text(f": version {version} of {model}"))
        for line in found.differing:
            console.print(Text(f"  {line}"))
    for line in found.surroundings:
        console.print(Text(f"  {line}", "yellow"))
    if not found.identical:
        raise typer.Exit(1)
