"""What is wrong with a column now and was not, and what texts and date-times tell."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial import detect_drift
from perennial.drift.quality import QualityIssue

RNG = np.random.default_rng(11)
N = 400
NUMBERS: Any = RNG.normal(size=N)
WORDS: Any = RNG.choice(["a", "b", "c"], N)
TEXTS = [f"order number {place} came" for place in range(N)]
FIRST: Any = np.arange(N) == 0


@pytest.mark.parametrize(
    ("reference", "current", "flaw", "shares", "words"),
    [
        (NUMBERS, [None] * N, "empty", (0, 1), "none of 400 rows has a value"),
        (
            NUMBERS,
            np.where(FIRST, np.nan, NUMBERS),
            "missing",
            (0, 1 / N),
            "1 of 400 values is missing; in the reference none was",
        ),
        (
            NUMBERS,
            np.where(NUMBERS > 2.2, np.inf, NUMBERS),
            "infinite",
            (0, np.mean(NUMBERS > 2.2)),
            "values are infinite; in the reference none was",
        ),
        (
            NUMBERS,
            NUMBERS + 9,
            "outside range",
            (0, 1),
            "100% of the values lie outside the reference's range",
        ),
        (
            WORDS,
            np.where(FIRST, "new", WORDS),
            "unseen levels",
            (0, 1 / N),
            "1 of 400 values is of levels that the reference has not: new",
        ),
        (
            np.arange(N) % 4 > 0,
            np.ones(N, bool),
            "constant",
            (0.75, 1),
            "all 400 values are true; in the reference 75 % were",
        ),
        (
            np.arange(N) % 5,
            np.full(N, 3),
            "constant",
            (0.2, 1),
            "all 400 values are 3; in the reference 20 % were",
        ),
        (NUMBERS, np.full(N, 77.5), "constant", (0, 1), "all 400 values are 77.5; in the reference 0 % were"),
    ],
)
def test_what_is_wrong_is_named(
    reference: Any, current: Any, flaw: str, shares: tuple[float, float], words: str
) -> None:
    report = detect_drift({"x": reference}, {"x": current})
    told: dict[str, QualityIssue] = {issue.flaw: issue for issue in report.quality}
    assert (told[flaw].column, words in told[flaw].words) == ("x", True), told[flaw].words
    assert (told[flaw].reference, told[flaw].current) == pytest.approx(shares)
    assert json.loads(json.dumps(report.to_dict()))["quality"][0]["column"] == "x"


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        (NUMBERS, RNG.normal(size=N)),
        (np.where(FIRST, np.nan, NUMBERS), np.where(FIRST, np.nan, NUMBERS)),
        (np.where(FIRST, np.inf, NUMBERS), np.where(FIRST, np.inf, NUMBERS)),
        (WORDS, WORDS[:5].repeat(1)),
        (["a"] * N, ["a"] * N),
        ([1.0] * N, [1.0] * N),
        (~FIRST, np.ones(N, bool)),  # one in 400: that none comes is an accident
        ([None] * N, [None] * N),
        (NUMBERS, []),
    ],
)
def test_what_was_so_before_or_may_be_an_accident_is_not(reference: Any, current: Any) -> None:
    assert detect_drift({"x": reference}, {"x": current}).quality == ()


def test_texts_tell_what_their_length_does_not() -> None:
    shouted = [text.upper() for text in TEXTS[: N // 2]] + [""] * (N // 2)
    told = detect_drift({"x": TEXTS}, {"x": shouted}).columns["x"].statistics
    assert (told["empty_reference"], told["empty_current"]) == (0, 0.5)
    assert told["distinct_reference"] == pytest.approx(1, abs=0.25)
    assert told["distinct_current"] == pytest.approx(0.5, abs=0.15)
    letters = sum(sum(map(str.isalpha, text)) for text in TEXTS) / sum(map(len, TEXTS))
    assert told["characters_moved"] == pytest.approx(letters, abs=0.02)
    same = detect_drift({"x": TEXTS}, {"x": TEXTS[::-1]}).columns["x"].statistics
    assert same["characters_moved"] == 0


def test_date_times_tell_the_time_that_they_cover() -> None:
    days = pd.date_range("2026-01-01", periods=101)
    column = detect_drift({"at": days}, {"at": days[:51] + pd.Timedelta(days=75)}).columns["at"]
    assert column.statistics == {
        "earliest_change_days": 75,
        "latest_change_days": 25,
        "span_reference_days": 100,
        "span_current_days": 50,
        "overlap": 0.5,
    }
    assert not column.significant


@pytest.mark.parametrize("rows", [100, 5_000])  # edges are the values themselves, or quantiles
@pytest.mark.parametrize("moved", [0.0, 0.5, 4.0, -4.0, 30.0])
def test_how_many_values_lie_outside_the_reference(rows: int, moved: float) -> None:
    before, now = RNG.normal(size=rows), RNG.normal(moved, 1, 3_000)
    told = detect_drift({"x": before}, {"x": now}).columns["x"].statistics["outside_range"]
    true = np.mean((now < before.min()) | (now > before.max()))
    assert told == pytest.approx(true, abs=0.011 if rows == 100 else 0.03)
    assert (told > 0) == (true > 0)


def test_rare_levels_that_are_not_counted_are_not_called_new() -> None:
    before, now = RNG.integers(0, 900, (2, 3_000)).astype(str)
    column = detect_drift({"zip": before}, {"zip": now}).columns["zip"]
    assert not column.drifted
    assert "rarer levels" in column.reasons[0]
    assert "new_levels_share" not in column.statistics
    assert detect_drift({"c": WORDS}, {"c": WORDS}).columns["c"].statistics["new_levels_share"] == 0


def test_a_change_beyond_the_range_is_at_least_as_large_as_the_bins_can_tell() -> None:
    lengths = np.resize([4.0, 5.0, 6.0], N)
    assert "(at least +" in detect_drift({"x": lengths}, {"x": lengths + 90}).columns["x"].reasons[0]
    assert "(+1.23 sd)" in detect_drift({"x": lengths}, {"x": lengths.clip(6)}).columns["x"].reasons[0]


@pytest.mark.parametrize("span", [1e-3, 100.0, 3_600.0])
def test_bars_of_large_numbers_close_together_stay_apart(span: float) -> None:
    column = detect_drift({"id": 1.7e9 + NUMBERS * span}, {"id": 1.7e9 + NUMBERS * span}).columns["id"]
    edges = column.histogram["edges"]
    assert np.diff(edges) == pytest.approx((edges[-1] - edges[0]) / (len(edges) - 1), rel=0.01)
