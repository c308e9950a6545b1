"""Champion against challenger, metric by metric."""

from dataclasses import dataclass

from perennial.metric_names import HIGHER_IS_BETTER
from perennial.report import svg
from perennial.report.views import EvaluationView

WIDTH, ROW, LEFT, RIGHT, TOP = 480.0, 40.0, 150.0, 62.0, 8.0
ROWS = {"": "all rows", "known": "rows known before", "recent": "rows of this batch"}


@dataclass(frozen=True)
class Pair:
    """One metric of both; None where one was not measured."""

    metric: str
    rows: str
    champion: float | None
    challenger: float | None


def pairs(evaluation: EvaluationView) -> list[Pair]:
    """The metrics that have a champion's or a challenger's value, in the order first met."""
    keys = dict.fromkeys(key.partition(".")[2] for key in evaluation.metrics if _of(key))
    return [_pair(evaluation.metrics, key) for key in keys]


def others(evaluation: EvaluationView) -> dict[str, float]:
    """The metrics that belong to neither."""
    return {key: value for key, value in evaluation.metrics.items() if not _of(key)}


def _of(key: str) -> bool:
    return key.startswith(("champion.", "challenger."))


def _pair(metrics: dict[str, float], key: str) -> Pair:
    part, _, metric = key.rpartition(".")
    rows = ROWS.get(part, part)
    return Pair(metric, rows, metrics.get(f"champion.{key}"), metrics.get(f"challenger.{key}"))


def chart(evaluation: EvaluationView, name: str) -> str:
    """A dumbbell per metric as SVG, ring for champion, diamond for challenger; of some rows only, the first
    metric. Empty without metrics.
    """
    found = pairs(evaluation)
    if not found:
        return ""
    found = [pair for pair in found if pair.rows == ROWS[""] or pair.metric == found[0].metric]
    parts = [part for i, pair in enumerate(found) for part in _row(pair, found, TOP + ROW * (i + 0.5))]
    title = f"Champion and challenger: {evaluation.summary}"
    height = TOP + ROW * len(found) + 4
    return svg.picture(WIDTH, height, *parts, name=name, title=title, class_="chart dumbbell")


def _scale(metric: str, found: list[Pair]) -> tuple[float, float]:
    """Limits shared by one metric's rows: 0 and 1 where all lie between them."""
    mine = [pair for pair in found if pair.metric == metric]
    values = [v for pair in mine for v in (pair.champion, pair.challenger) if v is not None]
    low, high = min(values), max(values)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    room = (high - low or abs(high) or 1.0) * 0.2
    return low - room, high + room


def _row(pair: Pair, found: list[Pair], y: float) -> list[str]:
    low, high = _scale(pair.metric, found)
    span = WIDTH - LEFT - RIGHT

    def x(value: float) -> float:
        return LEFT + span * (value - low) / (high - low)

    parts = [
        svg.tag("text", svg.words(pair.metric.replace("_", " ")), x=0, y=y - 1, class_="metric"),
        svg.tag("text", svg.words(pair.rows), x=0, y=y + 12, class_="tick"),
        svg.tag("path", d=f"M{LEFT:g} {y:g}H{LEFT + span:g}", class_="axis"),
    ]
    if pair.champion is not None and pair.challenger is not None:
        gain = pair.challenger - pair.champion
        up = gain == 0 or (gain > 0) == HIGHER_IS_BETTER.get(pair.metric, True)
        better = "link up" if up else "link down"
        parts.append(
            svg.tag("path", d=f"M{x(pair.champion):.1f} {y:g}H{x(pair.challenger):.1f}", class_=better)
        )
        parts.append(svg.tag("text", f"{gain:+.3f}", x=WIDTH, y=y + 4, text_anchor="end", class_="gain"))
    if pair.champion is not None:
        parts.append(svg.tag("circle", cx=x(pair.champion), cy=y, r=5, class_="champion"))
        parts.append(_value(pair.champion, x(pair.champion), y + 17))
    if pair.challenger is not None:
        at = f"translate({x(pair.challenger):.1f} {y:g})"
        parts.append(svg.tag("path", d="M0 -6.5L6.5 0L0 6.5L-6.5 0z", transform=at, class_="challenger"))
        parts.append(_value(pair.challenger, x(pair.challenger), y - 9))
    return parts


def _value(value: float, x: float, y: float) -> str:
    return svg.tag("text", f"{value:.3f}", x=x, y=y, text_anchor="middle", class_="tick")
