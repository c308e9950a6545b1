"""The fast scan held to plain numpy: bins, moments, co-moments, distinct levels, parts and their sum."""

import json
import os
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perennial.binning import BLOCK, Bins, Scratch
from perennial.level_counts import LevelCounts
from perennial.products import gram, symmetric
from perennial.profile import CHARACTER_CLASSES, CategoryColumn, NumberColumn, Products, Profile
from perennial.reservoir import Reservoir
from perennial.sketch import KEPT, Distinct

RNG = np.random.default_rng(7)


def number(profile: Profile, name: str) -> NumberColumn:
    column = profile.columns[name]
    assert isinstance(column, NumberColumn)
    return column


def category(profile: Profile, name: str) -> CategoryColumn:
    column = profile.columns[name]
    assert isinstance(column, CategoryColumn)
    return column


def mixed(rows: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 2, rows)
    gaps = np.where(rng.random(rows) < 0.1, np.nan, x + rng.normal(size=rows))
    return {
        "x": x,
        "y": gaps,
        "z": np.where(rng.random(rows) < 0.01, np.inf, rng.gamma(2, 3, rows)),
        "whole": rng.integers(-3, 4, rows),
        "small": rng.normal(size=rows).astype(np.float32),
        "level": rng.choice(np.array(["a", "b", "c", None], object), rows),
        "on": rng.random(rows) < 0.3,
        "note": np.array([f"Row {i}, no {i % 7}." for i in range(rows)], object),
    }


edges_of = st.lists(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-50, 50).map(float), max_size=40
).map(lambda found: np.unique(np.array(found, float)))


@settings(max_examples=300)
@given(edges_of, st.lists(st.floats() | st.integers(-60, 60).map(float), max_size=60))
def test_cells_count_as_a_search_does(edges: Any, values: list[float]) -> None:
    with np.errstate(over="ignore", under="ignore"):
        near = [np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)]
    data = np.concatenate([np.array(values, float), edges, *near])
    nans = int(np.isnan(data).sum())
    with np.errstate(over="ignore", invalid="ignore"):
        found = Bins(edges).count(data, Scratch(), nans)
    expected = np.bincount(np.searchsorted(edges, data[~np.isnan(data)]), minlength=edges.size + 1)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("draw", ["normal", "cauchy", "lognormal", "uniform", "exponential"])
def test_cells_of_every_shape(draw: str) -> None:
    generator = np.random.default_rng(3)
    draws: dict[str, Any] = {
        "normal": generator.normal,
        "cauchy": generator.standard_cauchy,
        "lognormal": generator.lognormal,
        "uniform": generator.uniform,
        "exponential": generator.exponential,
    }
    reference = Profile.of({"x": draws[draw](size=20_000)})
    values = draws[draw](size=3 * BLOCK + 17)
    column = number(Profile.of({"x": values}, like=reference), "x")
    expected = np.bincount(np.searchsorted(column.edges, values), minlength=len(column.edges) + 1)
    assert column.counts == tuple(expected.tolist())


def test_bins_of_a_reference_lie_on_a_grid() -> None:
    for values in (RNG.normal(size=5_000), RNG.gamma(2, size=5_000) * 1e9, RNG.integers(0, 90, 5_000)):
        edges = number(Profile.of({"x": values}), "x").edge_array
        assert Bins(edges).grid is not None
    tenths = RNG.integers(0, 90, 5_000) / 10  # few values are their own bins, wherever they lie
    edges = number(Profile.of({"x": tenths}), "x").edge_array
    assert edges.tolist() == sorted(set(tenths.tolist()))
    assert Bins(edges).grid is None
    wild = number(Profile.of({"x": RNG.standard_cauchy(5_000) ** 3}), "x")  # a grid would join most bins
    assert len(wild.edges) == 255


def near(edges: Any) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        return np.concatenate([edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)])


@settings(max_examples=200)
@given(
    st.lists(st.integers(-400, 400), min_size=2, max_size=60, unique=True),
    st.sampled_from([0, 2**30, -(2**49), 2**50 + 7, 500 - 2**51]),
    st.integers(-60, 60),
    st.lists(st.floats(), max_size=60),
)
def test_grid_cells_count_as_a_search_does(
    places: list[int], offset: int, power: int, others: list[float]
) -> None:
    edges = np.array(sorted(place + offset for place in places), float) * 2.0**power
    values = np.concatenate([near(edges), np.array(others, float)])
    column = number(Profile.of({"x": edges}), "x")
    assert column.edge_array.tolist() == edges.tolist()
    counted = number(Profile.of({"x": values}, like=Profile.of({"x": edges})), "x")
    present = values[~np.isnan(values)]
    expected = np.bincount(np.searchsorted(edges, present), minlength=edges.size + 1)
    assert counted.counts == tuple(expected.tolist())
    finite = present[np.isfinite(present)]
    assert (counted.low, counted.high) == (finite.min(), finite.max())
    assert counted.zeros == np.count_nonzero(values == 0)


def test_a_table_that_is_its_own_reference_takes_its_bins_from_a_sample() -> None:
    values = RNG.gamma(3, size=300_000)
    levels = np.array([f"level {i}" for i in range(200)], object)[RNG.integers(0, 200, values.size)]
    levels[7] = "once"
    profile = Profile.of({"x": values, "c": levels})
    column = number(profile, "x")
    assert sum(column.counts) == values.size
    assert column.high == values.max()
    assert np.std(column.count_array) / np.mean(column.count_array) < 0.2
    counted = category(profile, "c")
    assert (len(counted.levels), counted.other) == (201, 0)
    assert dict(zip(counted.levels, counted.counts, strict=True))["once"] == 1


@pytest.mark.parametrize("odd", ["a\nb", "", "\ud800", None, 7])
def test_joined_strings_are_counted_one_by_one_where_they_must_be(odd: Any) -> None:
    values = np.array(["a", "b", "\u00e9", "a b"] * 5_000 + [odd], object)
    column = category(Profile.of({"c": values}), "c")
    counted = dict(zip(column.levels, column.counts, strict=True))
    expected = {"a": 5_000, "b": 5_000, "\u00e9": 5_000, "a b": 5_000}
    assert counted == (expected if odd is None else expected | {str(odd): 1})
    assert column.nulls == (odd is None)
    frame = pd.DataFrame({"c": pd.Series(values, dtype=object)})
    assert Profile.of(frame).columns == {"c": column}


@pytest.mark.parametrize("odd", [None, np.nan, pd.NA, 7, "\ud800", ""])
def test_strings_that_rows_share_are_counted_as_others_are(odd: Any) -> None:
    levels = np.array(["a", "b", "\u00e9", "a\nb"], object)
    values = levels[RNG.integers(0, 4, 150_000)]
    values[70_000] = odd
    apart = np.array([f"{value}x"[:-1] if isinstance(value, str) else value for value in values], object)
    found = category(Profile.of({"c": values}), "c")
    assert found == category(Profile.of({"c": apart}), "c")
    assert found == category(Profile.of(pd.DataFrame({"c": values}, dtype=object)), "c")
    missing = bool(pd.isna(odd))
    expected = Counter(values.tolist()) - Counter([odd])
    assert dict(zip(found.levels, found.counts, strict=True)) == {
        **expected,
        **({} if missing else {str(odd).lower(): expected[odd] + 1}),
    }
    assert found.nulls == missing


def test_many_columns_with_all_that_numbers_can_be() -> None:
    rows = BLOCK + 1_234
    table: dict[str, Any] = {f"n{i}": RNG.normal(size=rows) * 10.0**i for i in range(40)}
    table |= {f"t{i}": RNG.integers(0, 40, rows) / 10 for i in range(3)}  # edges on no grid
    for name in ("n0", "n17", "n39", "t1"):
        table[name][RNG.random(rows) < 0.1] = np.nan
        table[name][RNG.random(rows) < 0.01] = np.inf
        table[name][RNG.random(rows) < 0.01] = -np.inf
        table[name][RNG.random(rows) < 0.01] = 0.0
    table["n3"][5_000:5_003] = [1e300, -1e300, 1e-300]  # cells that no whole number of 32 bits can tell
    table["n4"][:] = np.nan
    table["date"] = np.datetime64("2026-01-01", "s") + RNG.integers(0, 10**6, rows)
    reference = Profile.of({name: values[:5_000] for name, values in table.items()})
    profile = Profile.of(table, like=reference)
    for name, values in table.items():
        column = number(profile, name)
        numbers = values.astype(np.int64) * 1.0 if name == "date" else values
        finite = numbers[np.isfinite(numbers)]
        present = numbers[~np.isnan(numbers)]
        counts = np.bincount(np.searchsorted(column.edges, present), minlength=len(column.edges) + 1)
        assert column.counts == tuple(counts.tolist())
        assert (column.count, column.nulls) == (present.size, rows - present.size)
        assert column.infinite == present.size - finite.size
        assert column.zeros == np.count_nonzero(finite == 0)
        if finite.size:
            assert (column.low, column.high) == (finite.min(), finite.max())
        if finite.size and name != "n3":
            for power, sums in ((2, column.m2), (3, column.m3), (4, column.m4)):
                scale = float(finite.std()) ** power * finite.size
                assert sums == pytest.approx(stats.moment(finite, power) * finite.size, abs=1e-8 * scale)
    products = profile.products
    assert products is not None
    names = [name for name in products.names if name not in {"n3", "n4"}]
    frame = pd.DataFrame({name: table[name] for name in names}).replace([np.inf, -np.inf], np.nan)
    places = np.ix_(*[[products.names.index(name) for name in names]] * 2)
    deviations = np.sqrt(np.outer(frame.var(), frame.var()))
    np.testing.assert_allclose(
        products.covariance()[places] / deviations, frame.cov() / deviations, atol=1e-8
    )


def test_moments_are_those_of_scipy() -> None:
    values = np.concatenate([RNG.gamma(2, 3, 40_000) + 1e6, np.zeros(10)])
    column = number(Profile.of({"x": values}), "x")
    n = values.size
    assert column.zeros == 10
    assert column.mean == pytest.approx(values.mean(), rel=1e-12)
    for power, sums in ((2, column.m2), (3, column.m3), (4, column.m4)):
        assert sums / n == pytest.approx(stats.moment(values, power), rel=1e-9)


@settings(max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=80), st.data())
def test_any_split_adds_up_to_the_whole(values: list[float], data: Any) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    table = {"x": np.array(values), "y": np.array(values[::-1])}
    whole = Profile.of(table)
    parts = [
        Profile.of({name: column[a:b] for name, column in table.items()}, like=whole)
        for a, b in zip([0, *cuts], [*cuts, len(values)], strict=True)
    ]
    merged = Profile.merge_all(parts)
    again = Profile.of(table, like=whole)
    mine, theirs = number(merged, "x"), number(again, "x")
    assert (mine.counts, mine.count, mine.low, mine.high, mine.zeros) == (
        theirs.counts,
        theirs.count,
        theirs.low,
        theirs.high,
        theirs.zeros,
    )
    scale = max(abs(v) for v in values) or 1.0
    assert mine.mean == pytest.approx(theirs.mean, abs=1e-9 * scale)
    for power in (2, 3, 4):
        assert getattr(mine, f"m{power}") == pytest.approx(
            getattr(theirs, f"m{power}"), abs=1e-9 * scale**power * len(values)
        )
    assert merged.products is not None
    assert again.products is not None
    np.testing.assert_array_equal(merged.products.rows, again.products.rows)
    np.testing.assert_allclose(
        merged.products.products, again.products.products, atol=1e-9 * scale**2 * len(values), rtol=1e-9
    )


def test_co_moments_are_those_of_pandas_on_complete_pairs() -> None:
    frame = pd.DataFrame(mixed(30_000))
    names = ["x", "y", "z", "whole", "small"]
    finite = frame[names].astype(float).replace(np.inf, np.nan)
    for products in (
        Profile.of(frame).products,
        Profile.of(frame, like=Profile.of(mixed(500, seed=1))).products,
    ):
        assert products is not None
        assert products.names == tuple(names)
        np.testing.assert_allclose(products.covariance(), finite.cov(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(products.correlation(), finite.corr(), rtol=1e-2, atol=1e-3)
        present = finite.notna().to_numpy().astype(int)
        np.testing.assert_array_equal(products.rows, present.T @ present)


def test_without_variance_there_is_no_correlation() -> None:
    products = Profile.of({"x": [1.0, 1.0], "y": [1.0, 2.0]}).products
    assert isinstance(products, Products)
    assert np.isnan(products.correlation()).tolist() == [[True, True], [True, False]]
    only = Profile.of({"x": [1.0]}).products
    assert only is not None
    assert np.isnan(only.covariance()).all()


@pytest.mark.parametrize("columns", [1, 2, 5, 15, 64])
@pytest.mark.parametrize("rows", [1, 100, 1024, 8192])
def test_small_matrix_products(columns: int, rows: int) -> None:
    left, right = RNG.normal(size=(columns, rows)), RNG.normal(size=(columns, rows))
    np.testing.assert_allclose(gram(left, right), left @ right.T, atol=1e-9)
    np.testing.assert_allclose(symmetric(left), left @ left.T, atol=1e-9)


@pytest.mark.parametrize("rows", [3, 5_000, 300_000])
def test_cores_and_libraries_do_not_matter(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = mixed(rows)
    reference = Profile.of(mixed(400, seed=2))
    frame = pd.DataFrame(data)
    profiles = [Profile.of(frame, like=reference), Profile.of(pa.Table.from_pandas(frame), like=reference)]
    monkeypatch.setattr(os, "process_cpu_count", lambda: 1)
    profiles += [Profile.of(frame, like=reference), Profile.of(data, like=reference)]
    assert all(profile == profiles[0] for profile in profiles)
    assert {profile.save() for profile in profiles} == {profiles[0].save()}
    assert Profile.load(profiles[0].save()) == profiles[0]


def test_the_order_of_columns_and_their_types_are_kept() -> None:
    assert Profile.of(pd.DataFrame(mixed(20))).incoming == (
        ("x", "number"),
        ("y", "number"),
        ("z", "number"),
        ("whole", "number"),
        ("small", "number"),
        ("level", "string"),
        ("on", "boolean"),
        ("note", "string"),
    )


def test_texts_tell_lengths_characters_and_how_many_differ() -> None:
    values = ["", "Ab 1!", "\u00fc\u00fc", None, "Ab 1!"] * 50 + [f"only {i}" for i in range(1000)]
    column = number(Profile.of({"t": pa.chunked_array([values])}), "t")
    assert column.kind == "text"
    assert (column.zeros, column.nulls) == (50, 50)
    counted = dict(zip(CHARACTER_CLASSES, column.characters, strict=True))
    assert counted == {
        "lower": 100 + 4000,
        "upper": 100,
        "digit": 100 + 2890,
        "space": 100 + 1000,
        "punctuation": 100,
        "other": 100,
    }
    assert column.distinct.estimate() == pytest.approx(1003, rel=0.3)


@settings(max_examples=60)
@given(st.lists(st.text(max_size=5), max_size=60), st.lists(st.text(max_size=5), max_size=60))
def test_few_distinct_strings_are_counted_exactly(first: list[str], second: list[str]) -> None:
    merged = Distinct.of(first).merge(Distinct.of(second))
    assert merged == Distinct.of(first + second)
    assert merged.estimate() == len({*first, *second})


def test_many_distinct_strings_are_estimated() -> None:
    sketches = [Distinct.of([f"{i}" for i in range(start, start + 50_000)]) for start in (0, 25_000)]
    merged = sketches[0].merge(sketches[1])
    assert len(merged.smallest) == KEPT
    assert merged.estimate() == pytest.approx(75_000, rel=0.3)
    assert merged == sketches[1].merge(sketches[0])


def test_many_levels_stay_bounded_and_exact() -> None:
    values = [f"level {i % 9000}" for i in range(30_000)] + ["often"] * 500 + [None] * 3
    reference = Profile.of({"c": pa.chunked_array([["often", "level 1", "rare"] * 10])})
    column = category(Profile.of({"c": pa.chunked_array([values])}, like=reference), "c")
    assert (column.levels, column.counts) == (("level 1", "often", "rare"), (4, 500, 0))
    assert (column.count, column.nulls, column.other) == (30_500, 3, 30_500 - 504)
    assert len(column.unseen) == 16
    assert all(times == 4 for _, times in column.unseen)
    counts = LevelCounts("category", ("a",))
    for part in range(20):
        counts.add([f"{part} {i}" for i in range(1000)])
    assert counts.done().other == 20_000
    own = category(Profile.of({"c": pd.Series(values, dtype="category")}), "c")
    assert "often" in own.levels


def test_a_reference_larger_than_memory_takes_two_passes() -> None:
    parts = [mixed(3_000, seed) for seed in range(5)]
    profile = Profile.of_parts(lambda: parts)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    assert profile.rows == 15_000
    assert (
        number(profile, "x").counts == number(Profile.of(whole), "x").counts
    )  # the sample is the whole here
    assert number(profile, "x").mean == pytest.approx(whole["x"].mean())
    large = [{"x": np.random.default_rng(seed).normal(size=100_000)} for seed in range(3)]
    sampled = number(Profile.of_parts(lambda: large), "x")
    assert sum(sampled.counts) == 300_000
    assert np.std(sampled.count_array) / np.mean(sampled.count_array) < 0.2  # of a sample, on a grid
    assert len(sampled.edges) == 255


@pytest.mark.parametrize("expected", [None, 400, 1000])
@pytest.mark.parametrize("part", [30, 130, 450, 1000])
def test_a_reservoir_draws_every_row_alike(part: int, expected: int | None) -> None:
    chosen = []
    for seed in range(60):
        sample = Reservoir(100, seed)
        if expected is not None:
            sample.expect(expected)
        for start in range(0, 1000, part):
            sample.add({"i": np.arange(start, min(1000, start + part))})
        rows = sample.columns()["i"]
        assert len(rows) == 100
        assert (np.diff(rows) > 0).all()
        chosen.append(rows)
    times = np.bincount(np.concatenate(chosen) // 100, minlength=10)
    assert stats.chisquare(times).pvalue > 1e-4
    assert Reservoir(5, 0).columns() == {}


def test_a_reservoir_that_was_promised_more_rows_draws_fewer_and_all_alike() -> None:
    chosen = []
    for seed in range(60):
        sample = Reservoir(100, seed)
        sample.expect(4000)
        sample.add({"i": np.arange(1000)})
        chosen.append(sample.columns()["i"])
    assert 30 < np.mean([len(rows) for rows in chosen]) < 50  # 160 of 4,000
    times = np.bincount(np.concatenate(chosen) // 100, minlength=10)
    assert stats.chisquare(times).pvalue > 1e-4


@pytest.mark.parametrize("expected", [None, 1000])
def test_a_reservoir_keeps_the_smallest_numbers_that_all_rows_would_have(expected: int | None) -> None:
    largest = []
    for seed in range(200):
        sample = Reservoir(20, seed)
        if expected is not None:
            sample.expect(expected)
        for rows in (300, 500, 200):
            sample.add({"i": np.arange(rows)})
        sample.columns()
        largest.append(sample._keys.max())
    assert stats.kstest(largest, stats.beta(20, 981).cdf).pvalue > 1e-4


@pytest.mark.parametrize("levels", [["a", "b"], ["a", None], [1, 2], [1.5, 2.5]])
def test_a_reservoir_joins_parts_of_dictionaries_that_differ(levels: list[Any]) -> None:
    sample = Reservoir(10, 0)
    for values in (levels, levels[::-1]):
        indices = pa.array([0, 1, 0], pa.int32())
        sample.add({"x": pa.chunked_array([pa.DictionaryArray.from_arrays(indices, pa.array(values))])})
    first, second = levels
    assert sample.columns()["x"].to_pylist() == [first, second, first, second, first, second]


def test_stored_profiles_stay_small() -> None:
    rows = 20_000
    rng = np.random.default_rng(0)
    data: dict[str, Any] = {f"n{i}": rng.normal(size=rows) for i in range(80)}
    data |= {
        f"s{i}": np.array([f"\u00fcber level {j}" for j in rng.integers(0, 3000, rows)]) for i in range(4)
    }
    body = Profile.of(data).save()
    assert len(body) / len(data) < 10_000
    for column in json.loads(body)["columns"].values():
        assert len(json.dumps(column, separators=(",", ":"))) < 10_000
    assert Profile.load(body).save() == body
