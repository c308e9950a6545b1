"""Training in steps: whoever is interrupted and goes on ends with the same bytes as who was not."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from perennial.artifacts import digest, dump, load
from perennial.config import ModelConfig
from perennial.data_config import Column
from perennial.errors import InvalidModelFile, SpotInterrupted, TrainingFailed
from perennial.metrics import ask, labels_of
from perennial.training import Fitted, MemoryCheckpoints, PlainRows, build_pipeline, fit
from perennial.training.incremental import can_go_on

COLUMNS = {
    "x": Column(type="number"),
    "y": Column(type="number"),
    "kind": Column(type="category", levels=("a", "b", "c")),
    "free": Column(type="category"),
    "yes": Column(type="boolean"),
    "at": Column(type="datetime"),
    "label": Column(type="category", levels=("high", "low")),
    "amount": Column(type="number"),
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of boosting wait for each other longer than so few rows take."""
    with threadpool_limits(1):
        yield


ENSEMBLES = [
    ("RandomForestClassifier", {"n_estimators": 12}),
    ("RandomForestRegressor", {"n_estimators": 12, "max_samples": 0.7}),
    ("ExtraTreesClassifier", {"n_estimators": 12, "bootstrap": True}),
    ("BaggingRegressor", {"n_estimators": 12}),
    ("GradientBoostingClassifier", {"n_estimators": 12, "subsample": 0.6}),
    ("GradientBoostingRegressor", {"n_estimators": 12, "max_features": 2}),
    ("HistGradientBoostingClassifier", {"max_iter": 12}),
    ("HistGradientBoostingRegressor", {"max_iter": 12, "max_features": 0.5}),
]


def config(estimator: str, *, task: str = "classification", **block: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "name": "steps",
            "task": task,
            "label": "label" if task == "classification" else "amount",
            "columns": {k: v for k, v in COLUMNS.items() if k != ("amount", "label")[task == "regression"]},
            "estimator": {"class": f"sklearn.{estimator}", **block},
            "seed": 5,
        }
    )


def rows(n: int = 150, seed: int = 0, shift: float = 0.0) -> PlainRows:
    random = np.random.default_rng(seed)
    x = random.normal(shift, 1, n)
    frame = pd.DataFrame(
        {
            "x": np.where(random.random(n) < 0.1, np.nan, x),
            "y": random.normal(3, 2, n),
            "kind": random.choice(["a", "b", "c"], n),
            "free": random.choice(["p", "q"], n),
            "yes": pd.Series(random.random(n) < 0.5).astype("boolean"),
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n), unit="h"),
            "label": np.where(x + random.normal(0, 0.3, n) > 1, "high", "low"),
            "amount": 3 * x + random.normal(0, 0.3, n),
        }
    )
    return PlainRows(frame, random.uniform(0.5, 2, n), frame["at"].to_numpy("datetime64[us]"))


class Ending(MemoryCheckpoints):
    """Interrupts an attempt after some savings."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def save(self, name: str, body: bytes) -> None:
        super().save(name, body)
        self.left -= 1

    def interrupted(self) -> bool:
        return self.left <= 0


def in_two_attempts(after: int, *of: Any, **how: Any) -> Fitted:
    first, second = Ending(after), MemoryCheckpoints()
    with pytest.raises(SpotInterrupted, match="the next attempt goes on"):
        fit(*of, checkpoints=first, **how)
    second.bodies = dict(first.bodies)
    return fit(*of, checkpoints=second, **how)


@pytest.mark.parametrize(("name", "params"), ENSEMBLES, ids=[name for name, _ in ENSEMBLES])
def test_an_ensemble_grown_in_steps(name: str, params: dict[str, Any]) -> None:
    task = "classification" if name.endswith("Classifier") else "regression"
    stepwise = config(f"ensemble.{name}", task=task, params=params, steps=3)
    whole = fit(rows(), stepwise)
    assert dump(in_two_attempts(1, rows(), stepwise).pipeline) == dump(whole.pipeline)
    assert dump(in_two_attempts(2, rows(), stepwise).pipeline) == dump(whole.pipeline)

    at_once = fit(rows(), config(f"ensemble.{name}", task=task, params=params, steps=1)).pipeline
    asked = rows(60, seed=9).frame
    of = ask(whole.pipeline, asked, stepwise)
    other = ask(at_once, asked, stepwise)
    assert (of.predicted == other.predicted).all()
    if of.probabilities is not None and other.probabilities is not None:
        assert (of.probabilities == other.probabilities).all()
    assert whole.pipeline.steps[-1][1].get_params() == at_once.steps[-1][1].get_params()


def test_an_ensemble_that_stops_early_is_fitted_at_once() -> None:
    early = config(
        "ensemble.GradientBoostingClassifier", params={"n_iter_no_change": 2, "n_estimators": 9}, steps=3
    )
    kept = MemoryCheckpoints()
    fit(rows(), early, checkpoints=kept)
    assert not kept.bodies


INCREMENTAL = {"block_rows": 20, "epochs": 3, "checkpoint_every": 4}


@pytest.mark.parametrize(
    ("name", "task", "params"),
    [
        ("linear_model.SGDClassifier", "classification", {"loss": "log_loss"}),
        ("linear_model.SGDRegressor", "regression", {}),
        ("neural_network.MLPClassifier", "classification", {"hidden_layer_sizes": [8]}),
        ("naive_bayes.GaussianNB", "classification", {}),
    ],
)
def test_incremental_learning(name: str, task: str, params: dict[str, Any]) -> None:
    block = config(name, task=task, params=params, incremental=INCREMENTAL)
    first = fit(rows(), block, strategy="incremental")
    assert dump(in_two_attempts(2, rows(), block, strategy="incremental").pipeline) == dump(first.pipeline)

    new = rows(240, seed=3, shift=2.0)
    later = fit(new, block, strategy="incremental", parent=first.pipeline)
    resumed = in_two_attempts(2, new, block, strategy="incremental", parent=first.pipeline)
    assert dump(resumed.pipeline) == dump(later.pipeline)
    assert dump(first.pipeline) != dump(later.pipeline)  # the parent stays as it was
    if name == "linear_model.SGDClassifier":
        asked = rows(200, seed=8, shift=2.0).frame
        assert np.mean(ask(later.pipeline, asked, block).predicted == labels_of(asked, block)) > 0.8


def test_the_preprocessing_learns_too() -> None:
    block = config("linear_model.SGDClassifier", incremental=INCREMENTAL)
    first = fit(rows(), block, strategy="incremental").pipeline
    new = rows(240, seed=3, shift=2.0)
    later = fit(new, block, strategy="incremental", parent=first).pipeline
    both = pd.concat([rows().frame, new.frame])["x"]
    scaler = later.named_steps["preprocessing"].named_transformers_["number"][1]
    assert scaler.mean_[0] == pytest.approx(both.mean())
    assert scaler.var_[0] == pytest.approx(both.var(ddof=0))


def test_a_column_may_be_empty_at_first() -> None:
    block = config("linear_model.SGDClassifier", incremental=INCREMENTAL)
    start, new = rows(), rows(seed=2)
    empty = PlainRows(start.frame.assign(x=np.nan), start.weights, start.times)
    first = fit(empty, block, strategy="incremental").pipeline
    later = fit(new, block, strategy="incremental", parent=first).pipeline
    scaler = later.named_steps["preprocessing"].named_transformers_["number"][1]
    assert scaler.mean_[0] == pytest.approx(new.frame["x"].mean())
    assert np.isfinite(later[:-1].transform(new.frame)).all()


def test_a_class_that_was_declared_may_come_later() -> None:
    block = config("linear_model.SGDClassifier", incremental=INCREMENTAL)
    start = rows()
    only = PlainRows(start.frame.assign(label="low"))
    first = fit(only, block, strategy="incremental").pipeline
    assert first.classes_.tolist() == ["high", "low"]
    assert fit(start, block, strategy="incremental", parent=first).pipeline


def test_a_class_that_nobody_declared_is_named() -> None:
    columns = {k: v for k, v in COLUMNS.items() if k != "amount"} | {"label": Column(type="category")}
    open_ended = config("linear_model.SGDClassifier").model_copy(update={"columns": columns})
    start = rows()
    first = fit(start, open_ended, strategy="incremental").pipeline
    new = PlainRows(start.frame.assign(label="other"))
    with pytest.raises(TrainingFailed, match="does not know label = other: declare all levels"):
        fit(new, open_ended, strategy="incremental", parent=first)


def test_who_cannot_learn_in_steps_says_so() -> None:
    tree = config("tree.DecisionTreeClassifier")
    with pytest.raises(InvalidModelFile, match="needs an estimator with partial_fit, DecisionTreeClassifier"):
        fit(rows(), tree, strategy="incremental")
    sgd = config("linear_model.SGDClassifier")
    full = fit(rows(), sgd).pipeline
    assert not can_go_on(full, sgd)
    with pytest.raises(InvalidModelFile, match="was not trained incrementally"):
        fit(rows(), sgd, strategy="incremental", parent=full)
    other = config("linear_model.SGDClassifier", params={"alpha": 0.1})
    assert can_go_on(build_pipeline(sgd, updating=True), sgd)
    assert not can_go_on(build_pipeline(other, updating=True), sgd)


@pytest.mark.parametrize("name", ["RandomForestClassifier", "BaggingRegressor", "ExtraTreesRegressor"])
def test_the_number_of_cores_leaves_no_trace(name: str) -> None:
    task = "classification" if name.endswith("Classifier") else "regression"
    of = config(f"ensemble.{name}", task=task, params={"n_estimators": 8})
    assert dump(fit(rows(), of, cores=2).pipeline) == dump(fit(rows(), of).pipeline)


@pytest.mark.parametrize("name", ["HistGradientBoostingClassifier", "HistGradientBoostingRegressor"])
def test_the_number_of_threads_leaves_no_trace(name: str) -> None:
    """scikit-learn uses no more than the machine has cores, so on one core this says nothing."""
    task = "classification" if name.endswith("Classifier") else "regression"
    of = config(f"ensemble.{name}", task=task, params={"max_iter": 4})
    alone = fit(rows(), of).pipeline
    with threadpool_limits(2, user_api="openmp"):
        together = fit(rows(), of).pipeline
    body = dump(together)
    assert body == dump(alone)
    asked = rows(60, seed=9).frame[of.features]
    assert (load(body, digest(body)).predict(asked) == together.predict(asked)).all()


def test_progress_goes_from_nothing_to_all() -> None:
    told: list[float] = []
    forest = config("ensemble.RandomForestClassifier", params={"n_estimators": 6}, steps=3)
    fit(rows(), forest, progress=lambda _, share: told.append(share))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert len(told) >= 4
