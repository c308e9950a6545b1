"""The `policy` block of a model file: when retraining is wanted, and what holds it back."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perennial.config_fields import Block, Duration, defaults

Rule = Literal["retrain", "alert", "ignore"]

# Metrics whose drop is a number of errors per prediction, or of units of error per prediction.
COUNTED = frozenset({"accuracy", "balanced_accuracy", "mae"})


class Rules(Block):
    """What each kind of drift leads to. `performance`: of the champion, where it is measured or estimated to
    be materially worse than on its holdout."""

    data: Rule = "retrain"
    label: Rule = "retrain"
    prediction: Rule = "alert"
    concept: Rule = "retrain"
    schema_: Rule = Field(default="alert", alias="schema")
    performance: Rule = "retrain"

    model_config = Block.model_config | {"validate_by_name": True, "validate_by_alias": True}

    def of(self, kind: str) -> Rule:
        """The rule for one kind."""
        found: Rule = self.schema_ if kind == "schema" else getattr(self, kind)
        return found


class ValueModel(Block):
    """What errors cost: `error_cost` dollars for a wrong prediction, or for one unit of mean absolute error.

    A training has to be worth its price over `horizon`: so long it is until the next chance to train.
    """

    error_cost: float = Field(ge=0)
    predictions_per_day: float = Field(ge=0)
    horizon: Annotated[Duration, Field(gt=timedelta())] = timedelta(days=30)


class RetrainPolicy(Block):
    """When retraining is wanted, and what holds it back; docs/decision.md has the method.

    A kind of drift counts once it was seen in `confirmations` of the last `of_checks` checks, or at once
    where it is sure: a p-value of at most `sure` and a change of at least `strong` times the smallest that
    matters. `when_holding`: what drift of the rows leads to where the champion's performance is known to
    hold. After a retrain that was rejected, the same evidence does not lead to another before it is `growth`
    times as much. `max_age`: a champion so old is retrained without any drift.
    """

    cooldown: Duration = timedelta(hours=24)
    cooldown_after_rollback: Duration = timedelta(hours=72)
    min_labelled_rows: int = Field(default=50, ge=1)
    max_age: Annotated[Duration, Field(gt=timedelta())] | None = None
    rules: Rules = defaults()
    confirmations: int = Field(default=2, ge=1)
    of_checks: int = Field(default=3, ge=1, le=20)
    sure: Annotated[float, Field(ge=0, le=1)] = 1e-4
    strong: float = Field(default=2.0, ge=0)
    when_holding: Rule = "alert"
    growth: float = Field(default=2.0, ge=1)
    value: ValueModel | None = None

    @model_validator(mode="after")
    def _can_be_confirmed(self) -> Self:
        if self.confirmations > self.of_checks:
            raise ValueError(
                f"{self.of_checks} checks cannot confirm {self.confirmations} times: of_checks is too small"
            )
        return self
