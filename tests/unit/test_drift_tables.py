"""Drift that no single column and no single batch shows."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.config import DriftPolicy
from perennial.drift import detect_drift
from perennial.drift.directions import Direction
from perennial.drift.multivariate import compare_samples
from perennial.drift.recent import Bucket, add_batch
from perennial.drift.sequential import SequentialState, advance
from perennial.errors import ProfileMismatch
from perennial.profile import Profile
from scenarios.iris import MEASUREMENTS, first_season, season


def numbers(rng: np.random.Generator, rows: int, columns: int = 20, shift: float = 0.0) -> dict[str, Any]:
    return {f"x{i}": rng.normal(shift, 1, rows) for i in range(columns)}


@pytest.mark.parametrize("importance", [1.0, 0.0])
def test_what_the_model_leans_on_weighs_more(importance: float) -> None:
    rng = np.random.default_rng(0)
    before, now = numbers(rng, 4000, 3), numbers(rng, 4000, 3)
    now["x0"] = now["x0"] + 0.3
    report = detect_drift(before, now, importances={"x0": importance, "x1": 0.5, "x2": 0.5})
    assert report.columns["x0"].significant
    assert report.drifted == bool(importance)


@pytest.mark.parametrize("rows", [2_000, 1_000_000])
@pytest.mark.parametrize(("shift", "drifted"), [(0.05, False), (0.25, True)])
def test_materiality_does_not_depend_on_the_rows(rows: int, shift: float, drifted: bool) -> None:
    rng = np.random.default_rng(rows)
    report = detect_drift({"x": rng.normal(size=rows)}, {"x": rng.normal(shift, 1, rows)})
    assert report.drifted == drifted
    assert report.material == drifted
    assert report.significant == (drifted or rows == 1_000_000)


@pytest.mark.parametrize("shape", ["normal", "lognormal", "counts"])
def test_harmless_shifts_of_all_columns_are_not_material_by_accident(shape: str) -> None:
    rng = np.random.default_rng(17)
    draw: dict[str, Any] = {
        "normal": lambda shift: rng.normal(shift, 1, 700),
        "lognormal": lambda shift: rng.lognormal(size=700) + 2.16 * shift,
        "counts": lambda shift: rng.poisson(1 + shift, 700).astype(float),
    }
    material = found = 0
    for _ in range(40):
        before, harmless, now = ({f"x{i}": draw[shape](s) for i in range(10)} for s in (0.0, 0.05, 0.0))
        material += detect_drift(before, harmless).material
        found += detect_drift(before, {**now, "x3": draw[shape](0.4)}).drifted
    assert material <= 2  # 0.4 expected at most; more than 2 of 40 has probability 0.8 %
    assert found >= 38


def test_many_small_shifts_show_together() -> None:
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(20):
        report = detect_drift(numbers(rng, 1000), numbers(rng, 1000, shift=0.08))
        (together, *_) = report.tables
        found += together.significant
        assert not together.material
    assert found >= 15


def test_a_changed_correlation_is_named() -> None:
    rng = np.random.default_rng(3)
    before, now = numbers(rng, 1500, 4), numbers(rng, 800, 4)
    now["x2"] = (now["x1"] + now["x2"]) / np.sqrt(2)
    report = detect_drift(before, now)
    assert report.drifted
    assert not report.drifted_columns
    assert "correlation of x1 and x2" in report.summary
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_classifier_sees_what_columns_and_correlations_do_not() -> None:
    rng = np.random.default_rng(4)
    before = pd.DataFrame(numbers(rng, 900, 3)).assign(c=rng.choice(["a", "b"], 900))
    now = pd.DataFrame(numbers(rng, 900, 3)).assign(c=rng.choice(["a", "b"], 900))
    now["x1"] = np.abs(now["x1"]) * np.where(np.abs(now["x0"]) > 0.67, 1, -1)
    change = compare_samples(before, now, seed=0)
    assert change is not None
    assert change.p_value < 1e-6
    report = detect_drift(before, now, multivariate=change)
    assert report.drifted
    assert "AUC" in report.summary
    assert compare_samples(before[:40], now, seed=0) is None


def test_the_classifiers_null_distribution_holds() -> None:
    rng = np.random.default_rng(5)
    found = [
        change.p_value
        for _ in range(12)
        if (
            change := compare_samples(
                pd.DataFrame(numbers(rng, 120, 3)), pd.DataFrame(numbers(rng, 120, 3)), seed=1
            )
        )
    ]
    assert np.mean(np.array(found) < 0.1) <= 0.5  # 1 expected; more than 6 of 12 has probability 0.005 %


@pytest.mark.parametrize("case", ["fewer decimals", "decimals as they come", "copies", "resampled", "levels"])
def test_equal_rows_and_other_decimals_are_no_drift(case: str) -> None:
    found = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        if case == "levels":
            before, now = (
                pd.DataFrame(rng.poisson(1, (rows, 3)), columns=list("abc")) for rows in (200, 100)
            )
        else:
            flowers, later = first_season()[MEASUREMENTS], season("later", rows=150, seed=seed)[MEASUREMENTS]
            both = pd.concat([flowers, season("next", rows=150, seed=seed + 100)[MEASUREMENTS]])
            before, now = {
                "fewer decimals": (flowers, later),
                "decimals as they come": (both, later),
                "copies": (both, pd.concat([later[:50]] * 3)),
                "resampled": tuple(flowers.sample(150, replace=True, random_state=seed + n) for n in (0, 50)),
            }[case]
        change = compare_samples(before, now, seed=seed)
        assert change is not None
        found.append(change.p_value)
    assert min(found) > 0.001
    assert np.median(found) > 0.1


def watch(seed: int, batches: int, drift: float, rows: int = 200, reference: int = 5000) -> list[Any]:
    rng = np.random.default_rng(seed)
    baseline = Profile.of(numbers(rng, reference, 5) | {"c": rng.choice(["a", "b"], reference)})
    state: dict[str, Any] = {}
    reports = []
    for batch in range(1, batches + 1):
        now = numbers(rng, rows, 5) | {"c": rng.choice(["a", "b"], rows)}
        now["x0"] = now["x0"] + drift * batch
        reports.append(detect_drift(baseline, Profile.of(now, like=baseline), state=state))
        state = json.loads(json.dumps(reports[-1].state, allow_nan=False))
    return reports


def test_few_lives_without_drift_ever_see_an_alarm() -> None:
    """400 directions, each a life of its own; the reference's error is in all batches of one."""
    rng, lives, reference, rows = np.random.default_rng(0), 400, 2000, 500
    truth = rng.normal(0, reference**-0.5, lives)
    state = SequentialState("any")
    for _ in range(25):
        seen = truth + rng.normal(0, rows**-0.5, lives)
        watched = [
            Direction("x", "mean", gap, rows, reference, 1.0, 1.0, 100, gap, 1.0) for gap in seen.tolist()
        ]
        state = advance(state, watched)
    alarms = np.sum(np.array(state.p_values) < 0.05)
    assert alarms <= 20  # Ville: at most 20 expected
    assert min(state.p_values) < 0.5  # it did look


def test_slow_drift_is_caught_as_it_accumulates() -> None:
    reports = watch(6, 14, 0.02)
    told = [report.accumulated for report in reports]
    assert [one.batches for one in told] == list(range(1, 15))
    assert told[-1].drifted
    assert told[-1].columns == ("x0",)
    assert 0.15 <= told[-1].effect <= 0.4
    assert reports[-1].drifted
    assert "data" in reports[-1].kinds
    assert not told[3].significant


def test_slow_drift_shows_in_recent_batches_before_it_does_in_one() -> None:
    first: dict[str, list[int]] = {"recent": [], "alone": []}
    for seed in range(5):
        for batch, report in enumerate(watch(20 + seed, 16, 0.02), 1):
            recent = any(test.name == "recent batches" and test.significant for test in report.tables)
            for name, alarm in (("recent", recent), ("alone", report.columns["x0"].significant)):
                if alarm and len(first[name]) <= seed:
                    first[name].append(batch)
    assert np.median(first["recent"]) < np.median(first["alone"])


def test_recent_batches_are_quiet_without_drift() -> None:
    checks = [
        test for seed in range(4) for report in watch(30 + seed, 20, 0.0, 100, 400) for test in report.tables
    ]
    recent = [test for test in checks if test.name == "recent batches"]
    assert len(recent) == 4 * 19
    assert not any(test.significant for test in recent)


@given(st.integers(1, 300))
def test_buckets_hold_every_recent_batch_once(batches: int) -> None:
    one = Direction("x", "mean", 0.5, 10.0, 100.0, 1.0, 1.0, 0.0, 0.5, 1.0)
    buckets: tuple[Bucket, ...] = ()
    for _ in range(batches):
        buckets = add_batch(buckets, [one])
    assert len(buckets) <= 10
    held = sum(bucket.batches for bucket in buckets)
    assert held == batches or held >= 30
    assert all(bucket.rows == (10.0 * bucket.batches,) for bucket in buckets)
    assert all(bucket.sums == (5.0 * bucket.batches,) for bucket in buckets)


def test_no_drift_accumulates_to_none() -> None:
    assert not any(
        report.accumulated.significant for seed in range(5) for report in watch(seed, 25, 0.0, 100, 300)
    )


def test_the_state_belongs_to_its_reference() -> None:
    report = watch(7, 3, 0.0)[-1]
    rng = np.random.default_rng(8)
    other = detect_drift(numbers(rng, 300, 5), numbers(rng, 300, 5), state=report.state)
    assert other.accumulated is not None
    assert other.accumulated.batches == 1
    assert detect_drift(numbers(rng, 300, 5), numbers(rng, 300, 5)).state is None
    assert report.state is not None
    assert SequentialState.load(report.state, report.state["reference"]).dump() == report.state
    with pytest.raises(ProfileMismatch, match="detector state"):
        SequentialState.load({**report.state, "sums": 3}, report.state["reference"])


def test_the_policy_decides() -> None:
    rng = np.random.default_rng(9)
    before, now = numbers(rng, 3000, 3), numbers(rng, 3000, 3, shift=0.25)
    assert detect_drift(before, now).drifted
    assert not detect_drift(before, now, DriftPolicy(min_effect=0.5)).drifted
