"""The champion's metric with its intervals: on its holdout, measured by labels, estimated without."""

from collections.abc import Callable

from perennial.report import svg
from perennial.report.findings import LevelView, PerformanceView

WIDTH, ROW, LEFT, RIGHT, TOP, FOOT = 520.0, 44.0, 132.0, 56.0, 10.0, 26.0


def chart(performance: PerformanceView, name: str) -> str:
    """A row each as SVG; the band behind them is the reference's interval, the line in it its value."""
    rows = [("holdout", "reference", performance.reference)]
    if performance.measured:
        rows.append(("measured", "measured", performance.measured))
    if performance.estimated:
        rows.append(
            ("estimated", "estimated" if performance.known else "estimated unknown", performance.estimated)
        )
    low, high = limits([level for _, _, level in rows])
    height = TOP + ROW * len(rows) + FOOT

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)

    reference, floor = performance.reference, TOP + ROW * len(rows)
    band = {
        "x": x(reference.low),
        "y": TOP,
        "width": max(1.0, x(reference.high) - x(reference.low)),
        "height": floor - TOP,
    }
    parts = [
        svg.tag("rect", **band, class_="band"),
        svg.tag("path", d=f"M{x(reference.value):.1f} {TOP:g}V{floor:g}", class_="level"),
        svg.tag("path", d=f"M{LEFT:g} {floor:g}H{WIDTH - RIGHT:g}", class_="axis"),
        *ticks(low, high, x, floor + 16),
    ]
    for i, (label, class_, level) in enumerate(rows):
        parts += _row(label, class_, level, x, TOP + ROW * (i + 0.5))
    return svg.picture(WIDTH, height, *parts, name=name, title=_said(performance), class_="chart intervals")


def limits(levels: list[LevelView]) -> tuple[float, float]:
    """Of an axis that holds all intervals; a share's axis does not leave 0 to 1."""
    low, high = min(level.low for level in levels), max(level.high for level in levels)
    room = (high - low or abs(high) or 1.0) * 0.12
    inside = low >= 0 and high <= 1
    low, high = low - room, high + room
    return (max(0.0, low), min(1.0, high)) if inside else (low, high)


def ticks(low: float, high: float, x: Callable[[float], float], y: float) -> list[str]:
    """The axis' ends and its middle."""
    places = ((low, "start"), ((low + high) / 2, "middle"), (high, "end"))
    return [
        svg.tag("text", f"{value:.3g}", x=x(value), y=y, text_anchor=anchor, class_="tick")
        for value, anchor in places
    ]


def mark(class_: str, x: float, y: float, size: float = 5.5) -> str:
    """A ring for the reference, a filled diamond for what was measured, an empty square for an estimate."""
    at = f"translate({x:.1f} {y:.1f})"
    if class_ == "reference":
        return svg.tag("circle", cx=x, cy=y, r=size - 0.5, class_=f"mark {class_}")
    if class_ == "measured":
        s = size + 1
        return svg.tag(
            "path", d=f"M0 {-s:g}L{s:g} 0L0 {s:g}L{-s:g} 0z", transform=at, class_=f"mark {class_}"
        )
    s = size - 0.5
    return svg.tag("path", d=f"M{-s:g} {-s:g}H{s:g}V{s:g}H{-s:g}z", transform=at, class_=f"mark {class_}")


def _row(label: str, class_: str, level: LevelView, x: Callable[[float], float], y: float) -> list[str]:
    words = label if "unknown" not in class_ else "estimated?"
    whisker = f"M{x(level.low):.1f} {y:g}H{x(level.high):.1f}"
    whisker += "".join(f"M{x(end):.1f} {y - 5:g}v10" for end in (level.low, level.high))
    return [
        svg.tag("text", words, x=0, y=y - 1, class_="metric"),
        svg.tag("text", f"{level.rows:,} rows", x=0, y=y + 12, class_="tick"),
        svg.tag("path", d=whisker, class_=f"whisker {class_}"),
        mark(class_, x(level.value), y),
        svg.tag("text", f"{level.value:.3f}", x=WIDTH, y=y + 4, text_anchor="end", class_="gain"),
    ]


def _said(performance: PerformanceView) -> str:
    def level(of: LevelView) -> str:
        return f"{of.value:.3f}, 95 % interval {of.low:.3f} to {of.high:.3f}"

    parts = [f"{performance.metric}: on the holdout {level(performance.reference)}"]
    if performance.measured:
        parts.append(f"measured {level(performance.measured)}")
    if performance.estimated:
        parts.append(
            f"{'estimated' if performance.known else 'not known, estimated'} {level(performance.estimated)}"
        )
    return "; ".join(parts)
