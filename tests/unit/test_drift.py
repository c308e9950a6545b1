"""The verdict: quiet without drift, awake with it, at small and at large numbers of rows."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris

import perennial
from perennial.config import DriftPolicy
from perennial.drift import DriftReport, compare_performance, detect_drift
from perennial.errors import MissingColumn, ProfileMismatch
from perennial.profile import Profile

BUNCH = load_iris()
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
IRIS = pd.DataFrame(BUNCH.data, columns=NAMES).assign(species=np.array(BUNCH.target_names)[BUNCH.target])


def resample(rows: int, seed: int, frame: pd.DataFrame = IRIS) -> pd.DataFrame:
    """Rows drawn with replacement, with a little measurement error."""
    rng = np.random.default_rng(seed)
    drawn = frame.iloc[rng.integers(0, len(frame), rows)].reset_index(drop=True)
    drawn[NAMES] += rng.normal(0, 0.02, (rows, 4))
    return drawn


def check(current: pd.DataFrame, **options: Any) -> DriftReport:
    return detect_drift(BASELINE, Profile.of(current, like=BASELINE), label="species", **options)


BASELINE = Profile.of(IRIS.sample(105, random_state=0))


@pytest.mark.parametrize("rows", [60, 150])
def test_small_batches_raise_no_false_alarms(rows: int) -> None:
    rng = np.random.default_rng(rows)
    alarms = 0
    for _ in range(100):
        order = rng.permutation(len(IRIS))
        baseline = Profile.of(IRIS.iloc[order[:105]])
        current = Profile.of(resample(rows, int(rng.integers(1 << 30))), like=baseline)
        alarms += detect_drift(baseline, current, label="species").significant
    assert alarms <= 3


def test_false_alarms_stay_below_alpha_for_many_columns_and_rows() -> None:
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(200):
        rows = {f"x{i}": rng.normal(size=600) for i in range(8)} | {"c": rng.integers(0, 5, 600).astype(str)}
        rows |= {"gaps": np.where(rng.random(600) < 0.05, np.nan, rng.normal(size=600))}
        baseline = Profile.of({name: values[:400] for name, values in rows.items()})
        current = Profile.of({name: values[400:] for name, values in rows.items()}, like=baseline)
        alarms += detect_drift(baseline, current, DriftPolicy(alpha=0.05)).significant
    assert alarms <= 18  # 10 expected at most; more than 18 of 200 has probability 0.4 %


@pytest.mark.parametrize("rows", [60, 90, 150])
def test_another_season_is_found(rows: int) -> None:
    for seed in range(10):
        report = check(resample(rows, seed).assign(petal_length=lambda rows: rows["petal_length"] * 1.5))
        assert report.drifted
        assert report.kinds == ("data",)
        assert report.drifted_columns[0] == "petal_length"
        assert "petal_length" in report.summary
        assert report.score == report.columns["petal_length"].statistics["psi_corrected"]


def test_label_drift_is_told_apart() -> None:
    current = resample(120, 1)
    setosa = current[current["species"] == "setosa"]
    report = check(current.assign(species="setosa"))
    assert report.kinds == ("label",)
    assert report.columns["species"].role == "label"
    assert "the label drifted" in report.summary
    assert check(setosa).kinds == ("data", "label")
    assert detect_drift(BASELINE, setosa, columns=["sepal_width"]).columns.keys() == {"sepal_width"}


def test_new_levels_and_missing_values_drift() -> None:
    current = resample(90, 2)
    renamed = check(current.assign(species=current["species"].replace("setosa", "tulip")))
    assert renamed.kinds == ("label",)
    assert "tulip" in renamed.columns["species"].reasons[0]
    gaps = current.copy()
    gaps.loc[:29, "sepal_width"] = np.nan
    column = check(gaps).columns["sepal_width"]
    assert column.drifted
    assert column.reasons[0].startswith("missing values 0% → 33%")


def test_performance_is_concept_drift() -> None:
    true = np.array(["a", "b"] * 45)
    wrong = np.where(np.arange(90) < 30, "c", true)
    change = compare_performance("classification", reference=(true, true), current=(true, wrong))
    report = check(resample(90, 3), performance=change)
    assert report.kinds == ("concept",)
    assert report.drifted
    assert report.performance_drifted
    assert report.summary.startswith("performance fell (accuracy 1 on 90 holdout rows, 0.667 on 90 new ones)")
    small = compare_performance("classification", reference=(true, true), current=(true, true))
    assert not check(resample(90, 3), performance=small).drifted


@pytest.mark.parametrize(("rows", "significant"), [(500, False), (200_000, True)])
def test_a_shift_too_small_to_matter_is_no_drift_at_any_size(rows: int, significant: bool) -> None:
    rng = np.random.default_rng(rows)
    baseline = Profile.of({"x": rng.normal(size=rows), "c": rng.integers(0, 2, rows).astype(str)})
    current = {"x": rng.normal(0.05, 1, rows), "c": (rng.random(rows) < 0.52).astype(int).astype(str)}
    report = detect_drift(baseline, current)
    assert not report.drifted
    assert not report.material
    assert report.significant == significant
    assert ("too small" in report.summary) == significant


@pytest.mark.parametrize("rows", [500, 20_000])
def test_a_large_shift_is_drift_at_any_size(rows: int) -> None:
    rng = np.random.default_rng(rows)
    report = detect_drift({"x": rng.normal(size=rows)}, {"x": rng.normal(0.5, 1, rows)})
    assert report.drifted
    assert report.columns["x"].effect == pytest.approx(0.5, abs=0.15)


def test_identical_data_never_drift() -> None:
    report = detect_drift(IRIS, IRIS)
    assert not report.drifted
    assert not report.significant
    assert report.score == 0
    for column in report.columns.values():
        assert (column.effect, column.adjusted_p_value) == (0, 1)


def test_time_that_moves_on_is_no_drift() -> None:
    days = pd.date_range("2026-01-01", periods=200)
    report = detect_drift(pd.DataFrame({"at": days[:100]}), pd.DataFrame({"at": days[100:]}))
    assert not report.significant
    assert report.columns["at"].p_value is None


def test_columns_without_values_are_no_evidence() -> None:
    empty = pd.DataFrame({"x": [np.nan] * 5, "c": [None] * 5})
    report = detect_drift(empty, empty)
    assert not report.significant
    assert json.dumps(report.to_dict(), allow_nan=False)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ProfileMismatch, match="'sepal_length' was binned differently"):
        detect_drift(BASELINE, Profile.of(resample(50, 1)))
    with pytest.raises(MissingColumn, match="'colour'"):
        detect_drift(BASELINE, IRIS, columns=["colour"])
    with pytest.raises(MissingColumn, match="no column 'specie'"):
        detect_drift(BASELINE, IRIS, label="specie")


def test_one_column_may_be_named_as_such() -> None:
    assert list(detect_drift(BASELINE, IRIS, columns="species").columns) == ["species"]


@pytest.mark.parametrize("importance", [float("nan"), float("inf")])
def test_an_importance_that_is_no_number_is_none(importance: float) -> None:
    report = detect_drift(BASELINE, IRIS, importances={"petal_width": importance, "petal_length": 1.0})
    assert {column.weight for column in report.columns.values()} == {1.0}


def test_a_schema_that_changed_is_drift_of_its_own_kind() -> None:
    current = IRIS.rename(columns={"petal_width": "petal_width_cm"}).assign(sepal_width="wide", colour=1.0)
    report = detect_drift(IRIS, current)
    assert report.drifted
    assert report.kinds == ("schema",)
    assert report.schema.removed == ("petal_width",)
    assert report.schema.retyped == ("sepal_width",)
    assert report.schema.renamed == (("petal_width", "petal_width_cm"),)
    assert report.columns.keys() == {"sepal_length", "petal_length", "species"}
    assert "petal_width" in report.reasons[0]
    assert detect_drift(IRIS, IRIS[IRIS.columns[::-1]]).schema.reordered
    assert not detect_drift(IRIS, IRIS.assign(colour=1.0)).drifted


def test_the_report_is_json_with_what_a_picture_needs() -> None:
    report = check(resample(90, 4).assign(petal_width=9.0))
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told["drifted_columns"] == ["petal_width"]
    assert told["columns"]["petal_width"]["reasons"]
    for name in NAMES:
        drawn = told["columns"][name]["histogram"]
        assert len(drawn["edges"]) == len(drawn["reference"]) + 1 == len(drawn["current"]) + 1 <= 25
        assert drawn["edges"] == sorted(drawn["edges"])
        assert sum(drawn["reference"]) == pytest.approx(1, abs=0.01)
        assert sum(drawn["current"]) == pytest.approx(1, abs=0.01)
    drawn = told["columns"]["species"]["histogram"]
    assert drawn["levels"] == ["setosa", "versicolor", "virginica"]
    assert sum(drawn["current"]) == pytest.approx(1, abs=1e-5)


def test_many_levels_are_drawn_as_few() -> None:
    rng = np.random.default_rng(5)
    data = {"c": rng.integers(0, 900, 9000).astype(str)}
    drawn = detect_drift(data, data).columns["c"].histogram
    assert len(drawn["levels"]) == 24
    assert drawn["levels"][-1] == "other levels"
    assert sum(drawn["reference"]) == pytest.approx(1, abs=1e-4)


def test_tables_of_every_kind_give_one_verdict() -> None:
    current = resample(80, 6).assign(sepal_length=lambda rows: rows["sepal_length"] + 1)
    tables: list[Any] = [current, {name: current[name].to_numpy() for name in current}]
    tables.append(pa.table({name: pa.array(current[name].tolist()) for name in current}))
    reports = [detect_drift(IRIS, table) for table in tables]
    assert reports[0].drifted
    assert reports[0] == reports[1] == reports[2]


values = st.lists(st.floats(-1e9, 1e9) | st.just(float("nan")), min_size=1, max_size=40)


@settings(max_examples=60)
@given(values, values, st.integers(0, 10**6))
@example([0.0, 2.4e-141], [0.0], 0)
@example([0.0, -549041497.0, -41940158.0, 883420395.0147611, 62.0, 450786355.5], [63.0, 985117739.0], 2)
def test_neither_row_order_nor_unit_changes_the_verdict(
    first: list[float], second: list[float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.array(first), np.array(second)
    report = detect_drift({"x": a}, {"x": b})
    shuffled = detect_drift({"x": rng.permutation(a)}, {"x": rng.permutation(b)})
    scaled = detect_drift({"x": a * 4}, {"x": b * 4})
    for other in (shuffled, scaled):
        assert other.columns["x"].p_value == report.columns["x"].p_value
        assert other.columns["x"].effect == pytest.approx(report.columns["x"].effect, rel=1e-9)
        assert other.drifted == report.drifted
    json.dumps(report.to_dict(), allow_nan=False)


def test_the_package_offers_what_its_page_says() -> None:
    assert perennial.detect_drift is detect_drift
    assert perennial.Profile is Profile
    assert perennial.DriftReport is DriftReport
    with pytest.raises(AttributeError, match="nothing"):
        perennial.nothing  # noqa: B018
