"""The blocks of a model file that say what is fitted: `estimator` and `search`."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from perennial.config_fields import Block, Duration, defaults

_CLASS = r"^sklearn(\.\w+)+$"
_FACTORY = r"^[A-Za-z_]\w*:[A-Za-z_]\w*$"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Calibration(Block):
    """Probabilities that mean what they say, by predictions on rows that were not learnt from.

    `folds`: over how many parts of the rows these predictions are made.
    """

    method: Literal["sigmoid", "isotonic"] = "sigmoid"
    folds: int = Field(default=5, ge=2, le=20)


class Incremental(Block):
    """How the incremental strategy goes through its rows.

    `block_rows` rows are learnt at a time. `epochs`: how often all rows are gone through where there is no
    version to go on from; new rows for one that exists are gone through once. `checkpoint_every` blocks the
    state is kept.
    """

    block_rows: int = Field(default=10_000, ge=1)
    epochs: int = Field(default=5, ge=1)
    checkpoint_every: int = Field(default=10, ge=1)


class Estimator(Block):
    """A scikit-learn estimator by its import path and parameters, or what a function of the user's makes.

    `factory`: `module:function`, of a Python module beside the model files; called with the ModelConfig, it
    returns an unfitted estimator, which stands behind the preprocessing of the schema, or a Pipeline, which
    is given the feature columns as they are. `class_weight`: by level; `balanced` gives every level the
    same sum. `steps`: in how many steps an ensemble is grown, with a checkpoint after each; without it, by
    the number of rows and members.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)  # records say class_path

    class_path: Annotated[str, Field(pattern=_CLASS)] | None = Field(default=None, alias="class")
    factory: Annotated[str, Field(pattern=_FACTORY)] | None = None
    params: dict[str, Any] = Field(default={})
    class_weight: Literal["balanced"] | dict[str, Positive] | None = None
    calibration: Calibration | None = None
    steps: int | None = Field(default=None, ge=1)
    incremental: Incremental = defaults()

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.class_path is None) == (self.factory is None):
            raise ValueError("an estimator has either a class or a factory")
        return self

    @property
    def name(self) -> str:
        """The import path of the class, or the factory."""
        return self.class_path or self.factory or ""


class Range(Block):
    """Numbers from `low` to `high`, both included; whole ones where both are whole. `log`: drawn so that
    every order of magnitude is as likely."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low must be less than high, came {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, came {self.low}")
        return self

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class Candidate(Block):
    """A kind of estimator that a search may choose: its fixed `params`, and by parameter the values to try.

    Without a class it is the model file's own estimator and its parameters, varied.
    """

    class_path: Annotated[str, Field(pattern=_CLASS)] | None = Field(default=None, alias="class")
    params: dict[str, Any] = Field(default={})
    space: dict[str, Range | Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default={})


class Search(Block):
    """What a search tries: the model file's own estimator as it is, and `trials` settings of the candidates.

    By successive halving: all on few rows, the best 1/`reduction` of them on `reduction` times as many, and
    so on up to all rows; never on fewer than `min_rows` (without it, by the number of folds and classes).
    Each setting is scored by cross-validation over `folds` parts in the order of time. `max_duration`: when
    so much time was spent, the best so far wins; without it half of what training may take.
    """

    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)]
    trials: int = Field(default=20, ge=1, le=1000)
    folds: int = Field(default=4, ge=2, le=20)
    reduction: int = Field(default=3, ge=2, le=10)
    min_rows: int | None = Field(default=None, ge=10)
    max_duration: Duration | None = None
