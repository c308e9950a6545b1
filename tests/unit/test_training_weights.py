"""Rows that count more, classes that count more, and probabilities that mean what they say."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.artifacts import digest, dump, load
from perennial.config import ModelConfig
from perennial.data_config import Column
from perennial.errors import NoTrainingData
from perennial.metrics import ask
from perennial.training import PlainRows, fit
from perennial.training.folds import make_folds, time_folds
from perennial.training.weighting import by_class, resampled

COLUMNS = {
    "x": Column(type="number"),
    "label": Column(type="category", levels=("no", "yes")),
}


def config(estimator: str, **block: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "name": "weights",
            "task": "classification",
            "label": "label",
            "columns": COLUMNS,
            "estimator": {"class": f"sklearn.{estimator}", **block},
        }
    )


def rows(n: int = 400, share: float = 0.1, weights: Any = None, times: Any = None) -> PlainRows:
    """`yes` is rare and lies to the right."""
    random = np.random.default_rng(1)
    yes = random.random(n) < share
    frame = pd.DataFrame({"x": random.normal(yes * 1.0, 1.0), "label": np.where(yes, "yes", "no")})
    return PlainRows(frame, weights, times)


def said_yes(of: ModelConfig, data: PlainRows) -> float:
    """How often the model says yes to its own rows."""
    return float(np.mean(ask(fit(data, of).pipeline, data.frame, of).predicted == "yes"))


@pytest.mark.parametrize("name", ["linear_model.LogisticRegression", "neighbors.KNeighborsClassifier"])
def test_rows_without_weight_are_not_learnt_from(name: str) -> None:
    half = np.where(np.arange(400) < 200, 1.0, 0.0)
    flipped = rows().frame.copy()
    flipped.loc[200:, "label"] = flipped.loc[200:, "label"].map({"yes": "no", "no": "yes"})
    fitted = fit(PlainRows(flipped, half), config(name, params={}))
    answers = ask(fitted.pipeline, rows().frame, config(name)).predicted
    assert np.mean(answers == rows().frame["label"]) > 0.85
    assert bool(fitted.notes) == (name == "neighbors.KNeighborsClassifier")


@pytest.mark.parametrize(
    "name",
    ["linear_model.LogisticRegression", "discriminant_analysis.LinearDiscriminantAnalysis", "svm.LinearSVC"],
)
def test_balanced_classes_are_found_more_often(name: str) -> None:
    assert said_yes(config(name), rows()) < 0.05
    balanced = said_yes(config(name, class_weight="balanced"), rows())
    assert 0.2 < balanced < 0.5
    assert said_yes(config(name, class_weight={"yes": 50.0}), rows()) > balanced


def test_class_weights_are_for_levels_there_are() -> None:
    with pytest.raises(ValueError, match="class_weight names no levels of label: maybe"):
        config("linear_model.LogisticRegression", class_weight={"maybe": 2.0})
    with pytest.raises(ValueError, match="either a class or a factory"):
        config("linear_model.LogisticRegression", factory="module:build")


@given(
    st.lists(st.floats(0.0, 5.0), min_size=1, max_size=30).filter(lambda w: sum(w) > 0.1), st.integers(0, 9)
)
def test_rows_are_drawn_as_often_as_their_weights_say(weights: list[float], seed: int) -> None:
    asked = np.array(weights) / np.sum(weights) * len(weights)
    drawn = np.bincount(resampled(np.array(weights), seed), minlength=len(weights))
    assert drawn.sum() == len(weights)
    assert (np.abs(drawn - asked) < 1 + 1e-6).all()


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.integers(0, 9))
def test_balanced_weights_give_every_class_the_same_sum(labels: list[str], seed: int) -> None:
    weights = np.random.default_rng(seed).uniform(0.1, 2, len(labels))
    found = by_class(np.array(labels), weights, "balanced")
    assert found is not None
    sums = [found[np.array(labels) == level].sum() for level in set(labels)]
    np.testing.assert_allclose(sums, weights.sum() / len(sums))


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.integers(2, 6))
def test_folds_never_learn_from_what_comes_later(days: list[int], folds: int) -> None:
    times = np.array(days, dtype="datetime64[D]")
    found = time_folds(times, folds)
    assert bool(found) == (len(set(days)) > 1)
    assert len(found) <= folds
    for learn, asked in found:
        assert times[learn].max() < times[asked].min()
        assert len(asked)
    asked_rows = [row for _, asked in found for row in asked]
    assert len(asked_rows) == len(set(asked_rows))


def test_folds_are_drawn_where_time_says_nothing() -> None:
    labels = np.array(["a"] * 10 + ["b"] * 3)
    alike = np.zeros(13, dtype="datetime64[us]")
    found = make_folds(labels, alike, 5, 0, "classification")
    assert len(found) == 3  # as many as the rarest class has rows
    assert all("b" in labels[asked] for _, asked in found)
    one_class_first = make_folds(labels, np.arange(13).astype("datetime64[D]"), 5, 0, "classification")
    assert all(len(set(labels[learn])) == 2 for learn, _ in one_class_first)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("times", [None, np.arange(3000).astype("datetime64[h]")], ids=["drawn", "by time"])
def test_calibrated_probabilities_mean_what_they_say(method: str, times: Any) -> None:
    data = rows(3000, share=0.3, times=times)
    block = {"class_weight": "balanced", "calibration": {"method": method}}
    calibrated = config("naive_bayes.GaussianNB", **block)
    fitted = fit(data, calibrated)
    yes = np.asarray(data.frame["label"] == "yes")
    answers = ask(fitted.pipeline, data.frame, calibrated)
    assert answers.probabilities is not None
    likely = answers.probabilities[:, 1]
    for low, high in [(0.0, 0.2), (0.2, 0.4), (0.4, 0.9)]:
        among = (likely >= low) & (likely < high)
        assert abs(likely[among].mean() - yes[among].mean()) < 0.06
    plain = ask(
        fit(data, config("naive_bayes.GaussianNB", class_weight="balanced")).pipeline, data.frame, calibrated
    )
    assert plain.probabilities is not None
    assert plain.probabilities[:, 1].mean() > likely.mean() + 0.1  # balanced alone says yes too often
    body = dump(fitted.pipeline)
    assert (ask(load(body, digest(body)), data.frame, calibrated).predicted == answers.predicted).all()


def test_calibration_honours_weights_of_rows() -> None:
    data = rows(2000, share=0.3)
    heavy = np.where(data.frame["label"] == "yes", 4.0, 1.0)
    block = config("naive_bayes.GaussianNB", calibration={})
    light_said = ask(fit(data, block).pipeline, data.frame, block).probabilities
    heavy_said = ask(fit(PlainRows(data.frame, heavy), block).pipeline, data.frame, block).probabilities
    assert light_said is not None
    assert heavy_said is not None
    expected = heavy[data.frame["label"] == "yes"].sum() / heavy.sum()
    assert abs(np.average(heavy_said[:, 1], weights=heavy) - expected) < 0.03
    assert light_said[:, 1].mean() == pytest.approx(0.3, abs=0.03)


def test_three_classes_are_calibrated_and_one_that_takes_no_weights() -> None:
    random = np.random.default_rng(0)
    kinds = random.choice(["a", "b", "c"], 300)
    frame = pd.DataFrame({"x": random.normal([ord(k) for k in kinds], 0.7), "label": kinds})
    columns = {"x": Column(type="number"), "label": Column(type="category")}
    block = config("neighbors.KNeighborsClassifier", calibration={"folds": 3}).model_copy(
        update={"columns": columns}
    )
    fitted = fit(PlainRows(frame, random.uniform(0.5, 2, 300)), block)
    answers = ask(fitted.pipeline, frame, block)
    assert answers.probabilities is not None
    assert answers.probabilities.shape == (300, 3)
    assert np.mean(answers.predicted == kinds) > 0.6
    assert "KNeighborsClassifier takes no weights" in fitted.notes[0]


def test_calibration_needs_rows_of_every_class() -> None:
    frame = rows().frame.iloc[:50].assign(label="no")
    frame.loc[3, "label"] = "yes"
    with pytest.raises(NoTrainingData, match="at least 2 rows of every class, 'yes' has fewer"):
        fit(PlainRows(frame), config("linear_model.LogisticRegression", calibration={}))
