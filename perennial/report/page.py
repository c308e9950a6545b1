"""The page: one HTML file that needs nothing else, neither network nor scripts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from perennial.report import comparison, distributions, graph, leanings, performance, timeline
from perennial.report import life as version_life
from perennial.report.comparison import Pair
from perennial.report.findings import PointView
from perennial.report.views import ColumnView, EvaluationView, RunView, StoryView
from perennial.report.words import OUTCOMES, STARTED, TRIGGERS, chance, figure, seconds

MOST_PICTURES = 24


@dataclass(frozen=True)
class Picture:
    """A column with its chart."""

    column: ColumnView
    chart: Markup


@dataclass(frozen=True)
class Section:
    """A run with everything drawn about it; `rest` are columns beyond those that are drawn."""

    number: int
    run: RunView
    graph: Markup
    columns: list[Picture]
    rest: list[ColumnView]
    answers: list[Picture]
    comparison: Markup
    pairs: list[Pair]
    others: dict[str, float]
    performance: Markup
    life: Markup
    evidence: Markup
    leanings: Markup


def render(story: StoryView) -> str:
    """The whole page as HTML. Raises ValueError where the story's definition is no state machine."""
    drawing = graph.lay_out(story.definition)
    sections = [_section(drawing, story, i) for i in range(1, len(story.runs) + 1)]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"seconds": seconds, "figure": figure, "chance": chance}
    return environment.get_template("page.html.j2").render(
        story=story,
        sections=sections,
        timeline=_markup(timeline.chart(story, "versions-over-time")),
        outcomes=OUTCOMES,
        triggers=TRIGGERS,
        started=STARTED,
        shown=_most_telling(story.runs),
        counts=Counter(run.outcome for run in story.runs),
        serving=next((v for v in story.versions if v.version == story.champion), None),
        unexpected=[section for section in sections if not section.run.as_expected],
        total=sum(run.seconds for run in story.runs),
    )


def _most_telling(runs: tuple[RunView, ...]) -> int:
    """The number of the run that is opened at first: one with drift and a comparison, if there is one."""
    return next((i for i, run in enumerate(runs, start=1) if run.drift and run.evaluation), 1)


def _section(drawing: graph.Drawing, story: StoryView, number: int) -> Section:
    run = story.runs[number - 1]
    features = distributions.ordered(tuple(column for column in run.drift if column.role == "feature"))
    labels = [column for column in run.drift if column.role == "label"]
    life, found = _life(story, number), run.findings
    return Section(
        number=number,
        run=run,
        graph=_markup(graph.draw(drawing, run, f"graph-{number}")),
        columns=_pictures(features[:MOST_PICTURES], f"column-{number}"),
        rest=features[MOST_PICTURES:],
        answers=_pictures([*labels, *run.answers], f"answer-{number}"),
        comparison=_evaluated(run.evaluation, number),
        pairs=comparison.pairs(run.evaluation) if run.evaluation else [],
        others=comparison.others(run.evaluation) if run.evaluation else {},
        performance=_markup(performance.chart(found.performance, f"performance-{number}"))
        if found and found.performance
        else Markup(""),
        life=_markup(version_life.performance_chart(life, f"life-{number}")),
        evidence=_markup(version_life.evidence_chart(life, f"evidence-{number}"))
        if found and found.accumulated
        else Markup(""),
        leanings=_markup(leanings.chart(found.leanings, f"leanings-{number}")) if found else Markup(""),
    )


def _life(story: StoryView, number: int) -> list[PointView]:
    """What earlier runs and this one say of the champion that this one found in place."""
    here = story.runs[number - 1].point
    if here is None:
        return []
    points = [each.point for each in story.past] + [run.point for run in story.runs[:number]]
    return [point for point in points if point and point.champion == here.champion]


def _pictures(columns: Sequence[ColumnView], name: str) -> list[Picture]:
    return [
        Picture(column, _markup(distributions.chart(column, f"{name}-{i}")))
        for i, column in enumerate(columns)
    ]


def _evaluated(evaluation: EvaluationView | None, number: int) -> Markup:
    return _markup(comparison.chart(evaluation, f"comparison-{number}") if evaluation else "")


def _markup(drawn: str) -> Markup:
    """Our own SVG, whose texts `perennial.report.svg` has escaped."""
    return Markup(drawn)  # noqa: S704
