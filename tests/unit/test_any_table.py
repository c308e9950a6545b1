"""Whatever a table holds, it is profiled, stored, compared with itself and found to be the same."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from perennial import Profile, detect_drift
from perennial.profile import NumberColumn

N = 120
RNG = np.random.default_rng(3)
NUMBERS: Any = RNG.normal(size=N)
WHOLE: Any = RNG.integers(0, 5, N)
FLAGS: Any = NUMBERS > 0
WORDS: Any = RNG.choice(["a", "b", "c"], N)
DAYS = pd.date_range("2026-01-01", periods=N)
TEXTS = [f"text number {place}" for place in range(1200)]
MISSING: Any = [None] * N


def objects(values: Any) -> pd.Series:
    return pd.Series(list(values), dtype=object)


COLUMNS: dict[str, tuple[str, Any]] = {
    "no values, no type": ("category", MISSING),
    "no numbers": ("number", [np.nan] * N),
    "no Int64": ("number", pd.array(MISSING, dtype="Int64")),
    "no boolean": ("boolean", pd.array(MISSING, dtype="boolean")),
    "no time": ("datetime", pd.to_datetime(MISSING)),
    "mixed": ("category", objects([1, "a", None, 2.5, True, (1, 2)] * 20)),
    "spans": ("number", pd.to_timedelta(WHOLE, unit="h")),
    "spans and NaT": ("number", pd.Series(pd.to_timedelta(WHOLE, unit="h")).where(FLAGS)),
    "span objects": ("number", objects(timedelta(hours=int(hours)) for hours in WHOLE)),
    "category": ("category", pd.Series(WORDS).where(FLAGS).astype("category")),
    "category of intervals": ("category", pd.cut(NUMBERS, 4)),
    "bool": ("boolean", FLAGS),
    "boolean and NA": ("boolean", pd.array([True, None, False] * 40, dtype="boolean")),
    "boolean objects": ("boolean", objects(RNG.choice([True, None, False], N))),
    "bool of arrow": ("boolean", pd.Series(FLAGS).astype("bool[pyarrow]")),
    "complex": ("category", NUMBERS + 1j),
    "large integers": ("number", objects(10**30 + place for place in range(N))),
    "too large integers": ("number", objects(-(10**400) + place for place in range(N))),
    "uint64": ("number", np.uint64(2**64 - 1) - np.arange(N, dtype=np.uint64)),
    "Int64 and NA": ("number", pd.array([1, None, 2**60] * 40, dtype="Int64")),
    "Float64 and NA": ("number", pd.array([1.5, None, 2] * 40, dtype="Float64")),
    "number and NA objects": ("number", objects([1, pd.NA, 2.5] * 40)),
    "float16": ("number", NUMBERS.astype("float16")),
    "infinite": ("number", np.full(N, -np.inf)),
    "decimal objects": ("number", objects(Decimal(place) / 7 for place in range(N))),
    "decimals of arrow": ("number", pa.array([Decimal("1.5"), None, Decimal(2)] * 40)),
    "sparse": ("number", pd.arrays.SparseArray(RNG.choice([0, 0, 1.0], N))),
    "string": ("category", pd.array(WORDS, dtype="string")),
    "python strings": ("category", pd.array(WORDS, dtype="string[python]")),
    "half a character": ("category", objects(["\ud800", "b"] * 60)),
    "bytes": ("category", objects([b"a", b"\xff"] * 60)),
    "zone": ("datetime", DAYS.tz_localize("Europe/Berlin")),
    "seconds": ("datetime", DAYS.astype("datetime64[s]")),
    "two zones": (
        "datetime",
        objects(
            [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=ZoneInfo("Europe/Berlin"))] * 60
        ),
    ),
    "dates": ("datetime", objects(day.date() for day in DAYS)),
    "dates of numpy": (
        "datetime",
        objects(np.datetime64("2026-01-01") + np.timedelta64(place, "D") for place in range(N)),
    ),
    "times of day": ("category", objects(time(place % 24) for place in range(N))),
    "periods": ("datetime", pd.period_range("2026-01", periods=N, freq="D")),
    "intervals": ("category", pd.arrays.IntervalArray.from_breaks(np.arange(N + 1))),
    "lists": ("category", [[place % 3, 2] for place in range(N)]),
    "lists of any length": ("category", objects([place] * (place % 3) for place in range(N))),
    "records": ("category", objects({"a": place % 3} for place in range(N))),
    "arrays": ("category", objects(np.arange(place % 3) for place in range(N))),
    "lists of arrow": ("category", pa.array([[1], [2], None] * 40)),
    "records of arrow": ("category", pa.array([{"a": 1}, {"a": 2}, None] * 40)),
    "spans of arrow": ("number", pa.array([timedelta(1), None, timedelta(2)] * 40)),
    "nulls of arrow": ("category", pa.nulls(N)),
}


def check_itself(table: Any) -> Profile:
    """Compared with itself in every way, and stored; nothing drifts."""
    profile = Profile.of(table)
    assert Profile.load(profile.save()) == profile
    reports = [detect_drift(table, table), detect_drift(profile, table)]
    first = detect_drift(profile, Profile.of(table, like=profile), state={})
    reports += [first, detect_drift(profile, profile.merge(profile), state=first.state)]
    for report in reports:
        assert not report.drifted
        assert not report.significant
        json.dumps([report.to_dict(), report.state], allow_nan=False)
    return profile


@pytest.mark.parametrize("name", COLUMNS)
def test_every_kind_of_column(name: str) -> None:
    kind, values = COLUMNS[name]
    profile = check_itself({"x": values, "other": NUMBERS})
    assert profile.columns["x"].kind == kind
    if not isinstance(values, pa.Array):
        frame = check_itself(pd.DataFrame({"x": values, "other": NUMBERS}))
        assert frame.columns["x"].kind == kind


FRAMES: dict[str, Callable[[], pd.DataFrame]] = {
    "nothing": pd.DataFrame,
    "no rows": lambda: pd.DataFrame({"a": [], "b": pd.array([], dtype="string")}),
    "no columns": lambda: pd.DataFrame(index=range(5)),
    "one row": lambda: pd.DataFrame({"a": [1.0], "b": ["x"], "t": [pd.Timestamp("2026")], "f": [True]}),
    "two levels of names": lambda: pd.DataFrame(
        RNG.normal(size=(N, 2)), columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])
    ),
    "numbers for names": lambda: pd.DataFrame(RNG.normal(size=(N, 3))),
    "no name": lambda: pd.DataFrame(RNG.normal(size=(N, 2)), columns=[None, "b"]),
    "an index that repeats": lambda: pd.DataFrame({"a": NUMBERS}, index=[0] * N),
    "the largest floats": lambda: pd.DataFrame({"a": np.where(FLAGS, 1e308, -1e308)}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_shape_of_table(name: str) -> None:
    frame = FRAMES[name]()
    assert list(check_itself(frame).columns) == [str(column) for column in frame.columns]


LARGEST = float(np.finfo(float).max)
EXTREMES: dict[str, Any] = {
    "both ends": np.where(np.arange(N) < 40, LARGEST, -LARGEST),
    "the other end": np.where(np.arange(N) < 80, LARGEST, -LARGEST),
    "nearly both ends": np.where(np.arange(N) < 10, 1e308, -1e308),
    "far off": np.where(np.arange(N) < 2, LARGEST, NUMBERS * 1e-5),
    "far off the other way": np.where(np.arange(N) < 40, -LARGEST, NUMBERS),
    "vast": NUMBERS * 1e307,
    "tiny": np.where(np.arange(N) < 2, 1e-320, NUMBERS * 1e-320),
    "usual": NUMBERS,
}


@pytest.mark.parametrize("now", EXTREMES)
@pytest.mark.parametrize("before", EXTREMES)
def test_values_at_the_ends_of_the_range_of_floats(before: str, now: str) -> None:
    """Their span is no float, and neither is it in standard deviations of the tiny."""
    report = detect_drift({"x": EXTREMES[before], "o": NUMBERS}, {"x": EXTREMES[now], "o": NUMBERS}, state={})
    json.dumps([report.to_dict(), report.state], allow_nan=False)
    assert not report.columns["o"].drifted
    if before == now:
        assert not report.significant


@pytest.mark.parametrize(
    ("reference", "current", "kind"),
    [
        (NUMBERS, MISSING, "number"),
        (WORDS, [np.nan] * N, "category"),
        (DAYS, MISSING, "datetime"),
        (FLAGS, MISSING, "boolean"),
        (TEXTS[:N], MISSING, "category"),
        (MISSING, NUMBERS, "number"),
        ([np.nan] * N, WORDS, "category"),
        ([np.nan] * N, DAYS, "datetime"),
        (pd.to_datetime(MISSING), NUMBERS, "number"),
        (MISSING, FLAGS, "boolean"),
    ],
)
def test_a_column_without_values_is_missing_not_retyped(reference: Any, current: Any, kind: str) -> None:
    report = detect_drift({"x": reference, "o": NUMBERS}, {"x": current, "o": NUMBERS})
    assert report.schema.retyped == ()
    assert report.kinds == ("data",)
    assert report.columns["x"].kind == kind
    assert report.columns["x"].drifted
    assert "missing values" in report.columns["x"].reasons[0]


def test_texts_that_are_all_missing() -> None:
    report = detect_drift({"x": TEXTS}, {"x": [np.nan] * len(TEXTS)})
    assert (report.kinds, report.columns["x"].kind) == (("data",), "text")


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        (WHOLE, pd.array(WHOLE, dtype="Int64")),
        (WHOLE, objects(WHOLE)),
        (WHOLE, pd.Categorical(WHOLE)),
        (pd.Categorical(WHOLE), WHOLE.astype(float)),
        (NUMBERS, [Decimal(str(value)) for value in NUMBERS]),
        (FLAGS, pd.array(FLAGS, dtype="boolean")),
        (FLAGS, objects(FLAGS)),
        (FLAGS, FLAGS.astype(int)),
        (FLAGS, np.where(np.arange(N) == 0, np.nan, FLAGS)),
        (FLAGS, FLAGS.astype(str)),
        (FLAGS.astype(int), FLAGS),
        (WORDS, pd.Categorical(WORDS)),
        (DAYS, DAYS.tz_localize("UTC")),
        (DAYS, [date(day.year, day.month, day.day) for day in DAYS]),
    ],
)
def test_the_same_values_of_another_type_are_no_drift(reference: Any, current: Any) -> None:
    report = detect_drift({"x": reference}, {"x": current})
    assert not report.drifted, report.summary
    assert report.schema.retyped == ()


@pytest.mark.parametrize("current", [WORDS, NUMBERS.astype(str), DAYS])
def test_words_and_times_are_no_numbers(current: Any) -> None:
    report = detect_drift({"x": NUMBERS}, {"x": current})
    assert (report.kinds, report.schema.retyped) == (("schema",), ("x",))


def test_times_and_spans_count_in_seconds() -> None:
    columns = Profile.of(
        {
            "span": [timedelta(days=1), None, timedelta(seconds=1)],
            "at": [date(1970, 1, 2), None, datetime(1970, 1, 1, 1, tzinfo=ZoneInfo("Etc/GMT-1"))],
            "month": pd.PeriodIndex(["1970-01", None, "1970-02"], freq="M"),
            "huge": objects([10**400, None, -(10**400)]),
        }
    ).columns
    lowest, highest, infinite = {}, {}, {}
    for name, column in columns.items():
        assert isinstance(column, NumberColumn)
        lowest[name], highest[name], infinite[name] = column.low, column.high, column.infinite
        assert column.nulls == 1
    assert lowest == {"span": 1.0, "at": 0.0, "month": 0.0, "huge": None}
    assert highest == {"span": 86_400.0, "at": 86_400.0, "month": 31 * 86_400.0, "huge": None}
    assert infinite == {"span": 0, "at": 0, "month": 0, "huge": 2}


def test_five_thousand_columns() -> None:
    frame = pd.DataFrame(RNG.normal(size=(30, 5_000)))
    report = detect_drift(frame, frame.assign(**{"7": frame[7] + 9}).drop(columns=[7]))
    assert report.drifted_columns == ("7",)
    assert report.schema.reordered
