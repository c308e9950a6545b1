"""The page: one HTML file that needs nothing else, neither network nor scripts."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from perennial.report import comparison, distributions, graph, timeline
from perennial.report.views import ColumnView, EvaluationView, RunView, StoryView
from perennial.report.words import OUTCOMES, STARTED, TRIGGERS, figure, seconds


@dataclass(frozen=True)
class Picture:
    """A column with its chart."""

    column: ColumnView
    chart: Markup


@dataclass(frozen=True)
class Section:
    """A run with everything drawn about it."""

    number: int
    run: RunView
    graph: Markup
    columns: list[Picture]
    comparison: Markup
    others: dict[str, float]


def render(story: StoryView) -> str:
    """The whole page as HTML. Raises ValueError where the story's definition is no state machine."""
    drawing = graph.lay_out(story.definition)
    sections = [_section(drawing, run, i) for i, run in enumerate(story.runs, start=1)]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"seconds": seconds, "figure": figure}
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


def _section(drawing: graph.Drawing, run: RunView, number: int) -> Section:
    columns = distributions.ordered(run.drift)
    return Section(
        number=number,
        run=run,
        graph=_markup(graph.draw(drawing, run, f"graph-{number}")),
        columns=[
            Picture(column, _markup(distributions.chart(column, f"column-{number}-{i}")))
            for i, column in enumerate(columns)
        ],
        comparison=_evaluated(run.evaluation, number),
        others=comparison.others(run.evaluation) if run.evaluation else {},
    )


def _evaluated(evaluation: EvaluationView | None, number: int) -> Markup:
    return _markup(comparison.chart(evaluation, f"comparison-{number}") if evaluation else "")


def _markup(drawn: str) -> Markup:
    """Our own SVG, whose texts `perennial.report.svg` has escaped."""
    return Markup(drawn)  # noqa: S704
