"""Is the canary worse? A test of two error rates that may be looked at after every step.

Each look is a block of new requests: n_a answered by the champion with y_a errors, n_b by the canary with
y_b. From earlier blocks alone rates a <= b are estimated, and with p = (n_a a + n_b b) / n

    S = [a^y_a (1-a)^(n_a-y_a) b^y_b (1-b)^(n_b-y_b)] / [p^y (1-p)^(n-y)],    y = y_a + y_b, n = n_a + n_b

is an e-variable: where the canary errs no more often than the champion its expectation is at most 1, since
by the inequality of the means E S = f_a^n_a f_b^n_b <= ((n_a f_a + n_b f_b) / n)^n = 1, f_g being the
expectation of one request's factor. So the product over blocks is a test martingale, and by Ville's
inequality it ever reaches 1 / level with probability at most `level`, however often one looks and whenever
one stops.

Turner, Ly, Grünwald (2024), Generic E-variables for exact sequential k-sample tests that allow for optional
stopping, Journal of Statistical Planning and Inference 230 (2x2 tables: their theorem 1). Always-valid
inference for A/B tests: Johari, Koomen, Pekelis, Walsh (2022), Operations Research 70; betting:
Waudby-Smith, Ramdas (2024), JRSS B 86.
"""

import math
from datetime import datetime
from typing import Literal

from perennial.contracts.canary import CanaryState, CanaryStep, ServingCounts
from perennial.promotion_config import BakePolicy

_PRIOR = (0.5, 10.0)  # errors and requests added to each side, so that no block starts wild


def look(state: CanaryState, champion: ServingCounts, canary: ServingCounts) -> CanaryState:
    """The state after a look at the counts since the start of the canary, both sides cumulative.

    What was counted before is not counted again; a count that went down, as late corrections of a metric
    may make it, adds nothing.
    """
    new_champion, new_canary = _since(state.champion, champion), _since(state.canary, canary)
    return state.model_copy(
        update={
            "log_e": state.log_e + log_e(new_champion, new_canary, state.champion, state.canary),
            "champion": _plus(state.champion, new_champion),
            "canary": _plus(state.canary, new_canary),
        }
    )


def log_e(
    champion: ServingCounts, canary: ServingCounts, known_champion: ServingCounts, known_canary: ServingCounts
) -> float:
    """The logarithm of S for a block, with rates estimated from what was known before it; 0 tells nothing."""
    a, b = _rate(known_champion), _rate(known_canary)
    n_a, n_b = champion.requests, canary.requests
    if b <= a or not n_a or not n_b:
        return 0.0
    p = (n_a * a + n_b * b) / (n_a + n_b)
    return _log_likelihood(champion, a, p) + _log_likelihood(canary, b, p)


def worse(state: CanaryState, level: float, tolerance: float) -> bool:
    """Evidence, then materiality: is the canary worse at that level, and by more than is tolerated?"""
    return state.log_e >= -math.log(level) and excess(state) > tolerance


def next_step(
    state: CanaryState, policy: BakePolicy, now: datetime
) -> CanaryState | Literal["won", "untested"]:
    """What follows a look that did not stop the canary: the same step, the next, or the end."""
    if now < state.step_at + policy.step:
        return state
    if state.canary.requests == state.seen and policy.without_traffic == "reject":
        return "untested"
    if state.step + 1 == len(policy.steps):
        return "won"
    return state.model_copy(update={"step": state.step + 1, "step_at": now, "seen": state.canary.requests})


def noted(
    state: CanaryState,
    policy: BakePolicy,
    now: datetime,
    verdict: Literal["trying", "passed", "lost", "untested", "overtaken"],
) -> CanaryState:
    """The state with its step as it is to go on record; noting a step again replaces it."""
    earlier = state.steps[: state.step]
    champion, canary = ServingCounts(), ServingCounts()
    for step in earlier:
        champion, canary = _plus(champion, step.champion), _plus(canary, step.canary)
    step = CanaryStep(
        share=policy.steps[state.step],
        began_at=state.step_at,
        looked_at=now,
        champion=_since(champion, state.champion),
        canary=_since(canary, state.canary),
        log_e=state.log_e,
        verdict=verdict,
    )
    return state.model_copy(update={"steps": (*earlier, step)})


def excess(state: CanaryState) -> float:
    """By how much the canary's share of errors is above the champion's.

    >>> at, champion = datetime(2026, 1, 1), ServingCounts(requests=100, errors=1)
    >>> state = CanaryState(version=2, step=0, started_at=at, step_at=at, champion=champion,
    ...     canary=ServingCounts(requests=10, errors=1))
    >>> round(excess(state), 3)
    0.09
    """
    return _share(state.canary) - _share(state.champion)


def in_words(state: CanaryState) -> str:
    """What was counted, and how sure it is that the canary is worse."""
    return (
        f"the canary failed on {state.canary.errors} of {state.canary.requests} requests, the champion on "
        f"{state.champion.errors} of {state.champion.requests} (e-value {e_value(state.log_e):.3g})"
    )


def e_value(log_e: float) -> float:
    """The e-value itself, as large as a float may be.

    >>> e_value(0.0), e_value(1e6) > 1e300
    (1.0, True)
    """
    return math.exp(min(log_e, 700.0))


def _rate(known: ServingCounts) -> float:
    errors, requests = _PRIOR
    return (known.errors + errors) / (known.requests + requests)


def _share(counts: ServingCounts) -> float:
    return counts.errors / counts.requests if counts.requests else 0.0


def _log_likelihood(block: ServingCounts, rate: float, pooled: float) -> float:
    right = block.requests - block.errors
    return block.errors * math.log(rate / pooled) + right * math.log((1 - rate) / (1 - pooled))


def _since(before: ServingCounts, now: ServingCounts) -> ServingCounts:
    requests = max(0, now.requests - before.requests)
    return ServingCounts(requests=requests, errors=min(requests, max(0, now.errors - before.errors)))


def _plus(one: ServingCounts, other: ServingCounts) -> ServingCounts:
    return ServingCounts(requests=one.requests + other.requests, errors=one.errors + other.errors)
