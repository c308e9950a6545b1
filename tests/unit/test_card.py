"""The card of a version: intervals that cover the truth, slices, the page."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.card.intervals import scored
from perennial.card.slices import slices
from perennial.config import load_model
from perennial.metrics import Answers

type Draw = Callable[[np.random.Generator, int], tuple[Any, Answers]]

CLASSES = np.array(["a", "b", "c"], object)


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
def test_intervals_cover_the_truth(task: str, draw: Draw, names: list[str]) -> None:
    """Of 120 holdouts of 80 rows: about 95 % of intervals; below 88 % has a chance of about 1 in 1,000."""
    random = np.random.default_rng(5)
    labels, answers = draw(random, 400_000)
    truth = scored(labels, answers, task, 0)
    covered = dict.fromkeys(names, 0)
    for seed in range(120):
        labels, answers = draw(random, 80)
        found = scored(labels, answers, task, seed)
        for name in names:
            low, high = found[name].low, found[name].high
            assert low is not None
            assert high is not None
            assert low <= found[name].value <= high
            covered[name] += low <= truth[name].value <= high
    assert {name: count >= 106 for name, count in covered.items()} == dict.fromkeys(names, True), covered


def test_all_right_is_not_certain() -> None:
    labels = np.repeat(CLASSES, 10)
    found = scored(labels, Answers(labels), "classification", 0)
    for name, score in found.items():
        assert score.value == score.high == 1, name
        assert score.low is not None
        assert 0.7 < score.low < 0.97, name


def test_the_same_rows_give_the_same_interval() -> None:
    labels, answers = classified(np.random.default_rng(0), 60)
    assert scored(labels, answers, "classification", 3) == scored(labels, answers, "classification", 3)


@pytest.mark.parametrize("rows", [1, 4])
def test_few_rows_have_no_interval_by_the_jackknife(rows: int) -> None:
    found = scored(*regressed(np.random.default_rng(0), rows), "regression", 0)
    assert {score.low for score in found.values()} == {None}
    assert scored(np.array([]), Answers(np.array([])), "regression", 0) == {}


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
