"""The `watch` block of a model file: which alarms watch the model, and how often people are told."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from perennial.config_fields import Block, Duration, Share


class WatchPolicy(Block):
    """What alarms go off at; `none` is no such alarm. Each costs by the month, see the README.

    `notify_every`: of one kind of notice at most one is sent in so long; those held back are counted in the
    next one. `performance_drop`: in multiples of the drop that `drift.min_performance_drop` allows.
    `drift_unanswered`: checks in a row that found drift and started no training. `trainings_failed`: in a
    row. `quarantine_rate`: the share of the last ten batches. `budget_used`: the share of the month's limit
    in `training`, where it has one. `longest_run`: a run that holds the model longer is stuck; none goes by
    what the run may do. `unhealthy`: one alarm over all of the model's.
    """

    notify_every: Duration = timedelta(hours=1)
    performance_drop: Annotated[float, Field(gt=0)] | None = 1.0
    drift_unanswered: Annotated[int, Field(ge=1)] | None = 3
    trainings_failed: Annotated[int, Field(ge=1)] | None = 2
    quarantine_rate: Share | None = 0.3
    budget_used: Annotated[float, Field(gt=0)] | None = 0.8
    longest_run: Annotated[Duration, Field(gt=timedelta())] | None = None
    unhealthy: bool = True
