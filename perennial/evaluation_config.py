"""The `evaluation` block of a model file: what a challenger has to be to become champion."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perennial.config_fields import Block, Duration, defaults
from perennial.metric_names import METRICS

Margin = Annotated[float, Field(ge=0)]


class OwnMetric(Block):
    """A metric of the user's: `function` is `module:function`, of a Python module beside the model files.

    It is called with labels (n,), predicted (n,) and probabilities (n, k) of the sorted classes, None where
    there are none, and returns the value, or one value of each row (n,), of which the metric is the mean.
    """

    function: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*:[A-Za-z_]\w*$")]
    higher_is_better: bool


class SliceSpec(Block):
    """A column by which rows are told apart: at `edges` where it holds numbers, else by its values."""

    column: str
    edges: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _edges_rise(self) -> Self:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"edges of {self.column} must rise, came {list(self.edges)}")
        return self


class Latency(Block):
    """How long a challenger may take to answer: 1,000 rows at once; one row alone, in 95 of 100 calls."""

    thousand_rows: Duration | None = None
    single_row: Duration | None = None


class EvaluationPolicy(Block):
    """When a challenger may take the champion's place; docs/evaluation.md explains the gates.

    `require`: better, or only not worse by more than `margin` (non_inferior). `margin`: the smallest
    difference of the primary metric that matters, and what may be lost on rows that were known before.
    `guardrails`: by metric, what may be lost. A margin is in the metric's units; of mae, rmse, pinball and
    cost it is a share. `slices`: columns, or columns with edges; besides, `found_slices` are looked for.
    `max_rows`: of a larger holdout so many are drawn. `archived`: so many versions that served before are
    scored beside.
    """

    metric: str | None = None
    require: Literal["better", "non_inferior"] = "better"
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    margin: Margin = 0.02
    power: Annotated[float, Field(gt=0, lt=1)] = 0.8
    guardrails: dict[str, Margin] = Field(default={})
    slices: tuple[str | SliceSpec, ...] = ()
    found_slices: int = Field(default=3, ge=0, le=20)
    slice_margin: Margin = 0.05
    min_slice_rows: int = Field(default=30, ge=2)
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.5
    costs: dict[str, dict[str, float]] = Field(default={})
    metrics: dict[str, OwnMetric] = Field(default={})
    max_latency: Latency = defaults()
    max_bytes: Annotated[int, Field(ge=1)] | None = None
    max_rows: int = Field(default=200_000, ge=100)
    archived: int = Field(default=2, ge=0, le=20)

    @model_validator(mode="after")
    def _own_names_are_new(self) -> Self:
        taken = sorted(set(self.metrics) & set(METRICS))
        if taken:
            raise ValueError(f"metrics of your own need other names than {', '.join(taken)}")
        return self

    def specs(self) -> tuple[SliceSpec, ...]:
        """Every named slice as a column with edges."""
        return tuple(item if isinstance(item, SliceSpec) else SliceSpec(column=item) for item in self.slices)

    def problem(
        self, task: str, columns: dict[str, str], label: str, levels: tuple[str, ...] | None
    ) -> str | None:
        """What does not fit the rest of the file, `columns` being types by name; None where all fits."""
        known = [
            name for name, kind in METRICS.items() if kind.task == task and (name != "cost" or self.costs)
        ]
        asked = [*([self.metric] if self.metric else []), *self.guardrails]
        for name in asked:
            if name not in known and name not in self.metrics:
                expected = ", ".join([*known, *self.metrics])
                return f"{name} is no metric of this {task}: expected one of {expected}"
        for spec in self.specs():
            if spec.column not in columns or spec.column == label:
                return f"slices: {spec.column} is none of the columns beside the label"
            if bool(spec.edges) != (columns[spec.column] == "number"):
                return f"slices: {spec.column} is a {columns[spec.column]}: numbers have edges, others none"
        return self._cost_problem(task, levels)

    def _cost_problem(self, task: str, levels: tuple[str, ...] | None) -> str | None:
        if not self.costs:
            return None
        if task != "classification" or not levels:
            return "costs need a classification whose label has levels"
        cells = {(actual, said) for actual, row in self.costs.items() for said in row}
        strange = sorted({name for cell in cells for name in cell} - set(levels))
        if strange:
            return f"costs: {', '.join(strange)} are no levels of the label"
        missing = [f"{a}: {b}" for a in levels for b in levels if a != b and (a, b) not in cells]
        return f"costs lack {missing[0]}" if missing else None
