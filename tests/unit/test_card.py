"""The card of a version: intervals that cover the truth, slices, the page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.card.caveats import is_worse
from perennial.card.contract import Measures, Scored, ScoredSlice
from perennial.card.intervals import scored
from perennial.card.slices import slices
from perennial.config import ModelConfig, load_model
from perennial.metrics import Answers, all_scores

type Draw = Callable[[np.random.Generator, int], tuple[Any, Answers]]

CLASSES = np.array(["a", "b", "c"], object)


def judged(task: Any, seed: int = 0, **evaluation: Any) -> ModelConfig:
    """A model file whose evaluation is of interest."""
    label: dict[str, Any] = (
        {"type": "number"} if task == "regression" else {"type": "category", "levels": list("abc")}
    )
    return ModelConfig.model_validate(
        {
            "name": "judged",
            "task": task,
            "label": "label",
            "columns": {"x": {"type": "number"}, "label": label},
            "estimator": {"class": "sklearn.dummy.DummyClassifier"},
            "seed": seed,
            "evaluation": evaluation,
        }
    )


def classified(random: np.random.Generator, rows: int) -> tuple[Any, Answers]:
    """Three classes, each answered rightly with a probability of 0.9 and else as the next one."""
    codes = random.choice(3, rows, p=[0.5, 0.3, 0.2])
    said = np.where(random.random(rows) < 0.9, codes, (codes + 1) % 3)
    return CLASSES[codes], Answers(CLASSES[said])


def regressed(random: np.random.Generator, rows: int) -> tuple[Any, Answers]:
    """Normal labels of spread 2, missed by a normal error of spread 1."""
    labels = random.normal(0, 2, rows)
    return labels, Answers(labels + random.normal(0, 1, rows))


@pytest.mark.parametrize(
    ("task", "draw", "names"),
    [
        ("classification", classified, ["accuracy", "balanced_accuracy", "f1_macro"]),
        ("regression", regressed, ["mae", "rmse", "r2"]),
    ],
)
def test_intervals_cover_the_truth(task: Any, draw: Draw, names: list[str]) -> None:
    """Of 120 holdouts of 80 rows: about 95 % of intervals; below 88 % has a chance of about 1 in 1,000."""
    random = np.random.default_rng(5)
    labels, answers = draw(random, 400_000)
    truth = scored(labels, answers, judged(task))
    covered = dict.fromkeys(names, 0)
    for seed in range(120):
        labels, answers = draw(random, 80)
        found = scored(labels, answers, judged(task, seed))
        for name in names:
            low, high = found[name].low, found[name].high
            assert low is not None
            assert high is not None
            assert low <= found[name].value <= high
            covered[name] += low <= truth[name].value <= high
    assert {name: count >= 106 for name, count in covered.items()} == dict.fromkeys(names, True), covered


def test_all_right_is_not_certain() -> None:
    labels = np.repeat(CLASSES, 10)
    found = scored(labels, Answers(labels), judged("classification"))
    for name, score in found.items():
        assert score.value == score.high == 1, name
        assert score.low is not None
        assert 0.7 < score.low < 0.97, name


def test_the_same_rows_give_the_same_interval() -> None:
    labels, answers = classified(np.random.default_rng(0), 60)
    assert scored(labels, answers, judged("classification", 3)) == scored(
        labels, answers, judged("classification", 3)
    )


@pytest.mark.parametrize("rows", [1, 4])
def test_few_rows_have_no_interval_by_the_jackknife(rows: int) -> None:
    found = scored(*regressed(np.random.default_rng(0), rows), judged("regression"))
    assert {score.low for score in found.values()} == {None}
    assert scored(np.array([]), Answers(np.array([])), judged("regression")) == {}


def test_costs_and_the_users_own_metrics_have_intervals_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that cannot judge a part, the others stay."""
    (tmp_path / "own_of_cards.py").write_text(
        "def far(labels, predicted, probabilities):\n"
        "    assert len(labels) > 60\n"
        "    return abs(labels - predicted) > 1\n"
    )
    monkeypatch.setenv("PERENNIAL_MODELS", str(tmp_path))
    labels, answers = regressed(np.random.default_rng(0), 80)
    metrics = {"far": {"function": "own_of_cards:far", "higher_is_better": False}}
    of = judged("regression", metric="far", metrics=metrics, quantile=0.9)
    found = scored(labels, answers, of)
    assert {name: score.value for name, score in found.items()} == all_scores(labels, answers, of)
    assert found["far"].value == np.mean(np.abs(labels - answers.predicted) > 1)
    for name in ("far", "pinball"):
        low, high = found[name].low, found[name].high
        assert low is not None
        assert high is not None
        assert 0 < low < found[name].value < high
    assert set(scored(labels[:50], answers.of(np.arange(50)), of)) == set(found) - {"far"}

    wrong = {"a": {"b": 5.0, "c": 4.0}, "b": {"a": 1.0, "c": 1.0}, "c": {"a": 2.0, "b": 3.0}}
    labels, answers = classified(np.random.default_rng(0), 80)
    cost = scored(labels, answers, judged("classification", metric="cost", costs=wrong))["cost"]
    assert cost.low is not None
    assert 0 < cost.low < cost.value


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_a_class_that_is_found_less_often_is_told_whatever_the_primary_metric(metric: str) -> None:
    measures = Measures(primary=metric, higher_is_better=metric == "accuracy", level=0.95)
    overall = {"accuracy": Scored(value=0.9), "log_loss": Scored(value=0.3)}
    few, many = (Scored(value=value, low=value - 0.05, high=value + 0.05) for value in (0.6, 0.95))
    slices = tuple(
        ScoredSlice(column="label", name=name, rows=100, metrics={"accuracy": score})
        for name, score in (("seldom", few), ("often", many))
    )
    assert [is_worse(part, overall, measures) for part in slices] == [True, False]


def test_slices_are_classes_then_quarters_of_the_most_important() -> None:
    config = load_model("iris")
    random, rows = np.random.default_rng(0), 100
    frame = pd.DataFrame({name: random.normal(5, 1, rows) for name in config.features})
    frame.loc[:4, "petal_width"] = np.nan
    frame[config.label] = random.choice(["setosa", "versicolor", "virginica"], rows)
    found = list(slices(frame, config, {"petal_width": 0.7, "petal_length": 0.3}))
    columns = list(dict.fromkeys(part.column for part in found))
    assert columns[:3] == [config.label, "petal_width", "petal_length"]
    for column in columns:
        parts = np.stack([part.rows for part in found if part.column == column])
        assert (parts.sum(axis=0) == 1).all()
    assert [part.name for part in found if part.column == "petal_width"][-1] == "missing"


def test_one_slice_alone_says_nothing() -> None:
    config = load_model("iris")
    frame = pd.DataFrame(dict.fromkeys(config.features, [1.0] * 20)).assign(**{config.label: "setosa"})
    assert list(slices(frame, config, {})) == []
