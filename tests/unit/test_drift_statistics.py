"""Each statistic against scipy, and the promises that all of them make."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from perennial.drift.chi_square import chi_square, pool_rare, total_variation, total_variation_noise
from perennial.drift.ks import ks_noise, ks_p_value, ks_statistic
from perennial.drift.multiplicity import holm
from perennial.drift.performance import compare_errors, compare_performance
from perennial.drift.proportions import difference_interval, p_different, p_greater
from perennial.drift.psi import psi, psi_corrected, psi_noise
from perennial.histogram import count_into, equi_depth_edges

RNG = np.random.default_rng(3)
counts = st.lists(st.integers(0, 200), min_size=2, max_size=12)


@st.composite
def two_counts(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    first = draw(counts)
    return first, draw(st.lists(st.integers(0, 200), min_size=len(first), max_size=len(first)))


@pytest.mark.parametrize(("n", "m", "shift"), [(80, 60, 0.0), (250, 100, 0.5), (200, 2000, 0.1)])
def test_ks_is_that_of_the_values_where_every_value_is_an_edge(n: int, m: int, shift: float) -> None:
    first = np.round(RNG.normal(size=n), 2)
    second = RNG.choice(first, m) + shift * (RNG.random(m) < 0.5)
    edges = equi_depth_edges(np.concatenate([first, second]), most=10_000)
    statistic = ks_statistic(count_into(first, edges), count_into(second, edges))
    assert statistic == pytest.approx(stats.ks_2samp(first, second).statistic)


def test_binned_ks_errs_only_towards_no_drift() -> None:
    first, second = RNG.normal(size=20_000), RNG.normal(0.1, 1.1, size=5_000)
    edges = equi_depth_edges(first)
    binned = ks_statistic(count_into(first, edges), count_into(second, edges))
    whole = stats.ks_2samp(first, second).statistic
    assert whole - 1 / 128 <= binned <= whole


def test_ks_p_value_is_the_asymptotic_one() -> None:
    for distance, n, m in ((0.05, 1000, 2000), (0.2, 100, 80), (0.0, 50, 50), (1.0, 30, 30)):
        expected = stats.kstwobign.sf(np.sqrt(n * m / (n + m)) * distance)
        assert ks_p_value(distance, n, m) == pytest.approx(expected)
    assert ks_p_value(0.5, 0, 10) == 1.0


def test_noise_is_the_mean_of_what_sampling_brings() -> None:
    n, m, bins = 150, 90, 10
    ks, index, variation = [], [], []
    for _ in range(400):
        first, second = RNG.random(n), RNG.random(m)
        edges = equi_depth_edges(first)
        ks.append(ks_statistic(count_into(first, edges), count_into(second, edges)))
        a, b = np.histogram(first, bins, (0, 1))[0], np.histogram(second, bins, (0, 1))[0]
        index.append(psi(a, b))
        variation.append(total_variation(a, b))
    assert np.mean(ks) == pytest.approx(ks_noise(n, m), rel=0.1)
    assert np.mean(index) == pytest.approx(psi_noise(bins, n, m), rel=0.15)
    assert np.mean(variation) == pytest.approx(
        total_variation_noise([n // bins] * bins, [m // bins] * bins), rel=0.1
    )


@pytest.mark.parametrize(("first", "second"), [([60, 50, 40], [30, 35, 60]), ([500, 20, 9], [480, 40, 12])])
def test_chi_square_is_pearsons(first: list[int], second: list[int]) -> None:
    expected = stats.chi2_contingency([first, second], correction=False)
    found = chi_square(first, second)
    assert (found.statistic, found.degrees) == pytest.approx((expected.statistic, expected.dof))
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.06)  # ours knows the margins


@given(two_counts())
@example(([0, 1, 5, 2], [0, 3, 1, 4]))  # every level rare: one group
def test_pooling_loses_no_row_and_leaves_no_rare_level(pair: tuple[list[int], list[int]]) -> None:
    first, second = pool_rare(*pair)
    n, m = sum(pair[0]), sum(pair[1])
    assert first.sum() == n
    assert second.sum() == m
    if len(first) > 1 and n and m:
        assert ((first + second) * min(n, m) / (n + m)).min() >= 5


@pytest.mark.parametrize(
    ("a", "n", "b", "m"),
    [
        (3, 40, 9, 45),
        (45, 45, 50, 60),
        (0, 20, 5, 30),
        (1, 1000, 9, 900),
        (30, 30, 12, 30),
        (5, 100_000, 2, 20_000),
    ],
)
def test_small_shares_are_fishers(a: int, n: int, b: int, m: int) -> None:
    expected = stats.fisher_exact([[a, n - a], [b, m - b]], alternative="greater").pvalue
    assert p_greater(a, n, b, m) == pytest.approx(expected, rel=1e-7)


def test_large_shares_are_normal() -> None:
    expected = stats.fisher_exact([[560, 440], [500, 500]], alternative="greater").pvalue
    assert p_greater(560, 1000, 500, 1000) == pytest.approx(expected, rel=0.2)
    assert p_different(560, 1000, 500, 1000) == pytest.approx(2 * p_greater(560, 1000, 500, 1000))


@pytest.mark.parametrize("shares", [(0.9, 0.85), (0.5, 0.5), (0.97, 0.97)])
def test_the_interval_covers_the_difference(shares: tuple[float, float]) -> None:
    n, m, covered = 60, 80, 0
    for _ in range(1000):
        low, high = difference_interval(
            int(RNG.binomial(n, shares[0])), n, int(RNG.binomial(m, shares[1])), m
        )
        covered += low <= shares[0] - shares[1] <= high
    assert covered >= 925


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_only_raises(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [q for _, q in ranked] == sorted(q for _, q in ranked)
    if p_values:
        assert min(adjusted) == pytest.approx(min(1.0, len(p_values) * min(p_values)))


def test_errors_are_compared_by_welch() -> None:
    first, second = RNG.exponential(1.0, 80), RNG.exponential(1.5, 40)
    change = compare_errors(first, second)
    expected = stats.ttest_ind(second, first, equal_var=False, alternative="greater")
    interval = stats.ttest_ind(second, first, equal_var=False).confidence_interval()
    assert change is not None
    assert change.p_value == pytest.approx(expected.pvalue)
    assert change.drop == pytest.approx(second.mean() / first.mean() - 1)
    assert change.interval == pytest.approx((interval.low / first.mean(), interval.high / first.mean()))


def test_errors_that_never_vary_still_compare() -> None:
    assert [compare_errors([1, 1], [now] * 2).p_value for now in (0.5, 1, 2)] == [1.0, 1.0, 0.0]  # type: ignore[union-attr]
    assert compare_errors([0, 0], [3, 3]).drop == 3  # type: ignore[union-attr]


def test_performance_by_task() -> None:
    true = np.array(["a"] * 60 + ["b"] * 60)
    wrong = np.where(np.arange(120) < 40, "b", true)
    change = compare_performance("classification", reference=(true, true), current=(true, wrong))
    assert change is not None
    assert (change.metric, change.reference) == ("accuracy", 1.0)
    assert change.current == pytest.approx(2 / 3)
    assert change.p_value == pytest.approx(
        stats.fisher_exact([[120, 0], [80, 40]], alternative="greater").pvalue
    )
    assert change.interval[0] < change.drop < change.interval[1]
    better = compare_performance("classification", reference=(true, wrong), current=(true, true))
    assert better is not None
    assert better.p_value > 0.99
    values = np.arange(50.0)
    change = compare_performance("regression", reference=(values, values + 1), current=(values, values - 2))
    assert change is not None
    assert (change.metric, change.reference, change.current, change.drop) == ("mae", 1.0, 2.0, 1.0)
    assert compare_performance("classification", reference=(true, true), current=([], [])) is None
    assert compare_performance("regression", reference=([1.0], [1.0]), current=(values, values)) is None


DISTANCES: list[Callable[[Any, Any], float]] = [
    ks_statistic,
    psi,
    psi_corrected,
    total_variation,
    lambda a, b: chi_square(a, b).statistic,
]


@pytest.mark.parametrize("distance", DISTANCES)
@settings(max_examples=60)
@given(pair=two_counts())
def test_what_every_distance_promises(
    distance: Callable[[Any, Any], float], pair: tuple[list[int], list[int]]
) -> None:
    first, second = pair
    assert distance(first, first) == pytest.approx(0, abs=1e-12)
    assert distance(first, second) >= 0
    assert distance(first, second) == pytest.approx(distance(second, first), abs=1e-12)
    assert np.isfinite(distance(first, second))
    if distance is not ks_statistic:
        assert distance(first[::-1], second[::-1]) == pytest.approx(distance(first, second), abs=1e-9)
