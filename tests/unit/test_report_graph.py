"""The state graph: every state has its place, nothing lies on anything else, the path is marked."""

from itertools import combinations, pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial.report import graph
from perennial.report.layout import LANE, place
from perennial.report.svg import Point
from perennial.report.workflow import read_workflow
from tests.unit.report_sample import DEFINITION, START, run, states, story

pytestmark = pytest.mark.unit
DRAWING = graph.lay_out(DEFINITION)


def parsed(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)  # noqa: S314 - our own


def classes(drawn: str, tag: str) -> list[str]:
    return [element.get("class", "") for element in parsed(drawn).iter(tag)]


def crosses(a: Point, b: Point, box: graph.Box) -> bool:
    """Whether a horizontal or vertical line passes through the inside of a box."""
    (x0, x1), (y0, y1) = sorted((a[0], b[0])), sorted((a[1], b[1]))
    return x0 < box.x + box.width - 1 and x1 > box.x + 1 and y0 < box.y + box.height - 1 and y1 > box.y + 1


def test_every_state_has_a_box_on_the_page() -> None:
    assert set(DRAWING.boxes) == set(DEFINITION["States"])
    assert DRAWING.width <= 1100
    for box in DRAWING.boxes.values():
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= DRAWING.width
        assert box.y + box.height <= DRAWING.height


def test_no_two_states_overlap() -> None:
    for (one, a), (two, b) in combinations(DRAWING.boxes.items(), 2):
        beside = a.x + a.width < b.x or b.x + b.width < a.x
        above = a.y + a.height < b.y or b.y + b.height < a.y
        assert beside or above, f"{one} lies on {two}"


def test_every_way_without_an_error_is_drawn_and_crosses_no_other_state() -> None:
    wanted = {(s.source, s.target) for s in DRAWING.workflow.transitions if s.kind != "catch"}
    assert set(DRAWING.lines) == wanted
    for (source, target), line in DRAWING.lines.items():
        for a, b in pairwise(line):
            assert a[0] == b[0] or a[1] == b[1], "lines run along the axes"
            for name, box in DRAWING.boxes.items():
                assert name in (source, target) or not crosses(a, b, box), (
                    f"{source} > {target} runs over {name}"
                )


CATCHES = [(s.source, s.target) for s in DRAWING.workflow.transitions if s.kind == "catch"]
CATCHES = [edge for edge in CATCHES if edge not in DRAWING.lines]  # drawn already


@pytest.mark.parametrize(("source", "target"), CATCHES)
def test_a_caught_error_leads_to_its_handler_and_crosses_no_state(source: str, target: str) -> None:
    seen = run(0).model_copy(
        update={"path": (source, target), "states": states([source, target], START, source)}
    )
    lines = DRAWING.lines | graph._caught(DRAWING, seen)
    line = lines[source, target]
    assert line[-1] == (DRAWING.boxes[target].middle, DRAWING.boxes[target].y)
    for a, b in pairwise(line):
        for name, box in DRAWING.boxes.items():
            assert not crosses(a, b, box), f"the error of {source} runs over {name}"


def test_errors_lead_to_the_lane_on_the_right() -> None:
    main = max(box.x + box.width for name, box in DRAWING.boxes.items() if name not in DRAWING.failure)
    assert DRAWING.failure[0] == "Handle Failure"
    assert all(DRAWING.boxes[name].x > main for name in DRAWING.failure)


def test_waiting_is_a_loop_and_all_other_ways_lead_down() -> None:
    up = {edge for edge, line in DRAWING.lines.items() if line[-1][1] <= line[0][1]}
    assert up == {
        ("Collect Uploads", "Resolve Trigger"),
        ("Champion Healthy?", "Bake"),
        ("Await Approval", "Ask For Approval"),
        ("Let Trainer Leave", "Look For Trainer"),
        ("Let Canary Serve", "Try Canary"),
    }


@pytest.mark.parametrize("index", range(9))
def test_exactly_the_path_is_marked(index: int) -> None:
    seen = run(index)
    drawn = graph.draw(DRAWING, seen, "graph")
    marks = classes(drawn, "g")
    taken = [mark for mark in marks if mark in ("edge taken", "edge failing")]
    assert len(taken) == len(set(seen.steps))
    visited = [mark for mark in marks if mark.startswith("state") and "idle" not in mark]
    assert len(visited) == len(seen.states)
    assert len([mark for mark in marks if mark.startswith("state")]) == len(DRAWING.boxes)
    assert ("graph calm" in drawn) == (seen.outcome != "failed")


def test_a_failed_run_shows_where_the_error_was_caught() -> None:
    marks = classes(graph.draw(DRAWING, run(8), "graph"), "g")
    assert marks.count("state caught") == 1
    assert marks.count("state failed aside") == 1
    assert marks.count("edge failing") == 11


def test_all_runs_share_one_layout() -> None:
    first, last = (parsed(graph.draw(DRAWING, run(i), "graph")) for i in (0, 8))
    for tag in ("rect", "polygon"):
        assert [e.attrib for e in first.iter(tag)] == [e.attrib for e in last.iter(tag)]


def test_visits_seconds_and_words_of_a_state() -> None:
    drawn = graph.draw(DRAWING, run(0), "graph")
    text = "".join(parsed(drawn).itertext())
    assert "4.0 s · 4×" in text  # noqa: RUF001
    assert "Bake: succeeded after 4.0 s" in text
    assert "Quarantine: not visited" in text


def test_a_state_the_definition_does_not_know_is_left_out() -> None:
    seen = run(0).model_copy(
        update={"path": ("Start Run", "Gone"), "states": states(["Start Run", "Gone"], START)}
    )
    assert "edge taken" not in classes(graph.draw(DRAWING, seen, "graph"), "g")


def test_labels_of_choices_are_short() -> None:
    labels = {step.target: step.label for step in DRAWING.workflow.transitions if step.source == "Retrain?"}
    assert labels == {
        "Recall Version": "recall",
        "Train On EC2": "retrain",
        "Alert": "alert",
        "Skip": "else",
    }
    assert {label.text for label in DRAWING.labels} >= {
        "valid",
        "not valid",
        "better",
        "not better",
        "no instances",
    }


@pytest.mark.parametrize(
    "definition", [{}, {"StartAt": "A"}, {"StartAt": "A", "States": {"B": {"Type": "Pass"}}}]
)
def test_what_is_no_definition_is_refused(definition: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected a state machine"):
        graph.lay_out(definition)


def test_a_machine_of_one_state() -> None:
    drawing = graph.lay_out({"StartAt": "Only", "States": {"Only": {"Type": "Succeed"}}})
    seen = run(0).model_copy(update={"path": (), "states": states(["Only"], START)})
    assert classes(graph.draw(drawing, seen, "g"), "g") == ["state succeeded"]


def test_a_comment_on_a_choice_rule_names_the_way() -> None:
    rule = {"Condition": "{% $x %}", "Comment": "still warm", "Next": "B"}
    machine = {"A": {"Type": "Choice", "Choices": [rule], "Default": "B"}, "B": {"Type": "Succeed"}}
    steps = read_workflow({"StartAt": "A", "States": machine}).transitions
    assert [step.label for step in steps] == ["still warm", "else"]


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=1, max_size=24))
@settings(max_examples=60)
def test_any_graph_is_placed_apart_and_downwards(pairs: list[tuple[int, int]]) -> None:
    edges = list(dict.fromkeys((str(a), str(b)) for a, b in [(0, pairs[0][0] or 1), *pairs]))
    placed = place("0", edges, node_width=100, gap=10)
    for row in placed.rows:
        for a, b in pairwise(row):
            widths = sum(100 if cell.role == "node" else LANE for cell in (a, b))
            assert placed.x[b] - placed.x[a] >= widths / 2 + 10 - 1e-6
    for (u, v), route in placed.routes.items():
        assert (route[0].name, route[-1].name) == (u, v)
        assert (u, v) in placed.loops or all(b.layer == a.layer + 1 for a, b in pairwise(route))


def test_the_story_is_small_enough_to_draw_nine_times() -> None:
    assert sum(len(graph.draw(DRAWING, each, "g")) for each in story().runs) < 500_000
