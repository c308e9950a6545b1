"""The holdout: the same rows for ever, however they are read."""

from datetime import UTC, date, datetime
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.config import ModelConfig
from perennial.data_config import Column
from perennial.estimator_config import Estimator
from perennial.holdout import dump_holdout, holdout_mask, read_holdout

KEYS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=40)


def side(values: Any, share: float = 0.5, dtype: Any = None) -> list[bool]:
    mask: list[bool] = holdout_mask(
        pd.DataFrame({"id": pd.Series(values, dtype=dtype)}), ["id"], share
    ).tolist()
    return mask


def test_these_rows_are_held_out_for_ever() -> None:
    """A change of the hash would let later versions train on rows that earlier ones were judged by."""
    assert "".join("x" if held else "." for held in side([f"flower-{n}" for n in range(24)], 0.3)) == (
        ".x.x....xx..xxxx....x..x"
    )
    assert "".join("x" if held else "." for held in side(list(range(24)), 0.3)) == "........x.x.....x..x..x."
    frame = pd.DataFrame({"id": range(24), "of": ["a", None] * 12, "size": np.arange(24) / 8})
    assert (
        "".join("x" if held else "." for held in holdout_mask(frame, [], 0.3)) == "x.x...xx.........x......"
    )


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param([range(10)] * 4, id="digits"),
        pytest.param([[0, 1]] * 14, id="bits"),
        pytest.param([np.linspace(-1, 1, 101), np.linspace(0, 5, 101)], id="a grid"),
        pytest.param([range(10_000), [1.0], [None], [1.0]], id="constants"),
        pytest.param([[f"k{n}" for n in range(1000)], [0.25, 0.5, 1e300]], id="texts and numbers"),
    ],
)
def test_of_keys_of_several_columns_a_share_is_held_out_whatever_their_values(columns: list[Any]) -> None:
    rows = pd.DataFrame(list(product(*columns)), columns=[f"c{n:02d}" for n in range(len(columns))])
    held = holdout_mask(rows, [], 0.2)
    assert np.mean(held) == pytest.approx(0.2, abs=5 * (0.16 / len(rows)) ** 0.5)
    following = np.mean(held[1:] & held[:-1])
    assert following == pytest.approx(0.04, abs=5 * (0.04 / len(rows)) ** 0.5)
    for name in rows:
        places, levels = pd.factorize(rows[name], use_na_sentinel=False)
        shares = np.bincount(places, weights=held) / np.bincount(places)
        least = len(rows) / len(levels)
        assert least < 50 or np.ptp(shares) < 10 * (0.16 / least) ** 0.5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2, 30], [1.0, 2.0, 30.0]),
        ([1, 2, 30], ["1", "02", " 30.0 "]),
        ([-5, 0, 7], ["-5", "-0", "+7"]),
        ([0.1, 2.5, 1e-9], ["0.1", "2.50", "1e-9"]),
        ([2**63 - 1, 10**18 + 1], [str(2**63 - 1), str(10**18 + 1)]),
        ([True, False], ["True", "false"]),
        (["Ada", "Grace"], [" ada", "GRACE "]),
        (["", None, "  "], [np.nan, np.nan, np.nan]),
        ([date(2026, 1, 2), date(1969, 7, 20)], ["2026-01-02", "1969-07-20T00:00:00Z"]),
        (
            [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)] * 2,
            ["2026-01-02 03:04:05", "2026-01-02T04:04:05+01:00"],
        ),
    ],
)
def test_a_value_is_the_same_however_it_is_read(one: list[Any], other: list[Any]) -> None:
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert side(one, share) == side(other, share) == side(other, share, dtype=object)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint64", "float32", "float64", "Int64", "Float64", "str", "category", object]
)
def test_types_of_pandas_do_not_matter(dtype: Any) -> None:
    values = list(range(100))
    assert side(values, 0.3, dtype=dtype) == side(values, 0.3)


def test_float32_counts_as_the_decimal_it_prints() -> None:
    assert side([0.1, 0.7, 12.3], dtype="float32") == side([0.1, 0.7, 12.3])


def test_times_are_the_same_in_every_resolution() -> None:
    times = pd.Series(pd.date_range("2026-01-01", periods=50, freq="h"))
    assert side(times) == side(times.astype("datetime64[s]")) == side(times.dt.tz_localize("UTC"))


def test_large_identifiers_in_sequence_are_kept_apart() -> None:
    """Rounded to a float64, 256 neighbours would share one hash."""
    assert 20 < sum(side([10**18 + n for n in range(100)], 0.3)) < 40


@given(KEYS, st.floats(0.05, 0.8))
def test_a_row_does_not_depend_on_the_others(keys: list[str], share: float) -> None:
    together = side(keys, share, dtype=object)
    assert together == [side([key], share, dtype=object)[0] for key in keys]
    assert side(keys[::-1], share, dtype=object) == together[::-1]


@given(KEYS, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_larger_share_only_adds_rows(keys: list[str], a: float, b: float) -> None:
    few, many = sorted((a, b))
    assert all(later or not earlier for earlier, later in zip(side(keys, few), side(keys, many), strict=True))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.8])
def test_about_the_share_is_held_out(share: float) -> None:
    mask = side(np.arange(20_000), share)
    assert np.mean(mask) == pytest.approx(share, abs=0.02)


def test_the_order_of_columns_does_not_matter_but_their_values_do() -> None:
    frame = pd.DataFrame({"a": range(1000), "b": range(1000, 2000)})
    mask = holdout_mask(frame, ["a", "b"], 0.5)
    assert (mask == holdout_mask(frame[["b", "a"]], ["b", "a"], 0.5)).all()
    swapped = frame.rename(columns={"a": "b", "b": "a"})
    assert (mask != holdout_mask(swapped, ["a", "b"], 0.5)).any()


def test_without_a_key_every_column_counts() -> None:
    frame = pd.DataFrame({"a": [1, 1, 2] * 100, "b": ["x", "y", "x"] * 100})
    mask = holdout_mask(frame, [], 0.5)
    assert (mask == holdout_mask(frame, ["a", "b"], 0.5)).all()
    assert (mask == np.tile(mask[:3], 100)).all()


def test_no_rows_no_mask() -> None:
    assert holdout_mask(pd.DataFrame({"id": []}), ["id"], 0.5).shape == (0,)


def test_the_stored_holdout_comes_back_with_its_recent_rows() -> None:
    config = ModelConfig(
        name="m",
        task="classification",
        label="y",
        columns={"x": Column(type="number"), "y": Column(type="category")},
        estimator=Estimator(**{"class": "sklearn.dummy.DummyClassifier"}),
    )
    frame = pd.DataFrame({"x": [0.1, 1 / 3, np.nan], "y": pd.Series(["a", "b", "true"], dtype=object)})
    recent = np.array([True, False, True])
    read, mask = read_holdout(dump_holdout(frame, recent), config)
    pd.testing.assert_frame_equal(read, frame)
    assert mask.tolist() == recent.tolist()
