"""What drift detection found, for people and for programs."""

from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

from perennial.contracts.words import DriftKind
from perennial.drift.drawing import bars
from perennial.drift.performance import PerformanceChange
from perennial.drift.quality import QualityIssue
from perennial.drift.schema import SchemaChange
from perennial.drift.sequential import Accumulated
from perennial.drift.table_test import TableTest
from perennial.profile import ColumnProfile


@dataclass(frozen=True)
class ColumnDrift:
    """The verdict on one column.

    `drifted`: one test is both significant and material. `p_value`: of the column, all its tests combined
    (None where none was possible); `adjusted_p_value`: corrected for all columns and tests of the batch.
    `effect`: the largest change, in standard deviations of a normal shift, free of sampling noise; `weight`:
    how much the model leans on the column. `statistics` by name, see docs/drift.md. `reasons`, the weightiest
    first. `profiles`: of reference and current.
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
    weight: float
    statistics: dict[str, float]
    reasons: tuple[str, ...]
    profiles: tuple[ColumnProfile, ColumnProfile] = field(repr=False)

    @cached_property
    def histogram(self) -> dict[str, Any]:
        """See `perennial.drift.drawing`; drawn when it is asked for."""
        return bars(*self.profiles)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the histogram among them."""
        told = {of.name: getattr(self, of.name) for of in fields(self) if of.name != "profiles"}
        return {**told, "histogram": self.histogram}


@dataclass(frozen=True)
class DriftReport:
    """The verdict on a batch, its columns in the order of the reference.

    `significant` and `material` say whether any evidence is so: of a column, the table, the performance, or
    (with a state) what accumulated over batches; `drifted` whether one is both, or the schema changed.
    `kinds` that drifted: data (features), label, concept (performance), schema. `quality`: what is wrong with
    columns now and was not; it informs and decides nothing. `score`: the largest corrected PSI. `reasons`:
    ranked by likely impact on the model. `state`: to be given to the next check.
    """

    drifted: bool
    significant: bool
    material: bool
    kinds: tuple[DriftKind, ...]
    score: float
    summary: str
    reasons: tuple[str, ...]
    columns: dict[str, ColumnDrift]
    tables: tuple[TableTest, ...]
    schema: SchemaChange
    quality: tuple[QualityIssue, ...]
    performance: PerformanceChange | None
    performance_drifted: bool
    accumulated: Accumulated | None
    state: dict[str, Any] | None
    reference_rows: int
    current_rows: int
    tests: int
    alpha: float

    @property
    def drifted_columns(self) -> tuple[str, ...]:
        """Names of the drifted columns, the likeliest impact first."""
        return tuple(column.name for column in by_impact(self.columns) if column.drifted)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `drifted_columns` included, the state left out."""
        told = asdict(replace(self, columns={}, state=None))
        del told["state"]
        columns = {name: column.to_dict() for name, column in self.columns.items()}
        return {**told, "columns": columns, "drifted_columns": list(self.drifted_columns)}


def by_impact(columns: dict[str, ColumnDrift]) -> list[ColumnDrift]:
    """Columns ranked: drifted first, then by effect times the model's leaning on them."""
    return sorted(columns.values(), key=lambda column: (not column.drifted, -column.effect * column.weight))
