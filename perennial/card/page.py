"""The card as one HTML file that needs nothing else, in the looks of the report."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from perennial.card.contract import ModelCard, Scored
from perennial.report.svg import picture, tag
from perennial.report.words import figure

_FOLDERS = [Path(__file__).parent, Path(__file__).parent.parent / "report"]
_WIDTH, _HEIGHT, _EDGE = 220.0, 18.0, 6.0


@dataclass(frozen=True)
class Standing:
    """What became known after the training: status, cost in words, what became of it."""

    status: str
    cost: str


def render(card: ModelCard, standing: Standing) -> str:
    """The whole card as HTML."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDERS),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"figure": figure, "between": between}
    overall, primary = card.quantitative_analyses.overall, card.metrics.primary
    slices = [
        (part, name)
        for part in card.quantitative_analyses.slices
        if (name := _of_slice(part.metrics, primary))
    ]
    scores = [overall[name] for name in (primary, "accuracy") if name in overall]
    scores += [part.metrics[name] for part, name in slices]
    scale = _scale(scores)
    return environment.get_template("card.html.j2").render(
        card=card,
        standing=standing,
        overall=overall,
        primary=primary,
        whole=overall.get(primary),
        rows=[
            (part, name, _interval(part.metrics[name], overall.get(name), scale, f"slice-{number}"))
            for number, (part, name) in enumerate(slices)
        ],
        importances=sorted(card.quantitative_analyses.importances.items(), key=lambda item: -item[1])[:20],
    )


def between(score: Scored) -> str:
    """An interval in words.

    >>> between(Scored(value=0.5, low=0.4, high=0.6)), between(Scored(value=0.5))
    ('0.4 to 0.6', 'not known')
    """
    if score.low is None or score.high is None:
        return "not known"
    return f"{figure(score.low)} to {figure(score.high)}"


def _of_slice(metrics: dict[str, Scored], primary: str) -> str:
    """The primary metric; of a class of the label there is accuracy alone."""
    return primary if primary in metrics else next(iter(metrics), "")


def _scale(scores: list[Scored]) -> tuple[float, float]:
    ends = [end for score in scores for end in (score.low, score.high, score.value) if end is not None]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    return low, high if high > low else low + 1


def _interval(score: Scored, whole: Scored | None, scale: tuple[float, float], name: str) -> Markup:
    """The slice as a dot with its interval; the value on all rows as a line."""

    def x(value: float) -> float:
        return _EDGE + (value - scale[0]) / (scale[1] - scale[0]) * (_WIDTH - 2 * _EDGE)

    drawn, middle = [], _HEIGHT / 2
    if whole is not None:
        at = x(min(max(whole.value, scale[0]), scale[1]))
        drawn.append(tag("line", x1=at, x2=at, y1=0.0, y2=_HEIGHT, class_="whole"))
    if score.low is not None and score.high is not None:
        drawn.append(tag("line", x1=x(score.low), x2=x(score.high), y1=middle, y2=middle, class_="interval"))
    drawn.append(tag("circle", cx=x(score.value), cy=middle, r=4.0, class_="here"))
    title = f"{figure(score.value)}, {between(score)}"
    svg = picture(_WIDTH, _HEIGHT, *drawn, name=name, title=title, class_="chart")
    return Markup(svg)  # noqa: S704 - our own SVG, its texts escaped
