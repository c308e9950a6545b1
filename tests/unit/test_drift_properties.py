"""One suite over every statistic of binned counts: what each promises."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import jensenshannon as scipy_jensen_shannon

from perennial.drift.chi_square import chi_square, total_variation
from perennial.drift.jensen_shannon import jensen_shannon
from perennial.drift.ks import ks_statistic
from perennial.drift.kullback_leibler import kullback_leibler
from perennial.drift.moments import mean_change, scale_change, spread
from perennial.drift.permutation import score_test
from perennial.drift.psi import psi, psi_corrected
from perennial.drift.quantiles import quantile_change
from perennial.drift.scores import normal_scores
from perennial.drift.wasserstein import wasserstein
from perennial.profile import Profile

BINS = 8
PLACES = np.array([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 4.0, 7.0])
counts = arrays(np.int64, BINS, elements=st.integers(0, 300))


def location_z(reference: Any, current: Any) -> float:
    before, now = np.array([reference], float), np.array([current], float)
    return float(score_test(normal_scores(before + now)[0], before, now).z[0])


class Promise(NamedTuple):
    """A statistic: symmetric or not, changing its sign, free of the order of bins, and how large."""

    of: Callable[[Any, Any], float]
    symmetric: bool = True
    signed: bool = False
    unordered: bool = False
    most: float = np.inf


PROMISES = {
    "ks": Promise(ks_statistic, most=1),
    "psi": Promise(psi, unordered=True),
    "psi_corrected": Promise(psi_corrected, unordered=True),
    "kullback_leibler": Promise(kullback_leibler, symmetric=False, unordered=True),
    "jensen_shannon": Promise(jensen_shannon, unordered=True, most=1),
    "wasserstein": Promise(lambda a, b: wasserstein(a, b, PLACES), most=10),
    "total_variation": Promise(total_variation, unordered=True, most=1),
    "chi_square": Promise(lambda a, b: chi_square(a, b).statistic, unordered=True),
    "location": Promise(location_z, signed=True),
    "mean_change": Promise(
        lambda a, b: float(mean_change(spread(a, PLACES), spread(b, PLACES))), symmetric=False, signed=True
    ),
    "scale_change": Promise(
        lambda a, b: float(scale_change(spread(a, PLACES), spread(b, PLACES))), signed=True
    ),
    "median_change": Promise(lambda a, b: float(quantile_change(a, b, PLACES, 0.5)), signed=True),
}


@pytest.mark.parametrize("name", PROMISES)
@settings(max_examples=60)
@given(first=counts, second=counts)
def test_what_every_statistic_promises(name: str, first: Any, second: Any) -> None:
    promise = PROMISES[name]
    found = promise.of(first, second)
    assert promise.of(first, first) == pytest.approx(0, abs=1e-9)
    assert np.isfinite(found)
    assert abs(found) <= promise.most + 1e-12
    if not promise.signed:
        assert found >= 0
    if promise.symmetric and first.sum() and second.sum():
        turned = promise.of(second, first)
        assert turned == pytest.approx(-found if promise.signed else found, abs=1e-7)
    if promise.unordered:
        assert promise.of(first[::-1], second[::-1]) == pytest.approx(found, abs=1e-9)


@settings(max_examples=40)
@given(st.lists(counts, min_size=1, max_size=4), counts)
def test_rows_of_a_matrix_are_columns_of_their_own(rows: list[Any], current: Any) -> None:
    matrix, currents = np.array(rows), np.tile(current, (len(rows), 1))
    for statistic in (psi, kullback_leibler, jensen_shannon):
        assert np.asarray(statistic(matrix, currents)).tolist() == [statistic(row, current) for row in rows]


@settings(max_examples=30)
@given(
    st.lists(st.floats(-50, 50), min_size=2, max_size=60), st.lists(st.floats(-50, 50), min_size=2), st.data()
)
def test_merged_parts_give_the_statistics_of_the_whole(
    reference: list[float], now: list[float], data: Any
) -> None:
    baseline = Profile.of({"x": np.array(reference)})
    cut = data.draw(st.integers(0, len(now)))
    parts = [Profile.of({"x": np.array(part, float)}, like=baseline) for part in (now[:cut], now[cut:])]
    whole = Profile.of({"x": np.array(now)}, like=baseline)
    first, merged, second = (
        profile.columns["x"].counts for profile in (baseline, parts[0].merge(parts[1]), whole)
    )
    for statistic in (ks_statistic, psi, jensen_shannon, location_z):
        assert statistic(first, merged) == statistic(first, second)


def test_distances_are_scipys() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(1, 90, BINS), rng.integers(1, 90, BINS)
    p, q = first / first.sum(), second / second.sum()
    assert jensen_shannon(first, second) == pytest.approx(scipy_jensen_shannon(p, q, base=2))
    smooth = [(side + 0.5) / (side + 0.5).sum() for side in (first, second)]
    assert kullback_leibler(first, second) == pytest.approx(stats.entropy(smooth[1], smooth[0]))
    assert wasserstein(first, second, PLACES) == pytest.approx(
        stats.wasserstein_distance(PLACES, PLACES, p, q)
    )


@pytest.mark.parametrize(("n", "m", "shift"), [(30, 25, 0.8), (12, 200, 1.0), (60, 60, 0.6)])
def test_the_permutation_test_is_that_of_all_permutations(n: int, m: int, shift: float) -> None:
    rng = np.random.default_rng(n)
    first, second = rng.normal(size=n), rng.normal(shift, 1, m)
    ranked = np.argsort(np.argsort(np.concatenate([first, second])))
    before, now = (
        np.bincount(part, minlength=n + m)[None].astype(float) for part in (ranked[:n], ranked[n:])
    )
    scores = normal_scores(before + now)[0]
    drawn = [rng.permuted(scores[0])[:m].sum() for _ in range(40_000)]
    extreme = np.mean(np.abs(np.array(drawn)) >= abs((scores * now).sum()) - 1e-9)
    assert score_test(scores, before, now).p_value[0] == pytest.approx(extreme, rel=0.2, abs=4e-4)


@pytest.mark.parametrize(
    ("a", "n", "b", "m"), [(2, 20, 12, 20), (0, 50, 6, 50), (1, 50, 200, 1000), (3, 1000, 20, 1000)]
)
def test_tails_of_rare_values_are_nearly_fishers(a: int, n: int, b: int, m: int) -> None:
    table = np.array([[n - a, a], [m - b, b]], float)
    exact = stats.fisher_exact(table).pvalue
    found = score_test(np.array([[0.0, 1.0]]), table[:1], table[1:]).p_value[0]
    assert 0.8 * exact <= found <= 2 * exact
