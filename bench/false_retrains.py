"""How often a model without any drift is retrained: detector and decision together, check after check.

    python -m bench.false_retrains [checks]       prints a row of the table in docs/decision.md

Each check is a batch of 200 rows of five independent columns like the 1,000 of the reference, one of them
the label; what the detector carries goes on from batch to batch, and a retrain begins a new life with a new
reference. No performance is known, no cooldown holds back: only confirmation stands between.
"""

import sys
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import numpy as np

from perennial import DriftReport, Profile, detect_drift
from perennial.config import DriftPolicy
from perennial.contracts.batch import DataSummary
from perennial.contracts.drift import DriftSummary
from perennial.contracts.trigger import Trigger
from perennial.decision import Check, Evidence, check_of, decide
from perennial.drift.strength import strengths
from perennial.policy_config import RetrainPolicy

REFERENCE, BATCH = 1_000, 200
POLICY = RetrainPolicy(cooldown=timedelta(0), cooldown_after_rollback=timedelta(0))
DRIFT = DriftPolicy()
START = datetime(2026, 1, 1, tzinfo=UTC)
TRIGGER = Trigger(kind="upload", reason="a batch came", at=START)


def main() -> None:
    """Play so many checks and print what came of them."""
    checks = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    began = perf_counter()
    found = play(checks, np.random.default_rng(checks))
    per_check = (perf_counter() - began) / checks
    row = (f"{checks:,}", found["significant"], found["drifted"], found["alerts"], found["retrains"])
    print("| checks | significant | drifted | alerts | retrains | budget (1 % of the checks) |")
    print(f"| {' | '.join(map(str, row))} | {checks * DRIFT.alpha:g} |")
    print(f"{per_check * 1000:.0f} ms a check")


def play(checks: int, rng: np.random.Generator) -> dict[str, int]:
    """Counts of what so many checks led to."""
    counts = dict.fromkeys(("significant", "drifted", "alerts", "retrains"), 0)
    champion, past = 1, list[Check]()
    state: dict[str, Any] = {}
    baseline = Profile.of(_table(rng, REFERENCE))
    for number in range(checks):
        batch = Profile.of(_table(rng, BATCH), like=baseline)
        report = detect_drift(baseline, batch, DRIFT, state, label="y")
        state = report.state or {}
        now = START + timedelta(hours=number)
        evidence = _evidence(report, champion, past)
        decision = decide(evidence, POLICY, now)
        past = [check_of(evidence, decision, str(number), now), *past][: POLICY.of_checks]
        counts["significant"] += report.significant
        counts["drifted"] += report.drifted
        counts["alerts"] += decision.action == "alert"
        if decision.action == "retrain":
            counts["retrains"] += 1
            champion, state = champion + 1, {}
            baseline = Profile.of(_table(rng, REFERENCE))
    return counts


def _table(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    return {
        "normal": rng.normal(size=rows),
        "skewed": rng.lognormal(size=rows),
        "count": rng.poisson(2, rows).astype(float),
        "level": rng.choice(list("abcde"), rows, p=[0.4, 0.3, 0.15, 0.1, 0.05]),
        "y": rng.choice(["no", "yes"], rows, p=[0.7, 0.3]),
    }


def _evidence(report: DriftReport, champion: int, past: list[Check]) -> Evidence:
    found = strengths(report.kinds, report, report, (), DRIFT)
    drift = DriftSummary(
        compared=True,
        drifted=report.drifted,
        kinds=report.kinds,
        columns=report.drifted_columns,
        score=report.score,
        summary=report.summary,
        findings=found,
    )
    data = DataSummary(valid=True, rows=BATCH, labelled_rows=BATCH, reasons=())
    return Evidence(champion=champion, trigger=TRIGGER, data=data, drift=drift, checks=tuple(past))


if __name__ == "__main__":
    main()
