"""The page says everything, needs nothing, and lets nothing through."""

import re
from collections import Counter
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Literal

import pytest
from pydantic import ValidationError

from perennial.contracts.canary import ServingCounts
from perennial.report import comparison, distributions, timeline
from perennial.report.page import render
from perennial.report.views import CanaryStepView, ColumnView, EvaluationView, StoryView
from tests.unit.report_sample import SPECIAL, START, columns, evaluation, number_column, story

pytestmark = pytest.mark.unit
STORY = story()
PAGE = render(STORY)
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Collects text, identifiers and tags, and checks that what is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.labelled: list[str] = []
        self.tags: Counter[str] = Counter()
        self.said: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids[value or ""] += 1
            if key == "href":
                self.links.append(value or "")
            if key == "aria-labelledby":
                self.labelled.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


READ = Reader(PAGE)
TEXT = re.sub(r"\s+", " ", " ".join(READ.said))


def test_the_page_is_well_formed_and_its_names_are_unique() -> None:
    assert READ.open == []
    assert [name for name, count in READ.ids.items() if count > 1] == []
    assert {link.removeprefix("#") for link in READ.links} <= set(READ.ids)
    assert set(READ.labelled) <= set(READ.ids)


def test_the_page_needs_nothing_else() -> None:
    assert re.findall(r"(?:https?:)?//[\w.]+", PAGE.replace("http://www.w3.org/2000/svg", "")) == []
    assert not READ.tags.keys() & {"link", "img", "iframe", "object", "embed"}
    assert "@import" not in PAGE
    assert "url(" not in PAGE
    assert len(PAGE.encode()) < 1_500_000


@pytest.mark.parametrize("index", range(len(STORY.runs)))
def test_every_fact_of_a_run_is_said(index: int) -> None:
    run = STORY.runs[index]
    said = [run.title, run.run, run.reason, run.trigger_text, run.drift_summary]
    for part in (run.decision, run.evaluation):
        said += [part.summary, *part.reasons] if part else []
    said += [*run.decision.alternatives] if run.decision else []
    said += [column.name for column in run.drift] + [reason for each in run.drift for reason in each.reasons]
    said += [state.name for state in run.states]
    for text in said:
        assert re.sub(r"\s+", " ", text) in TEXT


def test_versions_champion_and_stack_are_said() -> None:
    for text in (
        "version 2",
        "rolled back",
        "0.714",
        "perennial-local",
        "MiniStack 1.5.33",
        "iris",
        "none → v1",
    ):
        assert text in re.sub(r"\s+", " ", TEXT), text
    for event in STORY.events:
        assert event.text in TEXT


def test_what_is_not_as_expected_stands_first() -> None:
    assert "1 of 9 not as expected" in TEXT
    assert "Expected skipped, was failed." in TEXT
    right = STORY.model_copy(update={"runs": STORY.runs[:8]})
    assert "All as expected" in render(right)
    assert "not as expected" not in render(right)


def test_text_from_outside_is_never_markup() -> None:
    assert "<script>alert" not in PAGE
    assert "&lt;script&gt;alert" in PAGE
    assert SPECIAL in unescape(PAGE)
    nasty = '"><img src=x onerror=alert(1)>'
    column = number_column(nasty, 1, 1, 1)
    levels = ColumnView(
        name="c", kind="category", labels=(nasty, "b"), reference=(0.5, 0.5), current=(1, 0),
        drifted=True, significant=True, material=True, reasons=(nasty,),
    )  # fmt: skip
    scored = EvaluationView(summary=nasty, better=True, metrics={f"champion.{nasty}": 1.0, nasty: 2.0})
    changed = {"name": nasty, "title": nasty, "run": nasty, "drift": (column, levels), "evaluation": scored}
    page = render(
        STORY.model_copy(update={"title": nasty, "runs": (STORY.runs[2].model_copy(update=changed),)})
    )
    assert "<img" not in page
    assert Reader(page).open == []


def test_a_story_without_anything_yet() -> None:
    empty = StoryView(title="t", model="m", generated_at=START, stack="s", engine="e",
                      definition=STORY.definition, runs=())  # fmt: skip
    page = Reader(render(empty))
    assert page.open == []
    assert "Versions over time" not in " ".join(page.said)


def test_drifted_columns_come_first_and_then_the_largest_effect() -> None:
    names = [column.name for column in distributions.ordered(columns(1.6))]
    assert names == ["petal_length", "sepal_length", "species", "petal_width", "sepal_width"]


@pytest.mark.parametrize(
    "edges",
    [(float("-inf"), 1.0, 2.0, float("inf")), (0.0, 0.001, 500.0, 900.0), (1.0, 1.0, 1.0, 1.0), None],
)
def test_a_histogram_with_any_edges(edges: tuple[float, ...] | None) -> None:
    column = ColumnView(
        name="x", kind="number", labels=("a", "b", "c"), edges=edges, reference=(0.2, 0.5, 0.3),
        current=(0, 0, 1), drifted=True, significant=True, material=True,
    )  # fmt: skip
    drawn = distributions.chart(column, "x")
    assert "nan" not in drawn
    assert "inf" not in drawn
    numbers = [
        float(each) for path in re.findall(r'd="([^"]+)"', drawn) for each in re.findall(r"-?[\d.]+", path)
    ]
    assert all(0 <= each <= distributions.WIDTH for each in numbers)


@pytest.mark.parametrize(
    ("kind", "edges", "ticks"),
    [
        ("datetime", (1.7e9, 1.7e9 + 5e7, 1.7e9 + 1e8), ["2023-11-14", "2025-06-15", "2027-01-15"]),
        (
            "datetime",
            (1.7e9, 1.7e9 + 43_200, 1.7e9 + 86_400),
            ["14 Nov 22:13", "15 Nov 10:13", "15 Nov 22:13"],
        ),
        ("datetime", (-1e15, 0.0, 1e15), ["-1e+15", "0", "1e+15"]),
        ("number", (1.7e9, 1.7e9 + 50, 1.7e9 + 100), ["1700000000", "1700000050", "1700000100"]),
        ("number", (-0.5, 0.25, 1.0), ["-0.5", "0.25", "1"]),
        ("number", (0.0, 5e-324, 1.0), ["0", "4.94e-324", "1"]),
    ],
)
def test_ticks_tell_the_ends_apart(
    kind: Literal["number", "datetime"], edges: tuple[float, ...], ticks: list[str]
) -> None:
    column = ColumnView(
        name="x", kind=kind, labels=("a", "b"), edges=edges, reference=(0.5, 0.5),
        current=(0, 1), drifted=False, significant=False, material=False,
    )  # fmt: skip
    assert re.findall(r'class="tick"[^>]*>([^<%]+)<', distributions.chart(column, "x"))[: len(ticks)] == ticks


def test_bins_of_different_widths_are_drawn_as_densities() -> None:
    column = ColumnView(
        name="x", kind="number", labels=("a", "b"), edges=(0, 1, 3), reference=(0.5, 0.5), current=(0.5, 0.5),
        drifted=False, significant=False, material=False,
    )  # fmt: skip
    path = re.search(r'd="M([^"]+)Z"', distributions.chart(column, "x"))
    assert path
    ys = [float(pair.split()[1]) for pair in path[1].split("L")]
    floor = distributions.HEIGHT - distributions.BOTTOM
    assert (floor - ys[1]) / (floor - ys[3]) == pytest.approx(2, rel=0.02)


def test_many_levels_are_gathered() -> None:
    labels = tuple(f"level {i}" for i in range(30))
    column = ColumnView(
        name="x", kind="category", labels=labels, reference=(1 / 30,) * 30, current=(1 / 30,) * 30,
        drifted=False, significant=False, material=False,
    )  # fmt: skip
    assert "23 others: 76.7%" in distributions.chart(column, "x")


def test_shares_must_match_their_labels() -> None:
    given = number_column("x", 0, 1, 0).model_dump()
    with pytest.raises(ValidationError, match="differ in length"):
        ColumnView(**given | {"current": (1.0,)})
    with pytest.raises(ValidationError, match="need 13 edges"):
        ColumnView(**given | {"edges": (1.0, 2.0)})


def test_metrics_are_paired_by_rows() -> None:
    found = comparison.pairs(evaluation(0.8, 0.9, True))
    assert (found[0].metric, found[0].rows) == ("accuracy", "all rows")
    assert (found[1].rows, found[1].champion, found[1].challenger) == ("rows known before", 0.92, 0.89)
    assert comparison.others(evaluation(0.8, 0.9, True)) == {"p_value": 0.003, "rows": 58}
    assert "+0.100" in comparison.chart(evaluation(0.8, 0.9, True), "c")


def test_metrics_outside_zero_and_one_get_their_own_scale() -> None:
    scored = EvaluationView(
        summary="s", better=False, metrics={"champion.mae": 120.0, "challenger.mae": 80.0}
    )
    xs = [float(x) for x in re.findall(r'(?:cx="|translate\()([\d.]+)', comparison.chart(scored, "c"))]
    assert all(comparison.LEFT <= x <= comparison.WIDTH - comparison.RIGHT for x in xs)
    assert xs[0] > xs[1]
    assert comparison.chart(EvaluationView(summary="s", better=False), "c") == ""


def test_less_of_an_error_measure_is_better() -> None:
    def link(metric: str, champion: float, challenger: float) -> str:
        metrics = {f"champion.{metric}": champion, f"challenger.{metric}": challenger}
        return comparison.chart(EvaluationView(summary="s", better=True, metrics=metrics), "c")

    assert "link up" in link("log_loss", 0.9, 0.1)
    assert "link down" in link("mae", 1, 2)
    assert "link down" in link("accuracy", 0.9, 0.1)


def test_the_time_line_is_true_to_scale() -> None:
    drawn = timeline.chart(STORY, "t")
    widths = [float(w) for w in re.findall(r'width="([\d.]+)" height="14"', drawn)]
    assert widths[0] / widths[1] == pytest.approx(28 / 38, rel=0.02)
    assert drawn.count('class="served"') == 4
    assert 'class="end rejected"' in drawn
    assert 'class="end rolled_back"' in drawn
    later = STORY.model_copy(update={"runs": (), "events": (), "versions": STORY.versions[:1]})
    assert timeline.chart(later, "t").count("version 1") >= 2


def test_the_champion_is_the_one_after_the_last_run() -> None:
    assert STORY.champion == 2
    assert STORY.model_copy(update={"runs": STORY.runs[:1]}).champion == 1
    assert STORY.model_copy(update={"runs": ()}).champion is None


def test_every_gate_stands_with_its_verdict_and_numbers() -> None:
    assert "Gates: 2 of 2 passed" in TEXT
    assert "Gates: 1 of 2 passed" in TEXT
    assert "slices passed" in TEXT
    assert "better not passed" in TEXT
    assert "champion 0.5 gain 0.1 p value 0.003" in TEXT
    assert "naive answer 0.5 gain 0.1" in TEXT
    assert "95 % interval of the gain 0.0216 to 0.178" in TEXT
    assert "Beside the gates" in TEXT
    assert "Archived version 1 has accuracy 0.9." in TEXT


def test_the_way_from_challenger_to_champion_is_told() -> None:
    assert TEXT.count("From challenger to champion") == 3  # two promotions, and one that was taken back
    assert "approved by ada: checked" in TEXT
    assert "version 2 serves" in TEXT
    assert "then it was taken back" in TEXT


def test_a_canary_is_shown_step_by_step() -> None:
    step = CanaryStepView(
        share=25,
        began_at=START,
        looked_at=START + timedelta(minutes=3),
        champion=ServingCounts(requests=1750, errors=17),
        canary=ServingCounts(requests=250, errors=90),
        e_value=54.6,
        bound=20.0,
        verdict="worse than the champion: taken back",
    )
    first = STORY.runs[0].model_copy(update={"canary": (step,)})
    page = Reader(render(STORY.model_copy(update={"runs": (first,)})))
    text = re.sub(r"\s+", " ", " ".join(page.said))
    for said in ("25 %", "90 of 250", "17 of 1,750", "54.6", "worse than the champion: taken back"):
        assert said in text, said
    assert "Errors of the canary" not in TEXT  # where there was none
