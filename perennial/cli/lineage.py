"""`perennial compare` and `lineage`: what versions were made of, and which came of which."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from perennial import layout
from perennial import lineage as lines
from perennial.aws.wiring import Services
from perennial.cli.shared import Model, Stack, console, number, services_of
from perennial.config import ModelConfig, load_model
from perennial.lineage import VersionRecord
from perennial.words import counted

Version = Annotated[int, typer.Argument(min=1, help="Number of the version.")]


def compare(one: Version, other: Version, model: Model, stack: Stack = "perennial") -> None:
    """Two versions side by side: metrics, and in what data, parameters and libraries they differ."""
    services = services_of(stack)
    load_model(model)
    table = Table("", f"version {one}", f"version {other}", title=f"{model}: version {one} and {other}")
    for row in lines.compare(_with_data(services, model, one), _with_data(services, model, other)):
        table.add_row(Text(row.name), Text(row.one), Text(row.other))
    console.print(table)


def lineage(version: Version, model: Model, stack: Stack = "perennial") -> None:
    """Where a version came from, and what came of it: parents, data and run; versions that go on from it."""
    services, config = services_of(stack), load_model(model)
    records = {record.version: record for record in services.registry.versions(model)}
    record = _with_data(services, model, version)
    line = [*reversed(lines.ancestors(list(records.values()), version)), version]
    root = branch = Tree(_label(records.get(line[0]), line[0], config))
    for descendant in line[1:]:
        branch = branch.add(_label(records.get(descendant), descendant, config))
    made = branch.add(
        Text(f"made by run {record.run} from {counted(len(record.data), 'data object')}", "dim")
    )
    for item in record.data:
        made.add(Text(item.key, "dim"))
    _grow(branch, records, version, config)
    console.print(root)


def _grow(branch: Tree, records: dict[int, VersionRecord], version: int, config: ModelConfig) -> None:
    for child in lines.children(list(records.values()), version):
        _grow(branch.add(_label(records[child], child, config)), records, child, config)


def _label(record: VersionRecord | None, version: int, config: ModelConfig) -> Text:
    if record is None:
        return Text(f"version {version}: not in the registry", "red")
    score = number(record.metrics.get(config.metric))
    return Text(f"version {version}: {record.status.replace('_', ' ')}, {config.metric} {score}")


def _with_data(services: Services, model: str, version: int) -> VersionRecord:
    """A version with its data objects, which only its file holds. Raises VersionNotFound."""
    record = services.registry.version(model, version)
    stored = services.artifacts.get_json(layout.version_key(model, version, layout.LINEAGE))
    return record.model_copy(update={"data": VersionRecord.model_validate(stored).data})
