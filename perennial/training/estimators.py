"""From a model file to an unfitted pipeline."""

import importlib
from typing import Any

from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.pipeline import Pipeline

from perennial.config import ModelConfig
from perennial.errors import InvalidModelFile
from perennial.preprocessing import build_preprocessing


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
