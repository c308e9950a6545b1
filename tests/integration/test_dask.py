"""A fit on a real Dask cluster of processes gives the model of a fit at home."""

from collections.abc import Iterator
from typing import Any

import distributed
import numpy as np
import pandas as pd
import pytest

from perennial.artifacts import dump
from perennial.config import ModelConfig
from perennial.data_config import Column
from perennial.errors import InvalidModelFile
from perennial.metrics import ask
from perennial.training import PlainRows, fit


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    start: Any = distributed.LocalCluster  # types are partly there
    with start(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield str(cluster.scheduler_address)


def config(scheduler: str | None, estimator: dict[str, Any]) -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "name": "spread",
            "task": "classification",
            "label": "label",
            "columns": {
                "x": Column(type="number"),
                "y": Column(type="number"),
                "label": Column(type="category"),
            },
            "estimator": estimator,
            "search": {
                "candidates": [{"space": {"max_depth": [1, 4]}}],
                "trials": 2,
                "folds": 2,
            },
            "seed": 1,
            "training": {"dask_scheduler": scheduler},
        }
    )


def rows() -> PlainRows:
    points = np.random.default_rng(0).normal(size=(300, 2))
    label = np.where(points.prod(axis=1) > 0, "same", "other")
    frame = pd.DataFrame({"x": points[:, 0], "y": points[:, 1], "label": label})
    return PlainRows(frame, None, np.arange(300).astype("datetime64[s]"))


@pytest.mark.parametrize("strategy", ["full", "search"])
@pytest.mark.parametrize(
    "estimator",
    [
        {"class": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 8}, "steps": 2},
        {"class": "sklearn.tree.DecisionTreeClassifier"},
    ],
    ids=["forest", "tree"],
)
def test_the_cluster_leaves_no_trace(scheduler: str, estimator: dict[str, Any], strategy: str) -> None:
    here = fit(rows(), config(None, estimator), strategy=strategy)
    there = fit(rows(), config(scheduler, estimator), strategy=strategy)
    asked = rows().frame
    one, two = (ask(of.pipeline, asked, config(None, estimator)) for of in (here, there))
    assert one.probabilities is not None
    assert two.probabilities is not None
    assert (one.probabilities == two.probabilities).all()
    assert there.params == here.params
    if "steps" not in estimator:
        assert dump(there.pipeline) == dump(here.pipeline)


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial.training.cores._PATIENCE", 1)
    nobody = config("tcp://127.0.0.1:9", {"class": "sklearn.tree.DecisionTreeClassifier"})
    with pytest.raises(InvalidModelFile, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        fit(rows(), nobody)
