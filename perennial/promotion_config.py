"""The blocks of a model file about what follows a good evaluation: approval, bake and canary, retention."""

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from perennial.config_fields import Block, Duration, Share
from perennial.contracts.words import StrategyName

Occasion = StrategyName | Literal["large_change", "schema"]
LONGEST_APPROVAL = timedelta(days=7)  # below the time limit of a run in statemachine/retraining.asl.json


class ApprovalPolicy(Block):
    """When a better challenger waits for a person's word; what `on` is may stand for the block.

    `on`: the strategy of the training, such as search; `large_change`: more than that share of the holdout's
    answers are other than the champion's (the first version changes none); `schema`: the schema of the data
    drifted. `expires`: who has not answered by then has said no. `remind`: an e-mail so often.
    """

    on: Literal["never", "always"] | tuple[Occasion, ...] = ("search",)
    expires: Annotated[Duration, Field(gt=timedelta(), le=LONGEST_APPROVAL)] = timedelta(hours=20)
    remind: Annotated[Duration, Field(gt=timedelta())] = timedelta(hours=8)
    large_change: Share = 0.1

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return value if isinstance(value, dict | ApprovalPolicy) else {"on": value}


class BakePolicy(Block):
    """How a challenger is let in, and how long it is watched before the run calls it a success.

    `max_…`: what the health alarms of the new champion go off at; without a value there is no such alarm.
    `canary`: the shares of requests in per cent, rising, each for the time of a `step`, which the challenger
    answers before it is promoted; none is no canary. `level`: the chance, over all looks, that a canary that
    is no worse is stopped. `tolerance`: so much may its share of errors be above the champion's.
    `without_traffic`: what becomes of a canary that no request came to in a step.
    """

    duration: Duration = timedelta(minutes=15)
    check_every: Annotated[Duration, Field(gt=timedelta())] = timedelta(minutes=1)
    max_error_rate: Share = 0.05
    max_latency: Annotated[Duration, Field(gt=timedelta())] | None = None
    max_prediction_drift: Annotated[float, Field(gt=0)] | None = None
    canary: tuple[Annotated[int, Field(ge=1, le=100)], ...] = ()
    step: Annotated[Duration, Field(gt=timedelta())] = timedelta(minutes=10)
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    tolerance: Share = 0.005
    without_traffic: Literal["promote", "reject"] = "reject"

    @model_validator(mode="after")
    def _shares_rise(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.canary)):
            raise ValueError("the shares of a canary rise: expected [5, 25, 100], say")
        return self

    @property
    def steps(self) -> tuple[int, ...]:
        """The shares in per cent at which challenger and champion serve side by side."""
        return tuple(share for share in self.canary if share < 100)


class RetentionPolicy(Block):
    """When the files of old versions go; without this block they stay.

    `keep`: the newest so many that served keep their files. `min_age`: so long nobody had a use for a
    version: it was neither trained nor served nor tried since.
    """

    keep: Annotated[int, Field(ge=1)] = 10
    min_age: Duration = timedelta(days=30)
