"""docs/model-file.md has a table per block of the model file, in it a row per field with its default."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from perennial.config import ModelConfig
from perennial.config_fields import parse_duration

PAGE = Path(__file__).parents[2] / "docs" / "model-file.md"
TOP = "The file itself"


def _blocks(model: type[BaseModel], name: str = TOP) -> Iterator[tuple[str, type[BaseModel]]]:
    """A model and those nested in its fields, each under the field's name."""
    yield name, model
    for field, info in model.model_fields.items():
        for nested in _nested(info.annotation):
            yield from _blocks(nested, field)


def _nested(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _nested(argument)


BLOCKS = dict(_blocks(ModelConfig))
FIELDS = [
    (block, info.alias or name, info)
    for block, model in BLOCKS.items()
    for name, info in model.model_fields.items()
]


def _documented() -> dict[str, dict[str, str]]:
    """By heading: what the second cell of each row says, by the name in its first."""
    found: dict[str, dict[str, str]] = {}
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| \S", text, re.MULTILINE)
        found[heading.strip("`")] = {name: default.strip("` ") for name, default in rows}
    return found


DOCUMENTED = _documented()


def _cell(info: FieldInfo) -> str:
    """What the default's cell has to say, for the message of a failing test."""
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True)
    if default is None:
        return "none"
    if info.validate_default:  # of a block: `defaults()`
        return "all defaults"
    if isinstance(default, timedelta):
        return f"{default.total_seconds():.15g}s"
    return f"{list(default) if isinstance(default, tuple) else default!r}"


def _says(cell: str, info: FieldInfo) -> bool:
    """Whether the cell means the default, however it is written (`24h` is `86400s`)."""
    if info.is_required() or cell in {"none", "all defaults"}:
        return cell == _cell(info)
    default, written = info.get_default(call_default_factory=True), yaml.safe_load(cell)
    if isinstance(default, timedelta):
        return bool(parse_duration(written) == default)
    return bool(written == (list(default) if isinstance(default, tuple) else default))


@pytest.mark.parametrize(("block", "field", "info"), FIELDS, ids=[f"{b}.{f}" for b, f, _ in FIELDS])
def test_every_field_has_its_row_and_default(block: str, field: str, info: FieldInfo) -> None:
    assert block in DOCUMENTED, f"docs/model-file.md has no heading '## `{block}`'"
    row = f"| `{field}` | `{_cell(info)}` | ... |"
    assert field in DOCUMENTED[block], f"docs/model-file.md, under '{block}', lacks the row {row}"
    said = DOCUMENTED[block][field]
    assert _says(said, info), f"docs/model-file.md says {block}.{field} is {said} by default; expected {row}"


def test_no_row_is_left_of_a_field_that_is_gone() -> None:
    known = {(block, field) for block, field, _ in FIELDS}
    written = {(block, field) for block, rows in DOCUMENTED.items() for field in rows}
    assert written - known == set()


def test_examples_of_the_page_can_be_used() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for text in blocks:
        columns = yaml.safe_load(text)["columns"]
        rest = {"name": "x", "task": "classification", "label": "channel"}
        estimator = {"class": "sklearn.tree.DecisionTreeClassifier"}
        ModelConfig.model_validate(rest | {"estimator": estimator, "columns": columns})
