"""Evaluation: who may become champion, on models made to be better, worse, strange or forgetful."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.config import ModelConfig, load_model
from perennial.contracts.evaluation import Evaluation
from perennial.data_config import Column
from perennial.estimator_config import Estimator
from perennial.evaluation import evaluate
from perennial.evaluation_config import EvaluationPolicy
from perennial.holdout import RECENT
from perennial.training import train
from scenarios.iris import first_season, mislabelled, season

Frame = pd.DataFrame


def config(task: str = "classification", **policy: Any) -> ModelConfig:
    label = (
        Column(type="category", levels=("no", "yes")) if task == "classification" else Column(type="number")
    )
    return ModelConfig.model_validate(
        {
            "name": "m",
            "task": task,
            "label": "y",
            "columns": {"x": Column(type="number"), "y": label},
            "estimator": Estimator(**{"class": "sklearn.dummy.DummyClassifier"}),
            "evaluation": EvaluationPolicy(**policy),
        }
    )


@dataclass
class Fake:
    """A fitted model that answers by a function of the feature."""

    answer: Callable[[Any], Any]
    classes_: Any = field(default_factory=lambda: np.array(["no", "yes"], dtype=object))

    def predict(self, frame: Frame) -> Any:
        return self.answer(frame["x"].to_numpy())


def rows(count: int, recent: int = 0) -> tuple[Frame, Any]:
    """x counts up, y is yes and no in turn; the last `recent` rows came with the batch."""
    x = np.arange(float(count))
    frame = pd.DataFrame({"x": x, "y": np.where(x % 2 == 0, "yes", "no").astype(object)})
    return frame, x >= count - recent


def right_except(*wrong: range) -> Fake:
    """Answers right but for rows in these ranges."""
    bad = np.array([n for part in wrong for n in part])
    return Fake(lambda x: np.where((x % 2 == 0) ^ np.isin(x, bad), "yes", "no").astype(object))


def judged(champion: Any, challenger: Any, count: int = 100, recent: int = 0, **policy: Any) -> Evaluation:
    frame, mask = rows(count, recent)
    return evaluate(config(**policy), champion, challenger, frame, mask)


def test_better_is_said_with_its_numbers() -> None:
    found = judged(right_except(range(30)), right_except(range(4)))
    assert found.better
    assert not found.batch_suspect
    assert found.summary == (
        "The challenger is right on 96.0% of 100 holdout rows, the champion on 70.0% (p < 0.0001)."
    )
    assert found.metrics["champion.accuracy"] == pytest.approx(0.70)
    assert found.metrics["challenger.accuracy"] == pytest.approx(0.96)
    assert found.metrics["p_value"] == pytest.approx(0.5**26)
    assert found.metrics["rows"] == 100
    assert [gate.name for gate in found.gates] == ["sane", "better", "remembers"]
    assert len(found.reasons) == 3


def test_what_chance_explains_is_not_better() -> None:
    found = judged(right_except(range(4)), right_except())
    assert not found.better
    assert "differ on 4 holdout rows, at least 5 are needed" in found.summary

    found = judged(right_except(range(10)), right_except(range(90, 97)))
    assert not found.better
    assert "too little to tell from chance on the 17 holdout rows" in found.summary


def test_equal_is_not_better() -> None:
    found = judged(right_except(range(10)), right_except(range(10)))
    assert not found.better
    assert not found.batch_suspect
    assert found.metrics["p_value"] == 1.0


def test_worse_is_not_better() -> None:
    assert not judged(right_except(), right_except(range(30))).better


@pytest.mark.parametrize(("count", "better"), [(0, False), (1, False), (4, False), (5, True)])
def test_too_few_rows_to_tell_is_said_so(count: int, better: bool) -> None:
    found = judged(right_except(range(count)), right_except(), count=count)
    assert found.better is better
    if not better:
        assert f"{count} holdout row" in found.summary
        assert "at least 5 are needed" in found.summary
        assert found.metrics["rows"] == count


def test_forgetting_more_than_the_margin_is_not_better_however_good_it_is_on_the_batch() -> None:
    champion = right_except(range(60, 100))
    forgetful = right_except(range(4))
    found = judged(champion, forgetful, recent=40, margin=0.05)
    assert not found.better
    assert found.metrics["challenger.accuracy"] > found.metrics["champion.accuracy"]
    assert "known before" in found.summary
    assert "lost 0.067, allowed is 0.05" in found.summary
    assert not found.batch_suspect  # 4 rows may be chance
    assert judged(champion, forgetful, recent=40, margin=0.07).better


def test_forgetting_beyond_chance_makes_the_batch_suspect() -> None:
    found = judged(right_except(range(60, 100)), right_except(range(12)), recent=40)
    assert not found.better
    assert found.batch_suspect
    assert found.metrics["champion.known.accuracy"] == 1.0
    assert found.metrics["challenger.known.accuracy"] == pytest.approx(0.8)
    assert found.metrics["challenger.recent.accuracy"] == 1.0


def test_forgetting_is_the_reason_named_even_where_nothing_was_won() -> None:
    found = judged(right_except(range(60, 75)), right_except(range(12)), recent=40)
    assert found.batch_suspect
    assert "known before" in found.summary
    assert any("too little to tell from chance" in reason for reason in found.reasons)


def test_being_bad_on_the_batch_alone_does_not_make_it_suspect() -> None:
    found = judged(right_except(range(60, 100)), right_except(range(60, 100)), recent=40)
    assert not found.better
    assert not found.batch_suspect


def test_the_first_version_has_to_beat_the_most_frequent_class() -> None:
    found = judged(None, right_except(range(5)), recent=100)
    assert found.better
    assert "a naive answer on 50.0%" in found.summary
    assert found.metrics["baseline.accuracy"] == 0.5
    assert not judged(
        None, Fake(lambda x: np.where(x % 3 == 0, "yes", "no").astype(object)), recent=100
    ).better


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: np.full(len(x), "yes", dtype=object), "answers yes to every one of 100 holdout rows"),
        (lambda x: np.full(len(x), "maybe", dtype=object), "unknown classes ['maybe']"),
    ],
)
def test_strange_answers_are_not_sane(answer: Callable[[Any], Any], message: str) -> None:
    found = judged(right_except(), Fake(answer))
    assert not found.better
    assert message in found.summary


REGRESSION = pd.DataFrame({"x": np.arange(200.0), "y": np.arange(200.0) * 3})
NOT_RECENT = np.zeros(200, dtype=bool)


def noisy(scale: float, shift: float = 0.0) -> Fake:
    noise = np.random.default_rng(int(scale * 10)).normal(0, scale, 200)
    return Fake(lambda x: x * 3 + noise + shift)


@pytest.mark.parametrize(("metric", "name"), [(None, "R²"), ("mae", "mean absolute error")])
def test_numbers_are_compared_in_pairs_too(metric: str | None, name: str) -> None:
    of = config("regression", metric=metric)
    found = evaluate(of, noisy(40), noisy(20), REGRESSION, NOT_RECENT)
    assert found.better
    assert name in found.summary
    assert found.metrics["gain"] > 0
    worse = evaluate(of, noisy(20), noisy(40), REGRESSION, NOT_RECENT)
    assert not worse.better
    assert worse.metrics["gain"] < 0
    assert not evaluate(of, noisy(20), noisy(20.1), REGRESSION, NOT_RECENT).better


def test_the_first_regression_has_to_beat_the_mean() -> None:
    assert evaluate(config("regression"), None, noisy(20), REGRESSION, ~NOT_RECENT).better
    assert not evaluate(config("regression"), None, noisy(1, shift=400), REGRESSION, ~NOT_RECENT).better


def test_an_answer_that_is_no_number_is_not_sane() -> None:
    found = evaluate(
        config("regression"),
        noisy(20),
        Fake(lambda x: np.where(x > 3, x * 3, np.nan)),
        REGRESSION,
        NOT_RECENT,
    )
    assert not found.better
    assert "4 of 200 holdout rows got no finite answer" in found.summary
    assert json.loads(found.model_dump_json())["metrics"] == {"rows": 200}


def test_balanced_accuracy_counts_every_class_alike() -> None:
    labels = np.array(["yes"] * 10 + ["no"] * 190, dtype=object)
    frame = pd.DataFrame({"x": np.arange(200.0), "y": labels})
    champion = Fake(lambda x: np.where(x < 2, "yes", "no").astype(object))
    challenger = Fake(lambda x: np.where(x < 22, "yes", "no").astype(object))
    mask = np.zeros(200, dtype=bool)
    balanced = evaluate(config(metric="balanced_accuracy"), champion, challenger, frame, mask)
    assert balanced.better
    assert not evaluate(config(metric="accuracy"), champion, challenger, frame, mask).better


class Season:
    """The loop without AWS: batches are added, each trains a challenger against the champion."""

    def __init__(self) -> None:
        self.config = load_model("iris")
        self.known: list[Frame] = []
        self.champion: Any = None

    def judge(self, batch: Frame) -> tuple[Any, Evaluation]:
        frame = pd.concat(
            [*(part.assign(**{RECENT: False}) for part in self.known), batch.assign(**{RECENT: True})],
            ignore_index=True,
        )
        trained = train(frame, self.config)
        recent = trained.holdout[RECENT].to_numpy(dtype=bool)
        return trained.pipeline, evaluate(
            self.config, self.champion, trained.pipeline, trained.holdout, recent
        )

    def promote(self, batch: Frame) -> Evaluation:
        challenger, found = self.judge(batch)
        assert found.better, found.summary
        self.champion = challenger
        self.known.append(batch)
        return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_iris_through_the_seasons(seed: int) -> None:
    loop = Season()
    first = loop.promote(first_season())
    assert "a naive answer" in first.summary
    loop.known.append(season(f"second-{seed}", rows=120, seed=seed))
    loop.promote(season(f"rainy-{seed}", rows=120, seed=seed + 100, scale=2.0))

    _, wrong = loop.judge(mislabelled(season(f"wrong-{seed}", rows=240, seed=seed + 200)))
    assert not wrong.better
    assert wrong.batch_suspect

    loop.promote(season(f"dry-{seed}", rows=120, seed=seed + 300, scale=0.6))
