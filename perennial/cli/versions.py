"""`perennial versions` and `rollback`: what a model has been, and which of it serves."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

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
from perennial.config import ModelConfig, load_model
from perennial.contracts.drift import Observed, PerformanceSummary
from perennial.cost import of_entry
from perennial.errors import InvalidRequest, VersionNotFound
from perennial.lineage import VersionRecord, gone, served

type Spans = Sequence[tuple[datetime, datetime | None]]

_RUNS = 200  # of the last ones, whose costs and whose batches are shown
_WIDE = 140  # columns of a terminal on which also fits when each version served, and the run it came of


def versions(
    model: Model,
    version: Annotated[
        int | None, typer.Argument(min=1, help="Number of one version, whose history is shown.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Of the holdout, shown; may be given again. Without it the primary."),
    ] = None,
    stack: Stack = "perennial",
) -> None:
    """Every version of a model, or the history of one: scores, when it served, where it came from.

    Of one version: all metrics of its holdout, and its performance on each batch of the last 200 runs.
    """
    services, config = services_of(stack), load_model(model)
    runs = {entry["run"]: entry for entry in services.ledger.runs(model, _RUNS)}
    spans = served(services.registry.audit(model))
    if version is None:
        records = services.registry.versions(model)
        console.print(_all(config, records, _metrics(config, records, metric), runs, spans))
        return
    record = services.registry.version(model, version)
    when = _served(spans.get(version, ()))
    console.print(Text(f"version {version} of {model}: ") + _status(record))
    console.print(Text(f"trained {_minute(record.created_at)} by run {record.run}"))
    console.print(Text(f"served {when}" if when != "-" else "never served"))
    if record.expired:
        console.print(Text(gone(record)))
    console.print(_scores(record, _metrics(config, [record], metric or sorted(record.metrics))))
    batches = _batches(version, runs.values())
    console.print(batches if batches.row_count else "nothing is known of a batch that came while it served")


def _metrics(config: ModelConfig, records: Sequence[VersionRecord], wanted: list[str] | None) -> list[str]:
    """Raises InvalidRequest where none of the versions has a metric of that name."""
    known = {config.metric}.union(*(record.metrics for record in records))
    for name in wanted or ():
        if name not in known:
            raise InvalidRequest(
                f"no version has the metric {name}: expected one of {', '.join(sorted(known))}"
            )
    return wanted or [config.metric]


def _all(
    config: ModelConfig,
    records: Sequence[VersionRecord],
    metrics: Sequence[str],
    runs: Mapping[str, dict[str, Any]],
    spans: Mapping[int, Spans],
) -> Table:
    heads = ("version", "status", *metrics, "rows", "parent", "trained", "cost")
    wide = console.width >= _WIDE
    more = ("served", "run") if wide else ()
    table = Table(*heads, *more, title=f"Versions of {config.name}", box=SIMPLE_HEAD)
    for record in records:
        table.add_row(
            str(record.version),
            _status(record),
            *(number(record.metrics.get(name)) for name in metrics),
            str(record.rows_trained),
            text(record.parent),
            _minute(record.created_at),
            of_entry(runs.get(record.run, {})),
            *((_served(spans.get(record.version, ())), record.run) if wide else ()),
        )
    return table


def _scores(record: VersionRecord, metrics: Sequence[str]) -> Table:
    table = Table("metric", "on its holdout")
    for name in metrics:
        table.add_row(name, number(record.metrics.get(name)))
    return table


def _batches(version: int, entries: Iterable[dict[str, Any]]) -> Table:
    """What the ledger kept of the batches that came while it served, oldest first."""
    table = Table(
        "batch of", "metric", "holdout", "measured", "estimated", "run", title="Its performance by batch"
    )
    for entry in sorted(entries, key=lambda entry: str(entry["started_at"])):
        if entry.get("champion_before") != version or "performance" not in entry:
            continue
        found = Observed.model_validate_json(entry["performance"])
        first = found.measured or found.estimated
        table.add_row(
            entry["started_at"][:19].replace("T", " "),
            first.metric if first else "-",
            number(first.reference if first else None),
            _level(found.measured),
            _level(found.estimated),
            entry["run"],
        )
    return table


def _level(found: PerformanceSummary | None) -> str:
    if found is None:
        return "-"
    return f"{found.current:.4g} ({found.low:.4g} to {found.high:.4g}, {found.rows} rows)"


def _status(record: VersionRecord) -> Text:
    return coloured(record.status) + Text(", files gone" if record.expired else "", "dim")


def _served(spans: Spans) -> str:
    """One span a line, to the minute."""
    lines = [f"{_minute(since)} {f'to {_minute(until)}' if until else 'until now'}" for since, until in spans]
    return "\n".join(lines) or "-"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


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
