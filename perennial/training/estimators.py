"""From a model file to an unfitted pipeline."""

import importlib
from typing import Any

from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.pipeline import Pipeline

from perennial.config import ModelConfig
from perennial.errors import InvalidModelFile
from perennial.factories import own_function
from perennial.preprocessing import build_preprocessing
from perennial.training.calibration import Calibrated

PREPROCESSING, ESTIMATOR = "preprocessing", "estimator"


def build_estimator(config: ModelConfig) -> Any:
    """The estimator that the model file names, or its factory's, unfitted, seeded where it takes a seed.

    Raises InvalidModelFile where there is no such estimator, its parameters are not its own, or it is for
    another task.
    """
    path = config.estimator.name
    estimator = _of_class(config, path) if config.estimator.class_path else _of_factory(config, path)
    unseeded = [
        name
        for name, value in estimator.get_params().items()
        if name.rpartition("__")[2] == "random_state" and value is None
    ]
    estimator.set_params(**dict.fromkeys(unseeded, config.seed))
    if not (is_classifier if config.task == "classification" else is_regressor)(estimator):
        raise InvalidModelFile(f"{config.name}: {path} does no {config.task}")
    if config.task == "regression" and config.columns[config.label].type != "number":
        raise InvalidModelFile(
            f"{config.name}: regression needs a number as label, {config.label} is a "
            f"{config.columns[config.label].type}"
        )
    return estimator


def build_pipeline(config: ModelConfig, *, updating: bool = False) -> Pipeline:
    """Preprocessing by the schema, then the estimator; or the Pipeline that a factory made. Unfitted.

    `updating`: a preprocessing that can go on learning. With calibration asked for, the last step is
    Calibrated. Raises InvalidModelFile.
    """
    estimator = build_estimator(config)
    whole = isinstance(estimator, Pipeline)
    wanted = config.estimator.calibration
    if wanted:
        if not any(hasattr(estimator, name) for name in ("decision_function", "predict_proba")):
            raise InvalidModelFile(
                f"{config.name}: {config.estimator.name} has no scores that calibration could start from"
            )
        estimator = Calibrated(
            estimator,
            method=wanted.method,
            folds=wanted.folds,
            class_weight=config.estimator.class_weight,
            seed=config.seed,
        )
    if whole:
        return estimator if isinstance(estimator, Pipeline) else Pipeline([(ESTIMATOR, estimator)])
    return Pipeline([(PREPROCESSING, build_preprocessing(config, updating)), (ESTIMATOR, estimator)])


def is_whole(pipeline: Pipeline) -> bool:
    """Whether it is given the feature columns as they are: a factory's own Pipeline."""
    return bool(pipeline.steps[0][0] != PREPROCESSING)


def _of_class(config: ModelConfig, path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise InvalidModelFile(f"{config.name}: {path} cannot be imported: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, BaseEstimator)):
        raise InvalidModelFile(f"{config.name}: {path} is no scikit-learn estimator")
    try:
        estimator = kind(**config.estimator.params)
        estimator._validate_params()  # scikit-learn's own check, which it runs when fitting
    except (TypeError, ValueError) as error:
        raise InvalidModelFile(f"{config.name}: {path} cannot be made: {error}") from error
    return estimator


def _of_factory(config: ModelConfig, path: str) -> Any:
    """What the user's function makes of the config; its module lies beside the model files."""
    build = own_function(config, path)
    try:
        estimator = build(config)
    except Exception as error:
        raise InvalidModelFile(
            f"{config.name}: {path} cannot be made: {type(error).__name__}: {error}"
        ) from error
    if isinstance(estimator, type) or not isinstance(estimator, BaseEstimator):
        raise InvalidModelFile(
            f"{config.name}: {path} expected to return an estimator or a Pipeline, came "
            f"{type(estimator).__name__}"
        )
    return estimator
