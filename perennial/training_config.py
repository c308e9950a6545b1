"""What the model file says of a training: which rows it learns from, and what its instance may take."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perennial.config_fields import Block, Duration
from perennial.contracts.words import StrategyName


class Window(Block):
    """The youngest rows: so many of them, or those of so many days."""

    rows: Annotated[int, Field(ge=1)] | None = None
    days: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.rows is None) == (self.days is None):
            raise ValueError("a window has either rows or days")
        return self


class StrategyPolicy(Block):
    """Which accepted rows a training learns from, and with what weights; see docs/strategies.md.

    `auto` picks by the kinds of drift found. `half_life`: the age at which a row counts half. `max_weight`:
    no row counts so many times more than the mean, or less than its inverse. `old_share`: of the rows that
    rehearsal trains on. `min_rows`: with fewer training rows since a change, old ones are not given up;
    `confirmations`: nor before so many batches in a row say the same. `recall_versions`: at most so many
    archived versions are tried. `incremental_rows`: from so many rows on, auto lets a model that can go on
    from its parent do so.
    """

    name: Literal["auto", StrategyName] = "auto"
    window: Window | None = None
    half_life: Annotated[Duration, Field(gt=timedelta())] = timedelta(days=30)
    max_weight: float = Field(default=10.0, ge=1)
    old_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    min_rows: int = Field(default=100, ge=1)
    confirmations: int = Field(default=2, ge=1)
    recall_versions: int = Field(default=3, ge=0)
    incremental_rows: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _window_is_told(self) -> Self:
        if self.name == "window" and self.window is None:
            raise ValueError("strategy window needs a window: {rows: 100000}, say, or {days: 90}")
        return self


class Training(Block):
    """What the training instance may take.

    `instance_types`: none means the ones that fit the data, or `memory` (GiB) and `cpus` where declared.
    `max_duration` bounds one attempt, `max_minutes` and `max_dollars` all attempts of a run, the last two all
    trainings of a calendar month (UTC); an attempt counts with the most that it can take until it has ended.
    """

    # the workflow and the instance's own switch end a training after four hours, boot included
    max_duration: Annotated[Duration, Field(gt=timedelta(), le=timedelta(minutes=225))] = timedelta(
        minutes=30
    )
    instance_types: tuple[str, ...] = ()
    memory: Annotated[float, Field(gt=0)] | None = None
    cpus: int = Field(default=1, ge=1)
    market: Literal["spot", "on-demand"] = "spot"
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    max_dollars: Annotated[float, Field(gt=0)] | None = None
    max_minutes_per_month: Annotated[float, Field(gt=0)] | None = None
    max_dollars_per_month: Annotated[float, Field(gt=0)] | None = None
    dask_scheduler: Annotated[str, Field(pattern=r"^(tcp|tls)://\S+:\d+$")] | None = None
