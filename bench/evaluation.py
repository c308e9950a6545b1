"""What comparing two models costs beside letting them answer.

100,000 rows x 20 columns. Bare: one call of each pipeline (`predict_proba` of a classifier, whose likeliest
class is its answer, else `predict`), then every metric of the task by scikit-learn's functions. Against it
all that `evaluate` does: gates, slices, a naive answer. Calls take turns in one run. The clean process that
loads the challenger's file is told apart: it costs the import of scikit-learn, whatever the rows. BLAS has
one thread: further ones wait busily, which would count as work.
`python -m bench.evaluation --docs` writes the table of docs/evaluation.md.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn import metrics
from threadpoolctl import threadpool_limits

from bench.drift_speed import markdown, peak_megabytes
from perennial.artifacts import digest, dump
from perennial.config import ModelConfig
from perennial.contracts.evaluation import Gate
from perennial.evaluation import evaluate
from perennial.evaluation.clean import CleanLoad
from perennial.metrics import labels_of
from perennial.training.estimators import build_pipeline

ROWS, NUMBERS, STRINGS, TRAINED = 100_000, 15, 5, 20_000
LIMIT, REPEATS = 1.3, 3
PAGE = Path(__file__).resolve().parent.parent / "docs" / "evaluation.md"
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"

FAMILIES: dict[str, dict[str, Any]] = {
    "gradient boosting, classes": {
        "class": "sklearn.ensemble.HistGradientBoostingClassifier",
        "params": {"max_iter": 30},
    },
    "logistic regression": {"class": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 500}},
    "gradient boosting, numbers": {"class": "sklearn.ensemble.HistGradientBoostingRegressor"},
    "ridge regression": {"class": "sklearn.linear_model.Ridge"},
}


@dataclass(frozen=True)
class Pair:
    """Two fitted models of one kind and the rows that both answer, a third of them recent."""

    config: ModelConfig
    champion: Any
    challenger: Any
    body: bytes
    holdout: pd.DataFrame
    recent: Any


def rows(config: ModelConfig, count: int, seed: int) -> pd.DataFrame:
    """15 numbers, 5 categories of 4 to 20 levels, and a label that depends on some of them."""
    random = np.random.default_rng(seed)
    frame: dict[str, Any] = {f"n{i}": random.normal(size=count) for i in range(NUMBERS)}
    places = [random.integers(4 + 4 * i, size=count) for i in range(STRINGS)]
    frame |= {f"s{i}": np.array([f"level {p}" for p in at], dtype=object) for i, at in enumerate(places)}
    score = frame["n0"] + frame["n1"] * frame["n2"] + 0.2 * places[0] + random.normal(size=count)
    classes = np.array(["low", "middle", "high"], dtype=object)
    number = config.task == "regression"
    frame["y"] = score if number else classes[np.searchsorted([-0.5, 1.0], score)]
    return pd.DataFrame(frame)


def model(estimator: dict[str, Any]) -> ModelConfig:
    """Declares the columns of `rows`."""
    number = "Regress" in estimator["class"] or "Ridge" in estimator["class"]
    number &= "Logistic" not in estimator["class"]
    label = {"type": "number"} if number else {"type": "category", "levels": ["low", "middle", "high"]}
    columns = {f"n{i}": {"type": "number"} for i in range(NUMBERS)}
    columns |= {f"s{i}": {"type": "category"} for i in range(STRINGS)}
    return ModelConfig.model_validate(
        {
            "name": "speed",
            "task": "regression" if number else "classification",
            "label": "y",
            "columns": columns | {"y": label},
            "estimator": estimator,
            "evaluation": {"slices": ["s0", {"column": "n0", "edges": [-1, 0, 1]}]},
        }
    )


def pair(estimator: dict[str, Any]) -> Pair:
    """The challenger has seen twice as much."""
    config = model(estimator)
    fitted = []
    for count in (TRAINED // 2, TRAINED):
        frame = rows(config, count, count)
        fitted.append(build_pipeline(config).fit(frame[config.features], labels_of(frame, config)))
    holdout = rows(config, ROWS, 0)
    return Pair(config, fitted[0], fitted[1], dump(fitted[1]), holdout, np.arange(ROWS) >= 2 * ROWS // 3)


def bare(of: Pair) -> None:
    """What one would write by hand."""
    labels, features = labels_of(of.holdout, of.config), of.holdout[of.config.features]
    for fitted in (of.champion, of.challenger):
        if of.config.task == "regression":
            _regression(labels, fitted.predict(features))
        else:
            given = fitted.predict_proba(features)
            _classification(labels, fitted.classes_[given.argmax(axis=1)], given)


def _regression(labels: Any, predicted: Any) -> None:
    metrics.r2_score(labels, predicted)
    metrics.mean_absolute_error(labels, predicted)
    metrics.root_mean_squared_error(labels, predicted)
    metrics.mean_absolute_percentage_error(labels, predicted)
    metrics.mean_pinball_loss(labels, predicted)


def _classification(labels: Any, predicted: Any, given: Any) -> None:
    metrics.accuracy_score(labels, predicted)
    metrics.balanced_accuracy_score(labels, predicted)
    metrics.f1_score(labels, predicted, average="macro")
    metrics.log_loss(labels, given)
    metrics.roc_auc_score(labels, given, multi_class="ovr")
    metrics.brier_score_loss(labels, given, labels=sorted(set(labels)))


def compared(of: Pair, *checks: Callable[[], Gate]) -> None:
    """`evaluate` with all that it looks at."""
    evaluate(
        of.config,
        of.champion,
        of.challenger,
        of.holdout,
        of.recent,
        checks=checks,
        clock=time.perf_counter,
    )


def with_clean_process(of: Pair) -> None:
    """The same, while a process of its own loads the challenger's file."""
    with CleanLoad(of.body, digest(of.body), of.holdout[of.config.features]) as clean:
        compared(of, partial(clean.gate, of.challenger))


def taken(calls: dict[str, Callable[[], Any]]) -> dict[str, tuple[float, float]]:
    """Wall and processor seconds of calls that take turns, the least of each."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, call in calls.items():
            started = time.perf_counter(), time.process_time()
            call()
            found[name].append((time.perf_counter() - started[0], time.process_time() - started[1]))
    return {
        name: (min(wall for wall, _ in each), min(spent for _, spent in each)) for name, each in found.items()
    }


def table() -> Table:
    """A line for each family of models."""
    load = f"{os.process_cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    title = f"Evaluating two models on {ROWS:,} rows x {NUMBERS + STRINGS}; {load}"
    result = Table(title=title, title_justify="left")
    result.add_column("estimator")
    for heading in (
        "bare, CPU s",
        "evaluated, CPU s",
        "ratio",
        "ratio, wall",
        "clean process, s",
        "extra MB",
    ):
        result.add_column(heading, justify="right")
    for name, estimator in FAMILIES.items():
        result.add_row(name, *figures(pair(estimator)))
    return result


def figures(of: Pair) -> tuple[str, ...]:
    """Of one pair of models."""
    with_clean_process(of)  # imports
    calls: dict[str, Callable[[], Any]] = {
        "bare": partial(bare, of),
        "evaluated": partial(compared, of),
        "clean": partial(with_clean_process, of),
    }
    with threadpool_limits(1, user_api="blas"):
        took = taken(calls)
    (wall, spent), (ours, evaluated), (clean, _) = took.values()
    extra = peak_megabytes(calls["evaluated"])
    ratio = evaluated / spent
    marked = f"{ratio:.2f}" + ("" if ratio <= LIMIT else f" > {LIMIT}")
    walls = (f"{ours / wall:.2f}", f"{max(0.0, clean - ours):.1f}")
    return f"{spent:.2f}", f"{evaluated:.2f}", marked, *walls, f"{extra:.0f}"


def main() -> None:
    """`--docs` writes the page's table."""
    found = table()
    Console().print(found)
    if "--docs" in sys.argv:
        text = PAGE.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{markdown(found)}{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
