"""A year of checks without any drift, as many as the detector may alarm on: hardly any retrains."""

from datetime import timedelta
from typing import Any, get_args

import numpy as np

from perennial.config import DriftPolicy
from perennial.contracts.drift import Finding
from perennial.contracts.words import DriftKind
from perennial.decision import Check, check_of, decide
from perennial.policy_config import RetrainPolicy
from tests.unit.decision_evidence import NOW, but, drift

CHECKS = 10_000
ALPHA = DriftPolicy().alpha
POLICY = RetrainPolicy(cooldown=timedelta(0), cooldown_after_rollback=timedelta(0))


def retrains(policy: RetrainPolicy, seed: int) -> int:
    """How many a year has. The worst that the detector promises: it alarms at its full rate, each of its
    kinds with the same right, and every alarm is of a change that matters."""
    random = np.random.default_rng(seed)
    p_values, sizes = random.random(CHECKS), 1 + random.exponential(2.0, CHECKS)
    kinds = random.choice([kind for kind in get_args(DriftKind) if kind != "schema"], CHECKS)
    champion, past, count = 1, list[Check](), 0
    for number in range(CHECKS):
        kind: Any = str(kinds[number])
        p_value, size = float(p_values[number]), float(sizes[number])
        found = (Finding(kind=kind, p_value=p_value, size=size),) if p_value < ALPHA else ()
        now = NOW + timedelta(hours=number)
        if not found:  # then there is nothing to retrain for, as the property tests say
            calm = Check(run="calm", at=now, champion=champion, incoming=True, action="skip")
            past = [calm, *past][: policy.of_checks]
            continue
        evidence = but(champion=champion, drift=drift(*found), checks=tuple(past))
        decision = decide(evidence, policy, now)
        past = [check_of(evidence, decision, str(number), now), *past][: policy.of_checks]
        if decision.action == "retrain":
            count, champion = count + 1, champion + 1
    return count


def test_a_year_without_drift_has_hardly_any_retrains() -> None:
    assert retrains(POLICY, seed=1) <= 5  # the budget is 100


def test_without_confirmation_they_stay_within_the_budget() -> None:
    at_once = RetrainPolicy(cooldown=timedelta(0), confirmations=1, rules={"prediction": "retrain"}, growth=1)
    budget = CHECKS * ALPHA
    assert 0.7 * budget < retrains(at_once, seed=1) <= budget + 3 * budget**0.5
