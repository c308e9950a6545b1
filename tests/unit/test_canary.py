"""The canary's test: it may be looked at at every step, and it finds what matters."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.canary import in_words, log_e, look, next_step, noted, worse
from perennial.contracts.canary import CanaryState, ServingCounts
from perennial.promotion_config import BakePolicy

NOW = datetime(2026, 11, 21, tzinfo=UTC)
START = CanaryState(version=2, step=0, started_at=NOW, step_at=NOW)
POLICY = BakePolicy.model_validate({"canary": [5, 25, 100], "step": "10m"})
LEVEL, TOLERANCE = 0.05, 0.005
LOOKS = 40
SHARES = (5,) * 20 + (25,) * 20  # per cent, a look a minute


def counts(requests: int, errors: int) -> ServingCounts:
    return ServingCounts(requests=requests, errors=errors)


def stopped(champion: float, canary: float, *, trials: int, a_minute: int = 600) -> float:
    """The share of simulated canaries that are stopped at any look."""
    rng = np.random.default_rng(20261121)
    n_b = np.array([a_minute * share // 100 for share in SHARES])
    n_a = a_minute - n_b
    y_a, y_b = rng.binomial(n_a, champion, (trials, LOOKS)), rng.binomial(n_b, canary, (trials, LOOKS))
    stops = 0
    for trial in range(trials):
        state = START
        sums = (np.cumsum(column) for column in (n_a, y_a[trial], n_b, y_b[trial]))
        for a, wrong_a, b, wrong_b in zip(*sums, strict=True):
            state = look(state, counts(int(a), int(wrong_a)), counts(int(b), int(wrong_b)))
            if worse(state, LEVEL, tolerance=0.0):
                stops += 1
                break
    return stops / trials


@pytest.mark.parametrize("rate", [0.002, 0.02, 0.3])
def test_a_canary_that_is_as_good_is_stopped_no_more_often_than_the_level(rate: float) -> None:
    """At 40 looks; a fixed-sample test at each would stop about a third. 300 trials: 3 standard errors."""
    assert stopped(rate, rate, trials=300) <= LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / 300)


@pytest.mark.parametrize(("rate", "canary"), [(0.01, 0.05), (0.02, 0.06), (0.3, 0.4)])
def test_a_canary_that_is_worse_is_stopped(rate: float, canary: float) -> None:
    assert stopped(rate, canary, trials=200) >= 0.95


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.floats(0.01, 0.99),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_a_block_is_expected_to_tell_nothing_where_both_err_alike(
    n_a: int, n_b: int, rate: float, errors_a: int, errors_b: int
) -> None:
    """The expectation of S over every outcome of a block, exactly: at most 1."""
    expected = 0.0
    for y_a in range(n_a + 1):
        for y_b in range(n_b + 1):
            chance = (math.comb(n_a, y_a) * math.comb(n_b, y_b) * rate ** (y_a + y_b)) * (1 - rate) ** (
                n_a + n_b - y_a - y_b
            )
            told = log_e(counts(n_a, y_a), counts(n_b, y_b), counts(50, errors_a), counts(50, errors_b))
            expected += chance * math.exp(told)
    assert expected <= 1 + 1e-9


def test_what_was_counted_is_not_counted_again() -> None:
    once = look(look(START, counts(100, 1), counts(10, 4)), counts(300, 3), counts(40, 15))
    again = look(once, counts(300, 3), counts(40, 15))
    assert again == once
    assert once.log_e > 0
    assert once.canary == counts(40, 15)


def test_a_count_that_goes_down_adds_nothing() -> None:
    state = look(START, counts(100, 1), counts(10, 4))
    assert look(state, counts(90, 1), counts(8, 2)) == state


def test_what_is_worse_by_less_than_is_tolerated_is_let_in() -> None:
    state = START.model_copy(
        update={"log_e": 99.0, "champion": counts(10_000, 100), "canary": counts(10_000, 140)}
    )
    assert not worse(state, LEVEL, TOLERANCE)
    assert worse(state, LEVEL, 0.003)


def test_in_words() -> None:
    state = look(START, counts(100, 1), counts(10, 4))
    assert in_words(state) == ("the canary failed on 4 of 10 requests, the champion on 1 of 100 (e-value 1)")


def test_a_canary_goes_through_its_steps_and_wins() -> None:
    later = NOW + timedelta(minutes=10)
    state = look(START, counts(950, 9), counts(50, 0))
    assert next_step(state, POLICY, later - timedelta(seconds=1)) == state
    second = next_step(state, POLICY, later)
    assert isinstance(second, CanaryState)
    assert (second.step, second.step_at, second.seen) == (1, later, 50)
    more = look(second, counts(1700, 17), counts(300, 2))
    assert next_step(more, POLICY, later + timedelta(minutes=10)) == "won"


def test_a_canary_that_nobody_asked_is_not_let_in_unless_that_is_wanted() -> None:
    later = NOW + timedelta(minutes=10)
    assert next_step(START, POLICY, later) == "untested"
    lenient = POLICY.model_copy(update={"without_traffic": "promote"})
    assert isinstance(next_step(START, lenient, later), CanaryState)
    second = START.model_copy(update={"step": 1, "seen": 50, "canary": counts(50, 0)})
    assert next_step(second, POLICY, later) == "untested"  # none since the first step


def test_each_step_keeps_what_it_counted_itself() -> None:
    first = noted(look(START, counts(950, 9), counts(50, 1)), POLICY, NOW + timedelta(minutes=5), "trying")
    again = noted(look(first, counts(1900, 18), counts(100, 2)), POLICY, NOW + timedelta(minutes=9), "passed")
    (step,) = again.steps
    assert (step.share, step.champion, step.canary) == (5, counts(1900, 18), counts(100, 2))
    assert (step.began_at, step.looked_at) == (NOW, NOW + timedelta(minutes=9))
    later = NOW + timedelta(minutes=10)
    second = next_step(again, POLICY, later)
    assert isinstance(second, CanaryState)
    ended = noted(look(second, counts(2650, 25), counts(350, 90)), POLICY, later, "lost")
    assert ended.steps[0] == step
    assert (ended.steps[1].share, ended.steps[1].verdict) == (25, "lost")
    assert (ended.steps[1].champion, ended.steps[1].canary) == (counts(750, 7), counts(250, 88))
    assert ended.steps[1].log_e == ended.log_e > step.log_e
