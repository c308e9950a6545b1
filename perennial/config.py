"""What a user writes: `models/<name>.yaml`, read and checked."""

import codecs
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from perennial.config_fields import Block, Duration, Name, Share
from perennial.contracts import StrategyName
from perennial.errors import InvalidModelFile, UnknownModel
from perennial.estimator_config import Estimator, Search
from perennial.evaluation_config import EvaluationPolicy
from perennial.metric_names import HIGHER_IS_BETTER
from perennial.policy_config import COUNTED, RetrainPolicy
from perennial.promotion_config import ApprovalPolicy, BakePolicy

Action = Literal["reject", "drop", "warn"]


class Column(Block):
    """One column of the model's data and the rules it must keep.

    `unique`: no value comes twice. `max_age`: the newest date-time is at most so old. `action` on values that
    are of a wrong type, outside the range or the levels, or missing where none may be; by default the one of
    `validation`.
    """

    type: Literal["number", "category", "boolean", "datetime", "text"]
    nullable: bool = True
    min: float | None = None
    max: float | None = None
    levels: tuple[str, ...] | None = None
    unique: bool = False
    max_age: Duration | None = None
    action: Action | None = None


class FileFormat(Block):
    """How text files are written.

    `delimiter` None: whichever of comma, semicolon, tab and bar the header uses. `encoding` as Python names
    it; a byte order mark of UTF-8 or UTF-16 goes before it.
    """

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    encoding: str = "utf-8"

    @model_validator(mode="after")
    def _encoding_exists(self) -> Self:
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"no encoding is named {self.encoding!r}: expected utf-8, say") from error
        return self


class ValidationRules(Block):
    """When a whole batch is refused, and what becomes of rows that break a rule.

    `action` on wrong values. reject: up to `max_bad_share` of a column's rows they count as missing, more
    refuse the batch. drop: their rows are left out. warn: they count as missing, however many. `repeated` on
    rows that repeat the key of an earlier one. reject: they are left out, more than `max_bad_share` refuse
    the batch. drop: they are left out. warn: they stay. `stale` on a column older than its `max_age`.
    `min_label_share`: of the rows, so many have a label. `max_bytes`: so large may the files of a batch be
    together, decompressed.
    """

    min_rows: int = Field(default=20, ge=1)
    max_rows: int = Field(default=10_000_000, ge=1)
    max_null_share: Share = 0.2
    max_bad_share: Share = 0.05
    max_bytes: int = Field(default=16 * 1024**3, ge=1)
    min_label_share: Share = 0.0
    action: Action = "reject"
    repeated: Action = "reject"
    stale: Literal["reject", "warn"] = "reject"


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
    format: FileFormat = FileFormat()
    validation: ValidationRules = ValidationRules()
    trigger: TriggerPolicy = TriggerPolicy()
    drift: DriftPolicy = DriftPolicy()
    policy: RetrainPolicy = RetrainPolicy()
    strategy: StrategyPolicy = StrategyPolicy()
    evaluation: EvaluationPolicy = EvaluationPolicy()
    bake: BakePolicy = BakePolicy()
    training: Training = Training()
    approval: ApprovalPolicy = ApprovalPolicy()
    card: CardWords = CardWords()

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
