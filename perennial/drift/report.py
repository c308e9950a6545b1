"""What drift detection found, for people and for programs."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from perennial.contracts import DriftKind
from perennial.drift.performance import PerformanceChange


@dataclass(frozen=True)
class ColumnDrift:
    """The verdict on one column.

    `drifted`: one test is both significant and material. `p_value` is the smallest of the column's tests
    (None where none was possible), `adjusted_p_value` the smallest after correction for all tests of the
    batch. `effect`: the largest noise-free distance, in [0, 1]. `statistics` by name: ks or chi2 and
    total_variation, psi, psi_corrected, and missing_reference and missing_current where values are missing.
    `histogram`: see `perennial.drift.drawing`.
    """

    name: str
    kind: str
    role: Literal["feature", "label"]
    drifted: bool
    significant: bool
    material: bool
    p_value: float | None
    adjusted_p_value: float | None
    effect: float
    statistics: dict[str, float]
    reasons: tuple[str, ...]
    histogram: dict[str, Any]


@dataclass(frozen=True)
class DriftReport:
    """The verdict on a batch, its columns in the order of the reference.

    `significant` and `material` say whether any column's (or the performance's) evidence is so; `drifted`
    whether one is both. `kinds` that drifted: data (features), label, concept (performance). `score`: the
    largest corrected PSI.
    """

    drifted: bool
    significant: bool
    material: bool
    kinds: tuple[DriftKind, ...]
    score: float
    summary: str
    columns: dict[str, ColumnDrift]
    performance: PerformanceChange | None
    performance_drifted: bool
    reference_rows: int
    current_rows: int
    tests: int
    alpha: float

    @property
    def drifted_columns(self) -> tuple[str, ...]:
        """Names of the drifted columns, the largest effect first."""
        return tuple(column.name for column in by_effect(self.columns) if column.drifted)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `drifted_columns` included."""
        return {**asdict(self), "drifted_columns": list(self.drifted_columns)}


def by_effect(columns: dict[str, ColumnDrift]) -> list[ColumnDrift]:
    """Columns ranked: drifted first, then by effect."""
    return sorted(columns.values(), key=lambda column: (not column.drifted, -column.effect))


def summarise(columns: dict[str, ColumnDrift], performance: PerformanceChange | None, worse: bool) -> str:
    """The verdict in a line, what matters most first; the columns' own reasons say the rest."""
    sentences = []
    if performance is not None and worse:
        sentences.append(f"performance fell ({performance_words(performance)})")
    drifted = [column for column in by_effect(columns) if column.drifted]
    for role, name in (("feature", "features"), ("label", "label")):
        found = [column for column in drifted if column.role == role]
        if found:
            total = sum(column.role == role for column in columns.values())
            count = f"{len(found)} of {total} {name} drifted" if role == "feature" else "the label drifted"
            most = f"{found[0].name} most: " if len(found) > 1 else f"{found[0].name}: " * (role == "feature")
            sentences.append(f"{count} ({most}{found[0].reasons[0]})")
    if not sentences:
        small = [column.name for column in columns.values() if column.significant]
        sentences.append(
            f"no drift that matters: changes of {', '.join(small)} are significant but too small"
            if small
            else f"no drift: no column of {len(columns)} differs significantly from the reference"
        )
    return "; ".join(sentences)


def performance_words(change: PerformanceChange) -> str:
    """Both scores with their rows."""
    return (
        f"{change.metric} {change.reference:.3g} on {change.reference_rows} holdout rows, "
        f"{change.current:.3g} on {change.current_rows} new ones"
    )
