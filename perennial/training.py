"""From accepted rows to a fitted pipeline and what it scores on rows it never saw."""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.pipeline import Pipeline

from perennial.config import ModelConfig
from perennial.errors import InvalidModelFile, NoTrainingData, TrainingFailed
from perennial.holdout import holdout_mask
from perennial.metrics import ask, labels_of, scores
from perennial.preprocessing import build_preprocessing


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows never to learn from; both labelled, without exact duplicates."""

    training: pd.DataFrame
    holdout: pd.DataFrame


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline, the rows it came from, and its metrics on the holdout."""

    pipeline: Pipeline
    training: pd.DataFrame
    holdout: pd.DataFrame
    metrics: dict[str, float]


def build_estimator(config: ModelConfig) -> Any:
    """The estimator that the model file names, unfitted, seeded where it takes a seed.

    Raises InvalidModelFile where there is no such estimator, its parameters are not its own, or it is for
    another task.
    """
    path = config.estimator.class_path
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise InvalidModelFile(f"{config.name}: {path} cannot be imported: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, BaseEstimator)):
        raise InvalidModelFile(f"{config.name}: {path} is no scikit-learn estimator")
    try:
        estimator = kind(**config.estimator.params)
        if "random_state" in estimator.get_params(deep=False) and estimator.random_state is None:
            estimator.set_params(random_state=config.seed)
        estimator._validate_params()  # scikit-learn's own check, which it runs when fitting
    except (TypeError, ValueError) as error:
        raise InvalidModelFile(f"{config.name}: {path} cannot be made: {error}") from error
    if not (is_classifier if config.task == "classification" else is_regressor)(estimator):
        raise InvalidModelFile(f"{config.name}: {path} does no {config.task}")
    if config.task == "regression" and config.columns[config.label].type != "number":
        raise InvalidModelFile(
            f"{config.name}: regression needs a number as label, {config.label} is a "
            f"{config.columns[config.label].type}"
        )
    return estimator


def build_pipeline(config: ModelConfig) -> Pipeline:
    """Preprocessing by the schema, then the estimator; unfitted. Raises InvalidModelFile."""
    return Pipeline([("preprocessing", build_preprocessing(config)), ("estimator", build_estimator(config))])


def split(frame: pd.DataFrame, config: ModelConfig) -> Split:
    """Drop rows without a label and all but the first of equal rows, then divide by the hash of the key.

    A label that is none of the declared levels is no label. Columns beside the model's own are kept, and do
    not count when rows are compared.
    """
    labels, levels = frame[config.label], config.columns[config.label].levels
    usable = labels.isin(levels) if levels else labels.notna()
    labelled = frame[usable].drop_duplicates(subset=list(config.columns))
    columns = labelled[[*(config.key or config.features)]]
    held_out = holdout_mask(columns, config.key, config.holdout)
    return Split(labelled[~held_out].reset_index(drop=True), labelled[held_out].reset_index(drop=True))


def train(frame: pd.DataFrame, config: ModelConfig) -> Trained:
    """Fit the model's pipeline on all labelled rows outside the holdout, and score it on those inside.

    Raises InvalidModelFile, NoTrainingData where rows or classes are too few, and TrainingFailed with the
    estimator's own words.
    """
    pipeline = build_pipeline(config)
    rows = split(frame, config)
    _check_enough(rows, config)
    try:
        pipeline.fit(rows.training[config.features], labels_of(rows.training, config))
        metrics = _score(pipeline, rows.holdout, config)
    except Exception as error:
        raise TrainingFailed(f"{config.estimator.class_path}: {type(error).__name__}: {error}") from error
    return Trained(pipeline, rows.training, rows.holdout, metrics)


def _check_enough(rows: Split, config: ModelConfig) -> None:
    came, expected = len(rows.training) + len(rows.holdout), config.policy.min_labelled_rows
    if came < expected or not len(rows.training):
        raise NoTrainingData(
            f"expected at least {expected} different rows with {config.label}, came {came} "
            f"({len(rows.holdout)} of them held out)"
        )
    if config.task == "classification":
        classes = np.unique(labels_of(rows.training, config))
        if len(classes) < 2:
            raise NoTrainingData(
                f"expected at least 2 classes of {config.label} among {len(rows.training)} rows, came only "
                f"{classes[0]!r}"
            )


def _score(pipeline: Pipeline, holdout: pd.DataFrame, config: ModelConfig) -> dict[str, float]:
    if holdout.empty:
        return {}
    return scores(labels_of(holdout, config), ask(pipeline, holdout, config), config.task)
