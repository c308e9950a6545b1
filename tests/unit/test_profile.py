"""Profiles: the same from every kind of table, and halves that merge to the whole."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial.data_config import Column
from perennial.errors import InvalidData, MissingColumn, ProfileMismatch
from perennial.histogram import coarse_groups, count_into, equi_depth_edges, spread_evenly
from perennial.profile import CategoryColumn, NumberColumn, Profile

FRAME = pd.DataFrame(
    {
        "size": [1.0, 2.0, np.nan, 4.0, np.inf],
        "many": [1, 2, 3, 4, 5],
        "colour": ["red", "blue", None, "red", "red"],
        "on": [True, False, True, True, True],
        "at": pd.to_datetime(["2026-01-01", "", "2026-01-03", "2026-01-01", "2026-01-02"]),
    }
)
SCHEMA = {"size": Column(type="number"), "colour": Column(type="text"), "absent": Column(type="number")}


def number(profile: Profile, name: str) -> NumberColumn:
    column = profile.columns[name]
    assert isinstance(column, NumberColumn)
    return column


def category(profile: Profile, name: str) -> CategoryColumn:
    column = profile.columns[name]
    assert isinstance(column, CategoryColumn)
    return column


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]),
        {1: [1.0], "1": [2.0]},
    ],
)
def test_a_name_that_two_columns_have_is_refused(table: Any) -> None:
    with pytest.raises(InvalidData, match="more than once: expected names that differ"):
        Profile.of(table)


def test_what_each_column_is_and_holds() -> None:
    profile = Profile.of(FRAME)
    assert profile.rows == 5
    assert [column.kind for column in profile.columns.values()] == [
        "number",
        "number",
        "category",
        "boolean",
        "datetime",
    ]
    size = number(profile, "size")
    assert (size.count, size.nulls, size.infinite, size.low, size.high) == (4, 1, 1, 1.0, 4.0)
    assert size.mean == pytest.approx(7 / 3)
    assert size.variance == pytest.approx(np.var([1, 2, 4], ddof=1))
    assert (size.edges, size.counts) == ((1.0, 2.0, 4.0), (1, 1, 1, 1))
    colour = category(profile, "colour")
    assert (colour.levels, colour.counts, colour.nulls, colour.other) == (("blue", "red"), (1, 3), 1, 0)
    assert category(profile, "on").levels == ("false", "true")
    assert number(profile, "at").nulls == 1
    assert number(profile, "at").low == pd.Timestamp("2026-01-01").timestamp()


def test_the_kind_of_table_does_not_matter() -> None:
    profile = Profile.of(FRAME)
    arrow = pa.table(
        {name: pa.array(FRAME[name], from_pandas=True) for name in ("size", "many", "colour", "on", "at")}
    )
    arrays = {name: FRAME[name].to_numpy() for name in FRAME}
    nullable = FRAME.astype({"many": "Int64", "on": "boolean", "colour": "category"})
    zoned = FRAME.assign(at=FRAME["at"].dt.tz_localize("UTC").dt.tz_convert("Europe/Paris"))
    for table in (arrow, arrays, nullable, zoned):
        assert Profile.of(table) == profile
        assert Profile.of(table, like=profile) == profile


def test_a_schema_says_which_columns_and_what_they_are() -> None:
    profile = Profile.of(FRAME, schema=SCHEMA)
    assert {name: column.kind for name, column in profile.columns.items()} == {
        "size": "number",
        "colour": "text",
    }
    assert number(profile, "colour").edges == (3.0, 4.0)
    assert number(profile, "colour").nulls == 1
    with pytest.raises(ProfileMismatch, match=r"column 'colour'.*numbers was expected"):
        Profile.of(FRAME, schema={"colour": Column(type="number")})


def test_strings_that_hardly_repeat_are_text() -> None:
    assert Profile.of({"id": [f"row {i}" for i in range(300)]}).columns["id"].kind == "text"
    assert Profile.of({"id": [f"row {i % 100}" for i in range(300)]}).columns["id"].kind == "category"


def test_every_value_counts_into_a_reference() -> None:
    reference = Profile.of({"x": [1.0, 2.0, 3.0], "c": ["a", "b", "b"]})
    current = Profile.of(
        {"extra": [0] * 5, "x": [-9.0, 2.0, 99.0, np.nan, np.inf], "c": ["new", "a", "odd", "new", None]},
        like=reference,
    )
    assert list(current.columns) == ["x", "c"]
    assert number(current, "x").counts == (1, 1, 0, 2)
    column = category(current, "c")
    assert (column.levels, column.counts, column.other) == (("a", "b"), (1, 0), 3)
    assert column.unseen == (("new", 2), ("odd", 1))
    with pytest.raises(MissingColumn, match="'c'"):
        Profile.of({"x": [1.0]}, like=reference)


def test_a_stored_profile_is_small_and_comes_back_equal() -> None:
    rng = np.random.default_rng(0)
    table = {
        "wide": rng.normal(size=50_000) * 1e-200,
        "levels": [f"a rather long name of level {i}" for i in rng.integers(0, 5000, 50_000)],
        "text": np.array(["x" * i for i in rng.integers(0, 400, 50_000)]),
        "nothing": np.full(50_000, np.nan),
    }
    profile = Profile.of(table)
    body = profile.save()
    assert Profile.load(body) == profile
    assert Profile.load(body).save() == body
    for column in json.loads(body)["columns"].values():
        assert len(json.dumps(column, separators=(",", ":"))) < 10_000
    levels = category(profile, "levels")
    assert len(levels.levels) <= 256
    assert sum(levels.counts) + levels.other == 50_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"format":2}',
        b'{"format":1,"rows":1,"columns":{"a":{}}}',
        b'{"format":2,"rows":1,"columns":[],"incoming":[],"products":null}',
        b'{"format":2,"rows":1,"columns":{"a":"x"},"incoming":[],"products":null}',
        b'{"format":2,"rows":1,"columns":{},"incoming":[["a"]],"products":3}',
        b"[" * 100_000,
    ],
    ids=lambda body: f"{body[:20]}",
)
def test_what_is_no_profile_is_refused(body: bytes) -> None:
    with pytest.raises(ProfileMismatch):
        Profile.load(body)


def test_profiles_that_differ_do_not_merge() -> None:
    first = Profile.of({"x": [1.0, 2.0]})
    for other in ({"x": [1.0, 3.0]}, {"y": [1.0]}, {"x": ["a"]}):
        with pytest.raises(ProfileMismatch):
            first.merge(Profile.of(other))
    many = Profile.of({"c": [str(i % 200) for i in range(1000)]})
    others = Profile.of({"c": [str(200 + i % 200) for i in range(1000)]})
    with pytest.raises(ProfileMismatch, match="different levels"):
        many.merge(others)


def test_few_levels_merge_without_a_reference() -> None:
    merged = Profile.of({"c": ["b", "c"]}).merge(Profile.of({"c": ["a", "b", None]}))
    assert merged == Profile.of({"c": ["b", "c", "a", "b", None]})


numbers = st.lists(st.floats(width=64) | st.sampled_from([0.0, 1.0, 2.0]), max_size=60)
levels = st.lists(st.sampled_from([None, "a", "b", "c", "new"]), max_size=60)


def table(x: list[float], c: list[str | None]) -> dict[str, Any]:
    rows = min(len(x), len(c))
    return {"x": np.array(x[:rows], float), "c": np.array(c[:rows], object)}


@settings(max_examples=150)
@given(numbers, levels, numbers, levels, st.integers(0, 60))
def test_halves_merge_to_the_whole(
    x: list[float], c: list[str | None], of_x: list[float], of_c: list[str | None], cut: int
) -> None:
    reference = Profile.of(table(of_x, of_c))
    data = table(x, c)
    whole = Profile.of(data, like=reference)
    halves = [
        Profile.of({k: v[part] for k, v in data.items()}, like=reference)
        for part in (slice(cut), slice(cut, None))
    ]
    merged = halves[0].merge(halves[1])
    assert merged.rows == whole.rows
    assert merged.columns["c"] == whole.columns["c"]
    mine, theirs = number(merged, "x"), number(whole, "x")
    assert (mine.counts, mine.count, mine.nulls, mine.infinite) == (
        theirs.counts,
        theirs.count,
        theirs.nulls,
        theirs.infinite,
    )
    assert (mine.low, mine.high) == (theirs.low, theirs.high)
    assert sum(mine.counts) == mine.count
    assert Profile.load(merged.save()) == merged


@settings(max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=60))
def test_moments_merge_to_those_of_the_whole(x: list[float]) -> None:
    reference = Profile.of({"x": np.array(x)})
    parts = [Profile.of({"x": np.array(part)}, like=reference) for part in (x[:2], x[2:3], x[3:])]
    merged = number(parts[0].merge(parts[1]).merge(parts[2]), "x")
    assert merged.mean == pytest.approx(np.mean(x), rel=1e-9, abs=1e-9)
    assert merged.variance == pytest.approx(np.var(x, ddof=1), rel=1e-6, abs=1e-6)


@settings(max_examples=50)
@given(numbers, levels, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(x: list[float], c: list[str | None], random: Any) -> None:
    data = table(x, c)
    order = list(range(len(data["x"])))
    random.shuffle(order)
    first, second = Profile.of(data), Profile.of({k: v[order] for k, v in data.items()})
    assert first.columns["c"] == second.columns["c"]
    mine, theirs = number(first, "x"), number(second, "x")
    assert (mine.edges, mine.counts, mine.low, mine.high) == (
        theirs.edges,
        theirs.counts,
        theirs.low,
        theirs.high,
    )


def test_edges_split_many_values_into_equal_parts() -> None:
    values = np.random.default_rng(1).normal(size=100_000)
    edges = equi_depth_edges(values)
    counts = count_into(values, edges)
    assert edges.size == 255
    assert counts.max() <= 520  # an equal part is 391; on a grid
    assert counts.min() >= 260
    cumulated = np.cumsum(counts)[:-1]
    np.testing.assert_array_equal(cumulated, [(values <= edge).sum() for edge in edges])


def test_coarse_groups_cover_all_bins_in_order() -> None:
    counts = np.array([0, 1, 90, 1, 1, 1, 1, 5])
    starts = coarse_groups(counts, 4)
    assert starts[0] == 0
    assert np.add.reduceat(counts, starts).sum() == counts.sum()
    assert 1 < len(starts) <= 4
    assert coarse_groups(np.zeros(3, int), 4).tolist() == [0]


def test_spread_shares_add_up_and_stay_in_place() -> None:
    values = np.random.default_rng(2).uniform(size=10_000)
    edges = equi_depth_edges(values)
    grid = np.linspace(0, 1, 11)
    shares = spread_evenly(count_into(values, edges), edges, values.min(), values.max(), grid)
    assert shares.sum() == pytest.approx(1, abs=1e-3)
    assert shares == pytest.approx(np.histogram(values, grid)[0] / 10_000, abs=2e-3)
