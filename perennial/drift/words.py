"""The verdict in plain words."""

from collections.abc import Iterable

from perennial.drift.evidence import ColumnEvidence, ColumnTest
from perennial.drift.performance import PerformanceChange
from perennial.drift.report import ColumnDrift, by_impact
from perennial.drift.schema import SchemaChange
from perennial.drift.sequential import Accumulated
from perennial.drift.table_test import TableTest


def told(test: ColumnTest, adjusted: float, *, significant: bool, material: bool, large: bool) -> str:
    """What a test saw, and what that is worth; `large`: as it was seen, it would matter."""
    size = f"{test.words}, corrected p {p_words(adjusted)}"
    if not significant:
        return f"{size}: not significant"
    if material:
        return size
    return f"{size}: significant, but {'not surely large enough' if large else 'too small'} to matter"


def p_words(value: float) -> str:
    """A p-value as one reads it."""
    return "< 0.0001" if value < 0.0001 else f"= {value:.2g}"


def summarise(
    columns: dict[str, ColumnDrift],
    performance: PerformanceChange | None,
    *,
    worse: bool,
    tables: Iterable[TableTest] = (),
    schema: SchemaChange | None = None,
    accumulated: Accumulated | None = None,
) -> str:
    """The verdict in a line, what matters most first; the columns' own reasons say the rest."""
    sentences = []
    if schema is not None and schema.breaking:
        sentences.append(f"the schema changed ({schema.words})")
    if performance is not None and worse:
        sentences.append(f"performance fell ({performance_words(performance)})")
    drifted = [column for column in by_impact(columns) if column.drifted]
    for role, name in (("feature", "features"), ("label", "label")):
        found = [column for column in drifted if column.role == role]
        if found:
            total = sum(column.role == role for column in columns.values())
            count = f"{len(found)} of {total} {name} drifted" if role == "feature" else "the label drifted"
            most = f"{found[0].name} most: " if len(found) > 1 else f"{found[0].name}: " * (role == "feature")
            sentences.append(f"{count} ({most}{found[0].reasons[0]})")
    sentences += [test.reason for test in tables if test.drifted]
    if accumulated is not None and accumulated.drifted:
        sentences.append(accumulated.reason)
    return "; ".join(sentences) or _quiet(columns, tables, accumulated)


def _quiet(
    columns: dict[str, ColumnDrift], tables: Iterable[TableTest], accumulated: Accumulated | None
) -> str:
    small = [column.name for column in columns.values() if column.significant]
    if small:
        return f"no drift that matters: changes of {', '.join(small)} are significant but too small"
    weak = [test.reason for test in tables if test.significant]
    if weak:
        return f"no drift that matters: {weak[0]}, too small to matter"
    if accumulated is not None and accumulated.significant:
        return f"no drift that matters: {accumulated.reason}, too small to matter"
    return f"no drift: no column of {len(columns)} differs significantly from the reference"


def ranked_reasons(
    columns: dict[str, ColumnDrift],
    evidence: dict[str, ColumnEvidence],
    tables: Iterable[TableTest],
    first: Iterable[str],
) -> tuple[str, ...]:
    """All that was significant, by likely impact: `first`, columns that drifted, the table, small changes."""
    ranked = [column for column in by_impact(columns) if column.significant]

    def lines(*, drifted: bool) -> list[str]:
        return [
            f"{column.name}: {'; '.join((column.reasons[0], *evidence[column.name].notes))}"
            for column in ranked
            if column.drifted == drifted
        ]

    told = [test.reason for test in tables if test.significant]
    return (*first, *lines(drifted=True), *told, *lines(drifted=False))


def performance_words(change: PerformanceChange) -> str:
    """Both scores with their rows."""
    return (
        f"{change.metric} {change.reference:.3g} on {change.reference_rows} holdout rows, "
        f"{change.current:.3g} on {change.current_rows} new ones"
    )
