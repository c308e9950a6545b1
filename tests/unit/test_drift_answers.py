"""What a champion's answers say: prediction drift, importances, any metric, and all of it together."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.columns import Floats
from perennial.config import ModelConfig, load_model
from perennial.contracts.drift import DriftSummary
from perennial.drift.concept import Rows, errors_of, look_of, measure_importances
from perennial.drift.detect import detect_drift
from perennial.drift.importance import Importances, compare_importances, ndcg
from perennial.drift.performance import compare_metric
from perennial.drift.prediction import answers_table, describe, profile_answers
from perennial.drift.stored_answers import dump_answers, read_answers
from perennial.drift.verdict import Material, judge
from perennial.metrics import Answers, ask
from perennial.profile import Profile
from perennial.training import train
from scenarios.iris import first_season, mislabelled, season

IRIS = load_model("iris")
SIZES = ModelConfig.model_validate(
    {
        "name": "sizes",
        "task": "regression",
        "label": "petal_width",
        "key": ["flower_id"],
        "columns": {
            "flower_id": {"type": "text"},
            **{name: {"type": "number"} for name in ("sepal_length", "sepal_width", "petal_length")},
            "species": {"type": "category"},
            "petal_width": {"type": "number"},
        },
        "estimator": {"class": "sklearn.linear_model.LinearRegression"},
        "holdout": 0.4,
    }
)


def material(batch: pd.DataFrame, config: ModelConfig = IRIS) -> Material:
    """A champion trained on several seasons, and a batch."""
    known = pd.concat([first_season(), season("more", rows=250, seed=9)], ignore_index=True)
    trained = train(known[list(config.columns)], config)
    used = [*config.features, config.label]
    baseline = Profile.of(trained.training[used], schema=config.columns)
    holdout = Rows(trained.holdout, ask(trained.pipeline, trained.holdout, config))
    importances = measure_importances(config, trained.pipeline, holdout)
    return Material(
        config=config,
        version=1,
        model=trained.pipeline,
        baseline=baseline,
        profile=Profile.of(batch[used], like=baseline),
        reference=trained.training,
        batch=Rows(batch, ask(trained.pipeline, batch, config)),
        holdout=holdout,
        importances=importances.to_dict() if importances else None,
        arrived=datetime(2026, 11, 21, tzinfo=UTC),
    )


def found(batch: pd.DataFrame, config: ModelConfig = IRIS) -> tuple[DriftSummary, dict[str, Any]]:
    states, verdict = judge(material(batch, config), {})
    json.dumps(states, allow_nan=False)
    document: dict[str, Any] = json.loads(json.dumps(verdict.document, allow_nan=False))
    assert {"DriftScore", "ColumnsDrifted"} <= set(verdict.metrics)
    return verdict.summary, document


def test_a_season_like_those_before_is_quiet() -> None:
    summary, document = found(season("same", rows=200, seed=21))
    assert (summary.drifted, summary.kinds, summary.change) == (False, (), None)
    assert summary.measured
    assert summary.estimated
    assert summary.measured.metric == "accuracy"
    assert summary.estimated.low <= summary.measured.current <= summary.estimated.high
    assert document["concept"]["importance"]["changed"] is False


def test_wrong_labels_are_concept_drift_and_no_estimate_sees_them() -> None:
    summary, document = found(mislabelled(season("labels", rows=240, seed=5)))
    assert "concept" in summary.kinds
    assert summary.change == "sudden"
    assert summary.measured
    assert summary.estimated
    assert summary.measured.current < 0.2
    assert summary.estimated.current > 0.8  # what CBPE assumes away
    assert document["concept"]["primary"]["p_value"] < 0.01


def test_without_labels_performance_is_estimated() -> None:
    batch = season("odd", rows=200, seed=6).assign(species=np.nan)
    summary, document = found(batch.astype({"species": object}))
    assert summary.measured is None
    assert summary.estimated
    assert "accuracy is estimated at" in summary.summary
    assert document["concept"]["changes"] == []


def test_rows_unlike_any_make_the_estimate_say_that_it_does_not_know() -> None:
    batch = season("giants", rows=200, seed=6, scale=3.0).assign(species=np.nan)
    summary, document = found(batch.astype({"species": object}))
    assert summary.estimated is None
    assert "accuracy is not known" in summary.summary
    assert document["concept"]["estimated"]["accuracy"]["outside"] > 0.5


def test_other_shares_of_classes_are_prediction_drift() -> None:
    batch = season("one", rows=300, seed=8)
    summary, document = found(batch[batch["species"] == "setosa"].reset_index(drop=True))
    assert "prediction" in summary.kinds
    assert document["concept"]["answers"]["current"]["shares"] == {"setosa": 1.0}
    assert "the champion answers otherwise" in summary.summary


def test_a_regressor_is_judged_alike() -> None:
    summary, document = found(season("same", rows=200, seed=21), SIZES)
    assert summary.drifted is False, summary.summary
    assert summary.measured
    assert summary.estimated
    assert (summary.measured.metric, summary.estimated.metric) == ("r2", "mae")
    spread = document["concept"]["answers"]["current"]["spread"]
    assert spread["low"] <= spread["q05"] <= spread["median"] <= spread["q95"] <= spread["high"]


def test_the_stream_goes_on_where_it_was_and_begins_anew_with_another_champion() -> None:
    first = material(season("a", rows=200, seed=1))
    states, _ = judge(first, {})
    later, _ = judge(first, states)
    seen = [state["error_stream"]["stream"]["adwin"]["seen"] for state in (states, later)]
    assert seen[1] - seen[0] == 200
    first.version = 2
    anew, _ = judge(first, later)
    assert anew["error_stream"]["stream"]["adwin"]["seen"] == seen[0]


def test_errors_of_a_regressor_are_places_among_the_holdouts() -> None:
    """By hand: the holdout errs by 1, 2, 3, 4; an error of 2.5 is larger than half of them."""

    def rows(labels: list[float], answers: list[float]) -> Rows:
        return Rows(pd.DataFrame({"petal_width": labels}), Answers(np.array(answers)))

    holdout = rows([1.0, 2.0, 3.0, 4.0], [0.0] * 4)
    assert errors_of(SIZES, rows([2.5, 0.0, 9.0], [0.0] * 3), holdout).tolist() == [0.5, 0.0, 1.0]


def test_the_look_is_in_standard_deviations() -> None:
    baseline = Profile.of({"x": [0.0, 2.0] * 50})
    moved = Profile.of({"x": [2.0, 4.0] * 50}, like=baseline)
    assert look_of(baseline, moved, ["x", "gone"]) == {"x": pytest.approx(2.0, abs=0.02)}


# prediction


def table(rows: int, share: float, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    p = np.where(random.random(rows) < share, random.uniform(0.6, 1, rows), random.uniform(0, 0.4, rows))
    return answers_table(np.where(p > 0.5, "yes", "no"), np.column_stack([1 - p, p]))


def test_answers_drift_like_columns() -> None:
    before = profile_answers(table(1000, 0.5, 0))
    same = detect_drift(before, profile_answers(table(1000, 0.5, 1), like=before))
    other = detect_drift(before, profile_answers(table(1000, 0.8, 2), like=before))
    assert (same.drifted, other.drifted) == (False, True)
    assert other.columns["prediction"].drifted


def test_answers_are_described() -> None:
    described = describe(table(1000, 0.5, 0))
    assert sum(described["shares"].values()) == pytest.approx(1)
    assert 0.5 <= described["score"].q05 <= described["score"].mean <= 1
    assert describe(answers_table(np.array([np.nan]), None)) == {"spread": None}


def test_answers_survive_their_file() -> None:
    chances = np.random.default_rng(0).dirichlet([1, 1], 20)
    answers = Answers(np.array(["01", "1"] * 10, object), chances, np.array(["01", "1"], object))
    again = read_answers(dump_answers(answers), IRIS)
    assert again.predicted.tolist() == answers.predicted.tolist()
    assert again.probabilities is not None
    assert again.classes is not None
    assert (again.probabilities == chances).all()
    assert again.classes.tolist() == ["01", "1"]
    numbers = read_answers(dump_answers(Answers(np.array([0.1, 1 / 3]))), SIZES)
    assert (numbers.predicted.tolist(), numbers.probabilities) == ([0.1, 1 / 3], None)


# what a model leans on


def test_the_model_leans_on_what_it_uses() -> None:
    weights = Importances.from_dict(material(first_season()).importances or {}).weights()
    assert list(weights) == IRIS.features
    assert weights["petal_length"] + weights["petal_width"] > 0.7
    assert sum(weights.values()) == pytest.approx(1)


def test_a_noisy_ranking_is_no_change() -> None:
    """The same importances, known to within their own size: rankings differ, and nothing has changed."""
    random = np.random.default_rng(0)
    names = [f"x{number}" for number in range(8)]
    alarms = 0
    for _ in range(50):
        sets = [
            Importances(
                dict(zip(names, 0.02 + random.normal(scale=0.02, size=8), strict=True)),
                dict.fromkeys(names, 0.02),
                100,
            )
            for _ in range(2)
        ]
        alarms += compare_importances(sets[0], sets[1], seed=0).changed
    assert alarms <= 2


def test_ndcg_by_hand() -> None:
    """Gains 3, 1 at the wrong places: (1 + 3 / log2 3) / (3 + 1 / log2 3)."""
    gains: Floats = np.array([3.0, 1.0])
    assert ndcg(gains, np.array([0.0, 1.0])) == pytest.approx((1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3)))
    assert ndcg(np.zeros(2), gains) == 1.0


# any metric


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_the_bootstrap_interval_is_that_of_the_mean(higher_is_better: bool) -> None:
    """For a mean it is known: 1.96 standard errors to either side."""
    random = np.random.default_rng(0)
    a, b = random.normal(1.0, size=400), random.normal(0.5, size=400)
    change = compare_metric(
        "any",
        (lambda rows: float(a[rows].mean()), 400),
        (lambda rows: float(b[rows].mean()), 400),
        higher_is_better=higher_is_better,
        seed=0,
    )
    assert change
    assert change.drop == pytest.approx((a.mean() - b.mean()) * (1 if higher_is_better else -1))
    half = 1.96 * np.sqrt(a.var() / 400 + b.var() / 400)
    assert (change.interval[1] - change.interval[0]) / 2 == pytest.approx(half, rel=0.15)
    assert (change.p_value < 0.01) is higher_is_better


def test_two_rows_are_the_least() -> None:
    one = (float, 1)
    assert compare_metric("any", one, one, higher_is_better=True, seed=0) is None
