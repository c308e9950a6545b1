"""Which rows are learnt from and what each counts: promises over all strategies, then each strategy."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.config import ModelConfig
from perennial.contracts.strategy import Strategy
from perennial.contracts.words import StrategyName
from perennial.selection import Selected, select
from perennial.weighting import by_label, effective_rows

DAY = np.timedelta64(1, "D")
START = np.datetime64("2026-01-01", "us")
SEEN = datetime(2026, 1, 4, 12, tzinfo=UTC)


def config(task: str = "classification", **policy: Any) -> ModelConfig:
    label = {"type": "category"} if task == "classification" else {"type": "number"}
    return ModelConfig.model_validate(
        {
            "name": "m",
            "task": task,
            "label": "y",
            "columns": {"x": {"type": "number"}, "y": label},
            "estimator": {"class": "sklearn.dummy.DummyClassifier"},
            "strategy": {"min_rows": 10, **policy},
        }
    )


@dataclass(frozen=True)
class Table:
    training: pd.DataFrame
    holdout: pd.DataFrame
    times: Any
    recent: Any
    held_times: Any
    held_recent: Any


def table(
    days: int = 5, per_day: int = 20, *, shift: float = 0.0, labels: str = "ab", seed: int = 0
) -> Table:
    """Some rows each day, of which the last day is the batch, its x moved by `shift`."""
    random = np.random.default_rng(seed)

    def part(rows: int) -> tuple[pd.DataFrame, Any, Any]:
        day = np.repeat(np.arange(days), rows)
        x = random.normal(size=days * rows) + np.where(day == days - 1, shift, 0.0)
        frame = pd.DataFrame({"x": x, "y": [labels[number % len(labels)] for number in range(days * rows)]})
        return frame, START + day * DAY, day == days - 1

    training, times, recent = part(per_day)
    holdout, held_times, held_recent = part(5)
    return Table(training, holdout, times, recent, held_times, held_recent)


def chosen(rows: Table, name: Any, model: ModelConfig | None = None, **more: Any) -> Selected:
    return select(rows, Strategy(name=name, reason="r", **more), model or config(), seed=1)


@given(
    st.sampled_from(get_args(StrategyName)),
    st.sampled_from(["age", "batch", "labels"]),
    st.sampled_from([None, datetime(2026, 1, 3, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]),
    st.integers(2, 6),
)
def test_a_selection_is_the_same_again_in_order_and_of_the_rows_given(
    name: Any, weights: Any, since: Any, days: int
) -> None:
    rows = table(days)
    given = {"weights": weights if name == "weighted" else None, "since": since, "seen_until": SEEN}
    first, second = (chosen(rows, name, config(window={"rows": 30}), **given) for _ in range(2))
    pd.testing.assert_frame_equal(first.frame, second.frame)
    np.testing.assert_array_equal(first.times, second.times)
    assert first.applied == second.applied
    places = [rows.training.index[rows.training["x"] == value][0] for value in first.frame["x"]]
    assert places == sorted(set(places))
    assert len(first.frame) == len(first.times) > 0
    assert len(first.holdout) == len(first.held_recent)
    if first.weights is not None:
        assert first.weights.shape == (len(first.frame),)
        assert first.weights.min() > 0
        assert first.weights.mean() == pytest.approx(1)
    assert 0 < first.effective_rows <= len(first.frame) + 1e-6
    assert first.applied.name != "recall"


def test_full_is_the_very_table() -> None:
    rows = table()
    selected = chosen(rows, "full")
    assert selected.frame is rows.training
    assert selected.holdout is rows.holdout
    assert selected.weights is None


def test_a_window_of_rows_cuts_the_holdout_too() -> None:
    selected = chosen(table(), "window", config(window={"rows": 30}))
    assert len(selected.frame) == 30
    assert selected.times.min() == START + 3 * DAY
    assert len(selected.holdout) == 10


def test_a_window_of_days_counts_back_from_the_youngest() -> None:
    selected = chosen(table(), "window", config(window={"days": 1}))
    assert set(selected.times) == {START + 3 * DAY, START + 4 * DAY}


def test_replace_learns_and_compares_only_since_the_change() -> None:
    selected = chosen(table(), "replace", since=datetime(2026, 1, 4, tzinfo=UTC))
    assert selected.applied.name == "replace"
    assert (len(selected.frame), len(selected.holdout), len(selected.known)) == (40, 10, 40)
    assert selected.held_recent.tolist() == [False] * 5 + [True] * 5


def test_replace_with_too_few_rows_rehearses_and_says_so() -> None:
    model = config(min_rows=41)
    selected = chosen(table(), "replace", model, since=datetime(2026, 1, 4, tzinfo=UTC), seen_until=SEEN)
    assert (selected.applied.name, selected.applied.since) == ("rehearsal", None)
    assert "only 40 training rows are since the change, 41 are needed" in selected.applied.reason
    assert len(selected.holdout) == 25


def test_replace_that_would_lose_a_label_rehearses() -> None:
    rows = table()
    rows.training.loc[rows.times >= START + 3 * DAY, "y"] = "a"
    selected = chosen(rows, "replace", since=datetime(2026, 1, 4, tzinfo=UTC), seen_until=SEEN)
    assert selected.applied.name == "rehearsal"
    assert "no training row is labelled b" in selected.applied.reason
    assert set(selected.frame["y"]) == {"a", "b"}


@pytest.mark.parametrize(("share", "old"), [(0.5, 20), (0.2, 5), (0.9, 80)])
def test_rehearsal_mixes_its_share_of_old_rows_by_label(share: float, old: int) -> None:
    selected = chosen(table(labels="aaab"), "rehearsal", config(old_share=share), seen_until=SEEN)
    rehearsed = selected.frame[selected.times < START + 4 * DAY]
    assert int((selected.times == START + 4 * DAY).sum()) == 20
    assert len(rehearsed) == pytest.approx(old, abs=1)
    assert (rehearsed["y"] == "b").mean() == pytest.approx(0.25, abs=0.06)


def test_rehearsal_of_numbers_keeps_their_range() -> None:
    rows = table(per_day=100)
    rows.training["y"] = np.arange(len(rows.training), dtype=float) % 97
    selected = chosen(rows, "rehearsal", config("regression", old_share=0.1), seen_until=SEEN)
    old = selected.frame["y"][selected.times < START + 4 * DAY]
    assert len(old) == pytest.approx(11, abs=3)
    assert old.min() < 15
    assert old.max() > 80


def test_incremental_takes_what_the_parent_has_not_seen() -> None:
    selected = chosen(table(), "incremental", seen_until=datetime(2026, 1, 3, tzinfo=UTC))
    assert set(selected.times) == {START + 3 * DAY, START + 4 * DAY}
    assert (len(selected.known), len(selected.holdout)) == (100, 25)


def test_age_halves_a_row() -> None:
    selected = chosen(table(), "weighted", config(half_life="1d"), weights="age")
    assert selected.weights is not None
    daily = selected.weights[::20]
    np.testing.assert_allclose(daily[1:] / daily[:-1], 2)
    assert f"in effect {effective_rows(selected.weights):.0f}" in selected.applied.reason


def test_rows_like_the_batchs_count_more_and_none_too_much() -> None:
    rows = table(per_day=200, shift=2.0)
    selected = chosen(rows, "weighted", config(max_weight=5), weights="batch")
    weights = selected.weights
    assert weights is not None
    old = ~rows.recent
    assert np.corrcoef(rows.training["x"][old], weights[old])[0, 1] > 0.8
    assert weights[rows.recent].mean() > 1.5 * weights[old].mean()
    assert weights.max() / weights.min() <= 25
    assert 200 < selected.effective_rows < 1000


def test_rows_alike_on_both_sides_are_hardly_weighed() -> None:
    selected = chosen(table(per_day=200), "weighted", weights="batch")
    assert selected.effective_rows > 990


def test_labels_are_weighed_towards_the_batchs_shares() -> None:
    rows = table(per_day=100)
    rows.training.loc[rows.recent, "y"] = ["a"] * 90 + ["b"] * 10
    weights = chosen(rows, "weighted", weights="labels").weights
    assert weights is not None
    a, b = (weights[(rows.training["y"] == label).to_numpy()][0] for label in "ab")
    share = (rows.training["y"] == "a").mean()
    assert a / b == pytest.approx(((90.5 / 101 / share) / (10.5 / 101 / (1 - share))) ** 0.5)


def test_nothing_to_weigh_by_is_full() -> None:
    rows = table(days=1)
    selected = chosen(rows, "weighted", weights="batch")
    assert (selected.applied.name, selected.weights) == ("full", None)
    assert by_label(np.zeros(3, int), np.ones(3, bool), 10.0) is None


def test_a_recall_that_found_none_trains_by_its_fallback() -> None:
    fallback = Strategy(name="rehearsal", reason="old rows stay", seen_until=SEEN)
    selected = chosen(table(), "recall", since=datetime(2026, 1, 4, tzinfo=UTC), fallback=fallback)
    assert selected.applied.name == "rehearsal"
