"""Paired tests: exact where they can be, and right about their own errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from perennial.pairs import p_value, rows_to_tell


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_wins_and_losses_are_mcnemars_exact_test(wins: int, losses: int, ties: int) -> None:
    advantage = np.repeat([1.0, -1.0, 0.0], [wins, losses, ties])
    expected = stats.binomtest(wins, wins + losses, alternative="greater").pvalue if wins + losses else 1.0
    assert p_value(advantage, seed=0) == pytest.approx(expected)


def test_permutation_agrees_with_scipys() -> None:
    advantage = np.random.default_rng(1).normal(0.15, 1, 120)
    expected = stats.permutation_test(
        (advantage,), np.mean, permutation_type="samples", alternative="greater", n_resamples=20_000, rng=2
    ).pvalue
    assert p_value(advantage, seed=3) == pytest.approx(expected, abs=0.01)


def test_the_normal_limit_continues_the_permutation() -> None:
    random = np.random.default_rng(5)
    few = random.normal(0.02, 1, 5_000)
    many = np.append(few, random.normal(0.02, 1, 1))
    assert p_value(few, seed=0) == pytest.approx(p_value(many, seed=0), abs=0.02)


@pytest.mark.parametrize("draw", ["normal", "skewed", "coins"])
def test_chance_is_called_better_as_rarely_as_the_level_says(draw: str) -> None:
    random = np.random.default_rng(6)
    wrong = 0
    for trial in range(300):
        one, other = random.normal(size=(2, 60))
        if draw == "skewed":
            one, other = one**2, other**2
        elif draw == "coins":
            one, other = np.sign(one), np.sign(other)
        wrong += p_value(one - other, seed=trial) <= 0.05
    assert wrong <= 26  # 15 expected; more than 26 happens once in 400 such tests


def test_the_same_seed_gives_the_same_answer() -> None:
    advantage = np.random.default_rng(7).normal(0.1, 1, 50)
    assert p_value(advantage, seed=1) == p_value(advantage, seed=1)


@pytest.mark.parametrize(("level", "rows"), [(0.05, 5), (0.01, 7), (0.5, 1), (1.0, 1)])
def test_fewer_rows_than_that_can_never_reach_the_level(level: float, rows: int) -> None:
    assert rows_to_tell(level) == rows
    assert p_value(np.ones(rows), seed=0) <= level
    assert rows == 1 or p_value(np.ones(rows - 1), seed=0) > level


def test_no_rows_are_enough_for_certainty() -> None:
    assert rows_to_tell(0.0) > 10**9


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_nothing_is_told_from_what_is_not_finite(odd: float) -> None:
    assert p_value(np.array([1.0] * 20 + [odd]), seed=0) == 1.0
