"""What a user writes: `models/<name>.yaml`, read and checked."""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from perennial.config_fields import Block, Duration, Name, Share, defaults
from perennial.data_config import Column, FileFormat, ValidationRules
from perennial.errors import InvalidModelFile, UnknownModel
from perennial.estimator_config import Estimator, Search
from perennial.evaluation_config import EvaluationPolicy
from perennial.metric_names import HIGHER_IS_BETTER
from perennial.policy_config import COUNTED, RetrainPolicy
from perennial.promotion_config import ApprovalPolicy, BakePolicy, RetentionPolicy
from perennial.training_config import StrategyPolicy, Training
from perennial.watch_config import WatchPolicy


class DriftPolicy(Block):
    """Evidence and materiality: both are needed for a verdict.

    `alpha`: chance of a false alarm per check, over all columns and tests. `min_effect`: the smallest change
    that matters, in standard deviations of a normal shift. `lifetime_alpha`: chance of any false alarm of the
    accumulated test over the life of a reference. `min_correlation_change`: the smallest change of a
    correlation that matters.
    """

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.01
    min_effect: float = Field(default=0.15, ge=0)
    lifetime_alpha: Annotated[float, Field(gt=0, lt=1)] = 0.01
    min_correlation_change: Share = 0.2
    min_performance_drop: Share = 0.05


class TriggerPolicy(Block):
    """When what was uploaded is looked at.

    `debounce`: uploads that come within it of one another become one batch, looked at by one run; 0s looks at
    once. `max_wait`: after so long a run takes what has come, even if more still comes.
    """

    debounce: Duration = timedelta(seconds=30)
    max_wait: Annotated[Duration, Field(le=timedelta(minutes=30))] = timedelta(minutes=10)

    @model_validator(mode="after")
    def _waits_long_enough(self) -> Self:
        if self.debounce > self.max_wait:
            raise ValueError(f"debounce {self.debounce} is longer than max_wait {self.max_wait}")
        return self


class CardWords(Block):
    """What a card says in your words: what the model is for and what not, whom it may harm, whose it is."""

    intended_use: str = ""
    out_of_scope: str = ""
    ethical: str = ""
    owner: str = ""


class ModelConfig(Block):
    """A named prediction task.

    `key` names the columns whose values identify a row: they choose the holdout and are no features.
    `time` names the date-time at which a row came to be, by which training weighs and selects; it is no
    feature. Every other column but the label is a feature.
    """

    name: Name
    description: str = ""
    task: Literal["classification", "regression"]
    label: str
    key: tuple[str, ...] = ()
    time: str | None = None
    columns: dict[str, Column]
    estimator: Estimator
    search: Search | None = None
    seed: int = 0
    holdout: Annotated[float, Field(gt=0, lt=0.9)] = 0.2
    format: FileFormat = defaults()
    validation: ValidationRules = defaults()
    trigger: TriggerPolicy = defaults()
    drift: DriftPolicy = defaults()
    policy: RetrainPolicy = defaults()
    strategy: StrategyPolicy = defaults()
    evaluation: EvaluationPolicy = defaults()
    bake: BakePolicy = defaults()
    training: Training = defaults()
    approval: ApprovalPolicy = defaults()
    retention: RetentionPolicy | None = None
    watch: WatchPolicy = defaults()
    card: CardWords = defaults()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        special = [self.label, *self.key, *([self.time] if self.time is not None else [])]
        missing = [name for name in special if name not in self.columns]
        if missing:
            raise ValueError(
                f"label, key and time must be among the columns; not found: {', '.join(missing)}"
            )
        if self.label in self.key:
            raise ValueError(f"the label {self.label} cannot be part of the key")
        if self.time is not None and self.columns[self.time].type != "datetime":
            raise ValueError(f"time: {self.time} is a {self.columns[self.time].type}: expected a datetime")
        if self.time == self.label:
            raise ValueError(f"the label {self.label} cannot be the time of the rows")
        if not self.features:
            raise ValueError("no feature is left beside label, key and time")
        return self

    @model_validator(mode="after")
    def _classes_exist(self) -> Self:
        wanted = self.estimator.class_weight
        if self.task == "regression" and (wanted or self.estimator.calibration):
            raise ValueError("class_weight and calibration are for classification")
        levels = self.columns[self.label].levels
        unknown = sorted(set(wanted) - set(levels)) if isinstance(wanted, dict) and levels else []
        if unknown:
            raise ValueError(f"class_weight names no levels of {self.label}: {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _errors_have_a_price(self) -> Self:
        if self.policy.value is not None and self.metric not in COUNTED:
            known = ", ".join(sorted(COUNTED))
            raise ValueError(f"policy.value counts errors, {self.metric} does not: expected one of {known}")
        return self

    @model_validator(mode="after")
    def _evaluation_fits(self) -> Self:
        types = {name: column.type for name, column in self.columns.items()}
        problem = self.evaluation.problem(self.task, dict(types), self.label, self.columns[self.label].levels)
        if problem:
            raise ValueError(f"evaluation: {problem}")
        return self

    @property
    def features(self) -> list[str]:
        """Names of the feature columns, in the order of the file."""
        return [name for name in self.columns if name not in {self.label, self.time, *self.key}]

    @property
    def metric(self) -> str:
        """Name of the primary metric."""
        return self.evaluation.metric or ("accuracy" if self.task == "classification" else "r2")

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the primary metric is better."""
        own = self.evaluation.metrics.get(self.metric)
        return own.higher_is_better if own else HIGHER_IS_BETTER[self.metric]


def models_dir() -> Path:
    """The folder of model files: `PERENNIAL_MODELS`, or `models/` beside the package (as in the layer)."""
    return Path(os.environ.get("PERENNIAL_MODELS") or Path(__file__).parent.parent / "models")


def model_names(folder: Path | None = None) -> list[str]:
    """Names of all models, sorted."""
    return sorted(path.stem for path in (folder or models_dir()).glob("*.yaml"))


def load_model(name: str, folder: Path | None = None) -> ModelConfig:
    """Read one model file.

    Raises UnknownModel where there is none, InvalidModelFile where it cannot be understood.
    """
    return parse_model(model_text(name, folder), name)


def model_text(name: str, folder: Path | None = None) -> str:
    """The text of one model file. Raises UnknownModel, and InvalidModelFile where it is not UTF-8."""
    path = (folder or models_dir()) / f"{name}.yaml"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name) or not path.is_file():
        known = ", ".join(model_names(folder)) or "none"
        raise UnknownModel(f"no model is named {name!r}: expected one of {known}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidModelFile(f"{path.name} cannot be used: {error}") from error


def parse_model(text: str, name: str) -> ModelConfig:
    """A model by the text of its file. Raises InvalidModelFile where it cannot be understood."""
    try:
        config = ModelConfig.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        raise InvalidModelFile(f"{name}.yaml cannot be used: {error}") from error
    if config.name != name:
        raise InvalidModelFile(f"{name}.yaml is named {config.name!r}: expected {name!r}")
    return config
