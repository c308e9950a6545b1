"""From a run's documents to what the page shows of them."""

import json
import re
from typing import Any

import pytest

from perennial.report import documents, leanings, life, performance
from perennial.report.findings import LeaningView, PointView
from perennial.report.page import render
from tests.unit.report_sample import START, drift_document, story

DRIFT = drift_document()


def point(p_value: float, *, labels: bool = True, known: bool = True) -> PointView:
    """One batch in the life of version 1."""
    drift = json.loads(json.dumps(DRIFT))
    drift["accumulated"] |= {"p_value": p_value, "drifted": p_value < 0.01}
    drift["concept"]["estimated"]["accuracy"]["known"] = known
    if not labels:
        drift["concept"]["primary"] = drift["performance"] = None
    return documents.point(drift, run="r", at=START, champion=1)


def numbers(drawn: str) -> list[float]:
    """All coordinates across."""
    return [float(x) for x in re.findall(r'(?:cx="|translate\(| x=")([-\d.]+)', drawn)]


def test_reasons_begin_with_errors_and_end_with_answers() -> None:
    found = documents.findings(DRIFT)
    assert found.reasons[0] == "the error rose suddenly, 0.066 → 0.21, from row 210 on"
    assert found.reasons[1:-1] == tuple(DRIFT["reasons"])
    assert found.reasons[-1] == "the champion answers otherwise: score drifted"
    assert found.schema_changes == ("column extra was added", "perhaps hue is now called colour")
    assert found.quality == ("column hue: 2 of 200 values are infinite; in the reference none was",)


def test_importances_are_shares_and_ranked() -> None:
    found = documents.findings(DRIFT).leanings
    assert [(each.name, round(each.reference, 2)) for each in found] == [("hue", 0.4), ("petal_length", 0.6)]
    assert sum(each.current or 0 for each in found) == pytest.approx(1)
    assert documents.findings(DRIFT | {"concept": {}}).leanings == ()


def test_performance_is_measured_estimated_or_not_known() -> None:
    found = documents.performance(DRIFT)
    assert found
    assert found.measured
    assert (found.metric, found.measured.value, found.known) == ("accuracy", 0.885, False)
    drawn = performance.chart(found, "p")
    assert "estimated?" in drawn
    assert all(0 <= x <= performance.WIDTH for x in numbers(drawn))
    assert documents.performance(DRIFT | {"concept": {"primary": None, "estimated": {}}}) is None


def test_an_interval_of_an_error_measure_has_its_own_scale() -> None:
    drift = json.loads(json.dumps(DRIFT))
    drift["concept"]["primary"] |= {"metric": "mae", "current": 120.0, "current_interval": [90.0, 150.0]}
    found = documents.performance(drift)
    assert found
    assert all(0 <= x <= performance.WIDTH for x in numbers(performance.chart(found, "p")))


def test_a_life_shows_what_each_batch_knows() -> None:
    points = [point(0.4), point(0.02, labels=False), point(1e-9, labels=False, known=True), point(1e-30)]
    drawn = life.performance_chart(points, "l")
    assert drawn.count('class="mark measured"') == 2
    assert drawn.count('class="mark estimated"') == 2
    assert life.performance_chart(points[:1], "l") == ""
    evidence = life.evidence_chart(points, "e")
    assert evidence.count('class="mark over"') == 2
    assert evidence.count('class="mark under"') == 2
    assert "nan" not in evidence + drawn
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", evidence)]
    assert all(0 <= y <= life.LOW_HEIGHT for y in heights)


def test_a_batch_that_says_nothing_of_performance_is_left_out_of_its_chart() -> None:
    unknown = point(0.5, labels=False, known=False)
    assert life.performance_chart([unknown, point(0.5)], "l") == ""
    assert life.performance_chart([point(0.5), unknown, point(0.5)], "l").count("batch ") == 2


def test_leanings_without_a_batch_have_one_bar_each() -> None:
    drawn = leanings.chart([LeaningView(name="a", reference=0.7), LeaningView(name="b", reference=0.0)], "x")
    assert drawn.count("<rect") == 2
    assert leanings.chart([], "x") == ""


def test_the_page_of_one_run_says_all_of_it() -> None:
    told = story()
    validation: dict[str, Any] = {
        "valid": False,
        "rows": 0,
        "problems": [{"rule": "type", "column": "size", "rows": 3, "message": "<b>3 of 4</b> are words"}],
        "warnings": ["column extra was left out"],
    }
    run = told.runs[2].model_copy(
        update={
            "drift": documents.columns(DRIFT),
            "answers": documents.answers(DRIFT),
            "findings": documents.findings(DRIFT),
            "data": documents.data(validation),
            "point": point(0.5),
        }
    )
    page = render(told.model_copy(update={"runs": (run,), "single": True, "events": ()}))
    for said in (
        "&lt;b&gt;3 of 4&lt;/b&gt; are words",
        "column extra was left out",
        "perhaps hue is now called colour",
        "column hue: 2 of 200 values are infinite; in the reference none was",
        "correlation of a and b moved",
        "ADWIN, Page-Hinkley agrees",
        "The ranking of the features changed (NDCG 0.800): hue rose.",
        "accuracy is not known",
        "the champion answers otherwise: score drifted",
    ):
        assert said in page, said
    assert "Run by run" not in page
    assert page.index("<strong>petal_length</strong>") < page.index("<strong>hue</strong>")


def test_columns_beyond_the_pictures_are_a_table() -> None:
    drift = json.loads(json.dumps(DRIFT))
    one = drift["columns"]["hue"]
    drift["columns"] = {f"c{i}": one | {"name": f"c{i}"} for i in range(700)}
    run = (
        story()
        .runs[2]
        .model_copy(update={"drift": documents.columns(drift), "findings": documents.findings(drift)})
    )
    page = render(story().model_copy(update={"runs": (run,), "single": True}))
    assert "676 more columns" in page
    assert "and 176 more, in drift.json" in page
    assert len(page) < 700_000
