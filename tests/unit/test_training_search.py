"""The search: what it tries, on which rows, who wins, and what an interruption or lack of time costs."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.artifacts import dump
from perennial.config import ModelConfig
from perennial.data_config import Column
from perennial.errors import InvalidModelFile, SpotInterrupted, TrainingFailed
from perennial.training import MemoryCheckpoints, PlainRows, fit
from perennial.training.rungs import nested_order, plan
from perennial.training.trials import draw

COLUMNS = {
    "x": Column(type="number"),
    "y": Column(type="number"),
    "label": Column(type="category", levels=("in", "out")),
}
CANDIDATES = [
    {
        "class": "sklearn.linear_model.LogisticRegression",
        "space": {"C": {"low": 0.01, "high": 10.0, "log": True}},
    },
    {
        "class": "sklearn.tree.DecisionTreeClassifier",
        "params": {"min_samples_leaf": 5},
        "space": {"max_depth": {"low": 1, "high": 8}, "criterion": ["gini", "entropy"]},
    },
]


def config(candidates: Any = CANDIDATES, estimator: Any = None, **search: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "name": "searched",
            "task": "classification",
            "label": "label",
            "columns": COLUMNS,
            "estimator": estimator or {"class": "sklearn.linear_model.LogisticRegression"},
            "search": {"candidates": candidates, "trials": 8, "folds": 3, "min_rows": 60, **search},
            "seed": 2,
        }
    )


def rows(n: int = 600) -> PlainRows:
    """`in` is a ring's inside: no line divides it."""
    random = np.random.default_rng(3)
    points = random.normal(size=(n, 2))
    label = np.where((points**2).sum(axis=1) < 1.4, "in", "out")
    frame = pd.DataFrame({"x": points[:, 0], "y": points[:, 1], "label": label})
    return PlainRows(frame, None, np.arange(n).astype("datetime64[h]").astype("datetime64[us]"))


def test_the_better_kind_wins_and_is_fitted_on_all_rows() -> None:
    fitted = fit(rows(), config(), strategy="search")
    found = fitted.search
    assert found is not None
    assert fitted.estimator == "sklearn.tree.DecisionTreeClassifier"
    assert fitted.params["min_samples_leaf"] == 5
    assert found.winner.params == fitted.params
    assert fitted.pipeline[-1].get_params()["max_depth"] == fitted.params["max_depth"]
    assert [(rung.settings, rung.rows) for rung in found.rungs] == [(9, 66), (3, 200), (1, 600)]
    assert found.complete
    table = found.to_dict()
    assert table["trials"][0]["estimator"] == "sklearn.linear_model.LogisticRegression"  # the file's own
    assert [len(t["scores"]) for t in table["trials"] if t["number"] == found.best] == [3]
    assert sum(len(t["scores"]) for t in table["trials"]) == 9 + 3 + 1


def test_the_same_seed_finds_the_same_on_more_cores() -> None:
    few = config(trials=2)
    one, two = fit(rows(90), few, strategy="search"), fit(rows(90), few, strategy="search", cores=2)
    assert one.search is not None
    assert two.search is not None
    assert one.search.to_dict() == two.search.to_dict()
    assert dump(one.pipeline) == dump(two.pipeline)


class Counting(MemoryCheckpoints):
    """Interrupts after so many savings."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.saved, self.most = 0, most

    def save(self, name: str, body: bytes) -> None:
        super().save(name, body)
        self.saved += 1

    def interrupted(self) -> bool:
        return self.saved >= self.most


def test_no_finished_fold_is_paid_for_again() -> None:
    whole, first, second = Counting(1000), Counting(10), Counting(1000)
    expected = fit(rows(), config(), strategy="search", checkpoints=whole)
    with pytest.raises(SpotInterrupted, match="10 folds"):
        fit(rows(), config(), strategy="search", checkpoints=first)
    second.bodies = dict(first.bodies)
    found = fit(rows(), config(), strategy="search", checkpoints=second)
    assert whole.saved == (9 + 3 + 1) * 3
    assert second.saved == whole.saved - 10
    assert dump(found.pipeline) == dump(expected.pipeline)
    assert found.search is not None
    assert expected.search is not None
    assert found.search.to_dict() == expected.search.to_dict()


class Clock:
    """Ten seconds later whenever it is asked."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


def test_when_time_is_used_up_the_best_so_far_wins() -> None:
    kept = MemoryCheckpoints()
    short = fit(rows(), config(max_duration="5m"), strategy="search", checkpoints=kept, clock=Clock())
    assert short.search is not None
    assert not short.search.complete
    assert len(short.search.trials[short.search.best].folds) < 3
    again = fit(rows(), config(max_duration="5m"), strategy="search", checkpoints=kept, clock=Clock())
    assert again.search is not None
    assert again.search.best == short.search.best  # time spent before counts
    none = fit(rows(), config(max_duration="0s"), strategy="search", clock=Clock())
    assert none.search is not None
    assert not none.search.complete


def test_a_setting_that_fails_loses() -> None:
    broken = [{"class": "sklearn.naive_bayes.MultinomialNB"}, CANDIDATES[1]]
    fitted = fit(rows(), config(broken), strategy="search")
    assert fitted.search is not None
    errors = [trial.error for trial in fitted.search.trials if trial.error]
    assert errors
    assert all("MultinomialNB: ValueError: Negative values" in error for error in errors)
    alone = config(broken[:1], {"class": "sklearn.naive_bayes.MultinomialNB"})
    with pytest.raises(TrainingFailed, match=r"no setting of the search could be scored: .*Negative"):
        fit(rows(), alone, strategy="search")


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ({"class": "sklearn.linear_model.Ridge"}, "Ridge does no classification"),
        ({"class": "sklearn.tree.DecisionTreeClassifier", "space": {"depth": [1]}}, "cannot be made.*depth"),
    ],
)
def test_a_candidate_that_cannot_be_is_refused_before_anything_is_tried(
    candidate: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidModelFile, match=message):
        fit(rows(), config([candidate]), strategy="search")


def test_without_a_search_block() -> None:
    with pytest.raises(InvalidModelFile, match="needs a search block"):
        fit(rows(), config().model_copy(update={"search": None}), strategy="search")
    with pytest.raises(ValueError, match="low must be less than high"):
        config([{"space": {"C": {"low": 1, "high": 1}}}])
    with pytest.raises(ValueError, match="starts above 0"):
        config([{"space": {"C": {"low": 0, "high": 1, "log": True}}}])


def test_settings_stay_within_their_space_and_vary_the_own_estimator() -> None:
    space = {"C": {"low": 0.5, "high": 2.0}, "max_iter": {"low": 10, "high": 1000, "log": True}, "tol": [0.1]}
    of = config(
        [{"space": space}], {"class": "sklearn.linear_model.LogisticRegression", "params": {"verbose": 0}}
    )
    assert of.search is not None
    settings = draw(of, of.search)
    assert settings[0] == of.estimator
    assert len(settings) == 9
    for setting in settings[1:]:
        assert setting.class_path == of.estimator.class_path
        assert 0.5 <= setting.params["C"] <= 2.0
        assert setting.params["max_iter"] in range(10, 1001)
        assert setting.params["tol"] == 0.1
        assert setting.params["verbose"] == 0
    few = config([{"space": {"C": [1.0, 2.0]}}])
    assert few.search is not None
    assert len(draw(few, few.search)) == 3


@given(st.integers(1, 300), st.integers(1, 10**6), st.integers(10, 5000), st.integers(2, 6))
def test_every_plan_ends_on_all_rows(trials: int, n: int, least: int, reduction: int) -> None:
    rungs = plan(trials, n, least, reduction)
    assert (rungs[0].settings, rungs[-1].rows) == (trials, n)
    assert rungs[0].rows >= min(n, least) * 0.99 - 1
    assert all(a.rows < b.rows and a.settings >= b.settings for a, b in pairwise(rungs))


def test_the_rows_of_a_round_have_the_classes_in_their_shares() -> None:
    labels = np.array(["a"] * 900 + ["b"] * 100)
    order = nested_order(labels, config())
    assert sorted(order.tolist()) == list(range(1000))
    for first in (20, 50, 330):
        assert np.mean(labels[order[:first]] == "b") == pytest.approx(0.1, abs=0.06)
