"""Performance without labels: against the labels that were held back, and against numbers done by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import f1_score, roc_auc_score

from perennial.columns import Floats
from perennial.config import ModelConfig
from perennial.drift.calibration import bootstrap_weights, calibrate, pool_adjacent
from perennial.drift.confidence import ConfidenceEstimator, metrics, roc_auc
from perennial.drift.error_model import ErrorModel
from perennial.drift.estimate import from_samples
from perennial.drift.support import Space, density_ratio, outside

TRIALS = 15


def probabilities(x: Floats) -> Floats:
    """A model that is right about itself: P(1 | x)."""
    p = 1 / (1 + np.exp(-2 * x))
    return np.column_stack([1 - p, p])


def drawn(rows: int, seed: int, shift: float = 0.0) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    x = random.normal(shift, size=rows)
    return x, np.asarray(random.random(rows) < probabilities(x)[:, 1], np.int64)


def fitted(x: Floats, y: Floats, said: Callable[[Floats], Floats] = probabilities) -> ConfidenceEstimator:
    estimator = ConfidenceEstimator.fit(y, said(x).argmax(axis=1), said(x), [0, 1], seed=0)
    assert estimator
    return estimator


def test_the_estimate_is_the_mean_confidence_of_a_calibrated_model() -> None:
    """By hand: expected accuracy of answers 0.9, 0.8 and 0.6 sure is their mean."""
    x, y = drawn(4000, 0)
    calibrated = fitted(x, y).calibration.apply(np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6]]))
    assert calibrated.max(axis=1).mean() == pytest.approx((0.9 + 0.8 + 0.6) / 3, abs=0.03)


@pytest.mark.parametrize(("rows", "batch"), [(60, 300), (500, 500), (1500, 1000)])
def test_the_interval_holds_what_labels_show(rows: int, batch: int) -> None:
    held = []
    for seed in range(TRIALS):
        x, y = drawn(batch, 1000 + seed)
        given = probabilities(x)
        found = fitted(*drawn(rows, seed)).estimate(given.argmax(axis=1), given, seed=seed)
        truth = {
            "accuracy": float(np.mean(given.argmax(axis=1) == y)),
            "f1_macro": float(f1_score(y, given.argmax(axis=1), average="macro")),
            "roc_auc": float(roc_auc_score(y, given[:, 1])),
        }
        held += [found[name].interval[0] <= value <= found[name].interval[1] for name, value in truth.items()]
    assert np.mean(held) >= 0.8  # 0.95 is promised; 45 trials that go together in threes


def test_overconfidence_is_not_believed() -> None:
    def boasting(x: Floats) -> Floats:
        p = 1 / (1 + np.exp(-8 * x))
        return np.column_stack([1 - p, p])

    x, y = drawn(2000, 1)
    given = boasting(x)
    found = fitted(*drawn(1500, 0), boasting).estimate(given.argmax(axis=1), given, seed=0)["accuracy"]
    assert given.max(axis=1).mean() - np.mean(given.argmax(axis=1) == y) > 0.08
    assert found.value == pytest.approx(np.mean(given.argmax(axis=1) == y), abs=0.03)


def test_harder_rows_lower_the_estimate_and_only_they_do() -> None:
    estimator = fitted(*drawn(2000, 0))
    usual, hard = probabilities(drawn(1500, 5)[0]), probabilities(drawn(1500, 5)[0] * 0.2)
    same = estimator.estimate(usual.argmax(axis=1), usual, seed=0)["accuracy"]
    worse = estimator.estimate(hard.argmax(axis=1), hard, seed=0)["accuracy"]
    assert same.p_value > 0.05
    assert (worse.p_value < 0.01, worse.drop > 0.1) == (True, True)
    assert worse.drop_interval[0] > 0
    assert "accuracy is estimated at" in worse.words


def test_rows_that_nobody_knows_widen_the_interval_to_what_they_may_be() -> None:
    estimator, given = fitted(*drawn(1000, 0)), probabilities(drawn(400, 5)[0])
    strange = np.arange(400) < 40
    plain = estimator.estimate(given.argmax(axis=1), given, seed=0)["accuracy"]
    wide = estimator.estimate(given.argmax(axis=1), given, outside=strange, seed=0)["accuracy"]
    assert wide.outside == 0.1
    assert wide.interval[0] == pytest.approx(0.9 * plain.interval[0])
    assert wide.interval[1] == pytest.approx(0.9 * plain.interval[1] + 0.1)
    assert wide.known
    lost = estimator.estimate(given.argmax(axis=1), given, outside=np.ones(400, bool), seed=0)["accuracy"]
    assert not lost.known
    assert lost.words.startswith("accuracy is not known: 100% of 400 rows")


def test_too_little_to_learn_from_is_no_estimate() -> None:
    x, y = drawn(10, 0)
    assert ConfidenceEstimator.fit(y, y, probabilities(x), [0, 1], seed=0) is None
    assert ErrorModel.fit(x[:, None], x, x, seed=0) is None
    assert fitted(*drawn(100, 0)).estimate([], np.zeros((0, 2)), seed=0) == {}


def test_isotonic_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    values, weights = random.normal(size=60), random.random(60) + 0.1
    expected = IsotonicRegression().fit_transform(np.arange(60), values, sample_weight=weights)
    assert pool_adjacent(values, weights) == pytest.approx(expected)


def sides(truth: Any) -> tuple[Floats, Floats]:
    """Weights of the positive and of the negative rows."""
    return truth.astype(np.float64), (~truth).astype(np.float64)


def test_areas_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    scores, truth = random.integers(0, 20, 300) / 20, random.random(300) < 0.3
    assert roc_auc(scores, *sides(truth)) == pytest.approx(roc_auc_score(truth, scores))
    assert roc_auc(scores, *sides(truth & False)) is None


def test_metrics_of_a_label_that_the_model_does_not_know() -> None:
    """By hand: two of four right; the recalls are 1, 1/2 and 0 of the unknown class."""
    three = np.full((4, 3), 1 / 3)
    found = metrics(np.array([0, 1, 1, 3]), np.array([0, 1, 0, 2]), three, 3)
    assert found["accuracy"] == 0.5
    assert found["balanced_accuracy"] == pytest.approx((1 + 0.5 + 0) / 3)


def test_a_calibration_with_one_class_only_stays_finite() -> None:
    x = np.linspace(-1, 1, 50)
    outcome = np.column_stack([np.zeros(50), np.ones(50)])
    found = calibrate(probabilities(x), outcome, bootstrap_weights(50, 20, 0)).apply(probabilities(x))
    assert np.isfinite(found).all()
    assert found[:, 1].min() > 0.9


def errors_world(rows: int, seed: int, shift: float = 0.0) -> tuple[Floats, Floats, Floats]:
    """Features, answers and labels: the noise grows with the distance from 0."""
    random = np.random.default_rng(seed)
    x = random.normal(shift, size=(rows, 2))
    answers = x.sum(axis=1)
    return x, answers, answers + random.normal(size=rows) * (0.2 + np.abs(x[:, 0]))


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_errors_are_estimated_where_the_data_moved(shift: float) -> None:
    before = errors_world(800, 0)
    held, values = [], []
    for seed in range(4):
        x, answers, labels = errors_world(600, 100 + seed, shift)
        model = ErrorModel.fit(before[0], before[1], before[2], seed=0, ratio=density_ratio(before[0], x))
        assert model
        found = model.estimate(x, answers, outside=outside(before[0], x))
        assert found
        truth = float(np.abs(labels - answers).mean())
        held.append(found.interval[0] <= truth <= found.interval[1])
        values.append(found.value / truth)
    assert sum(held) >= 3
    assert np.mean(values) == pytest.approx(1.0, abs=0.1)


def test_larger_errors_are_a_significant_drop() -> None:
    before, (x, answers, _) = errors_world(1500, 0), errors_world(600, 1, 1.5)
    model = ErrorModel.fit(*before, seed=0, ratio=density_ratio(before[0], x))
    assert model
    found = model.estimate(x, answers)
    assert found
    assert (found.p_value < 0.01, found.drop > 0.3, found.metric) == (True, True, "mae")


def test_errors_grow_relative_to_the_holdouts() -> None:
    found = from_samples(
        "mae", 3.0, np.array([2.9, 3.1]), np.array([2.0, 2.0, 2.0]), rows=9, reference_rows=9, outside=0.0
    )
    assert found.drop == 0.5


CONFIG = ModelConfig.model_validate(
    {
        "name": "any",
        "task": "classification",
        "label": "y",
        "columns": {
            "a": {"type": "number"},
            "c": {"type": "category"},
            "t": {"type": "text"},
            "y": {"type": "category"},
        },
        "estimator": {"class": "sklearn.dummy.DummyClassifier"},
    }
)


def test_points_keep_what_is_missing_and_bound_what_is_far() -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, np.nan], "c": ["x", "y", "y", "x"], "t": ["any"] * 4})
    space = Space.of(frame, CONFIG)
    points = space.points(pd.DataFrame({"a": [1e9, np.nan], "c": ["z", "y"], "t": ["", ""]}))
    assert points.tolist() == [[8.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]]


def test_few_rows_of_the_same_kind_are_outside() -> None:
    known = np.random.default_rng(0).normal(size=(2000, 5))
    again = np.random.default_rng(1).normal(size=(2000, 5))
    assert outside(known, again).mean() < 0.01
    assert outside(known, again + 8).all()
    assert not outside(np.zeros((0, 5)), again).any()


def test_the_ratio_is_that_of_the_densities() -> None:
    """Of N(1, 1) to N(0, 1) it is exp(x - 1/2)."""
    random = np.random.default_rng(0)
    before, now = random.normal(size=(5000, 1)), random.normal(1, size=(5000, 1))
    found = np.log(density_ratio(before, now))
    assert np.corrcoef(found, before[:, 0])[0, 1] > 0.99
    assert np.median(np.abs(found - (before[:, 0] - 0.5))) < 0.1
