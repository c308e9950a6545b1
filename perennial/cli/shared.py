"""What the commands share: the stack they work on, who uses them, and how a word looks on the terminal."""

import getpass
import os
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from perennial.aws.wiring import Services, Settings

console = Console()
problems = Console(stderr=True)

Model = Annotated[str, typer.Option("--model", "-m", help="Name of the model, as in models/<name>.yaml.")]
Run = Annotated[str, typer.Argument(help="Name of the run.")]
Stack = Annotated[
    str, typer.Option("--stack", envvar="PERENNIAL_STACK", help="Name of the CloudFormation stack.")
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why, in words: it goes on record.")]

COLOURS = {
    "promoted": "green",
    "champion": "green",
    "skipped": "dim",
    "quarantined": "yellow",
    "rejected": "yellow",
    "rolled_back": "magenta",
    "failed": "bold red",
}


def services_of(stack: str) -> Services:
    """The adapters of a deployed stack."""
    return Services(Settings.from_stack(stack))


def coloured(word: str) -> Text:
    """An outcome or a status. Text, as all that comes from outside: nothing in it is read as markup."""
    return Text(word.replace("_", " "), COLOURS.get(word, "dim"))


def indented(line: str | Text, by: int = 2) -> Padding:
    """A line of text that, where it is too long for the terminal, goes on as far in as it begins."""
    if isinstance(line, str):
        by += len(line) - len(line.lstrip())
        line = Text(line.strip())
    return Padding(line, (0, 0, 0, by), expand=False)


def who() -> str:
    """Who is on record: the user's name, or number where it has no name."""
    try:
        return getpass.getuser()
    except OSError:
        return str(os.getuid())


def text(value: Any) -> str:
    """A value in a table."""
    return "-" if value is None else str(value)


def number(value: float | None) -> str:
    """A score in a table."""
    return "-" if value is None else f"{value:.4g}"
