"""`perennial init`: a first model file from data."""

from pathlib import Path
from typing import Annotated, Literal

import typer
import yaml

from perennial.config import models_dir
from perennial.dataset.reading import read_head
from perennial.errors import InvalidModelFile
from perennial.inference import infer_model, model_name

LOOKED_AT = 200_000


def init(
    source: Annotated[
        Path, typer.Option("--from", exists=True, dir_okay=False, help="CSV, Parquet or JSON Lines.")
    ],
    name: Annotated[str | None, typer.Option(help="Name of the model; by default from the file's.")] = None,
    label: Annotated[str | None, typer.Option(help="The column to predict; by default a guess.")] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; by default by label.")
    ] = None,
    write: Annotated[
        bool, typer.Option(help="Write models/<name>.yaml, if there is none, not print.")
    ] = False,
) -> None:
    """Infer a first model file from data, to be checked by you."""
    chosen = name or model_name(source.name)
    tasks: dict[str | None, Literal["classification", "regression"]] = {
        "classification": "classification",
        "regression": "regression",
    }
    if task is not None and task not in tasks:
        raise typer.BadParameter(f"expected {' or '.join(map(str, tasks))}, got {task}", param_hint="--task")
    rows = read_head(source, source.name, LOOKED_AT)
    text = infer_model(rows, chosen, label=label, task=tasks.get(task), source=source.name)
    if not write:
        typer.echo(text, nl=False)
        return
    path = models_dir() / f"{yaml.safe_load(text)['name']}.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InvalidModelFile(f"{path} exists: nothing was written; choose another --name") from error
    typer.echo(f"{path} written: check it, then `perennial run --model {chosen} --reason first`")
