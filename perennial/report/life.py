"""A version's life, batch by batch: its performance with intervals, and the evidence that accumulates."""

import math
from collections.abc import Callable, Sequence

from perennial.report import svg
from perennial.report.findings import LevelView, PointView
from perennial.report.performance import limits, mark

WIDTH, LEFT, RIGHT, TOP, FOOT = 520.0, 46.0, 12.0, 12.0, 22.0
HEIGHT, LOW_HEIGHT = 168.0, 140.0
MOST_P = 20.0  # -log10 of a p-value: beyond this one more zero says nothing


def performance_chart(points: Sequence[PointView], name: str) -> str:
    """The metric over the batches: measured where it has labels, else estimated. Empty below two."""
    drawn = [(i, point) for i, point in enumerate(points) if point.performance and _best(point)]
    if len(drawn) < 2:
        return ""
    reference = next(point.performance.reference for _, point in drawn if point.performance)
    levels = [level for _, point in drawn if (level := _best(point))]
    low, high = limits([reference, *levels])
    x, y = _across(len(points)), _up(low, high, HEIGHT)
    band = {"x": LEFT, "y": y(reference.high), "width": WIDTH - LEFT - RIGHT}
    parts = [
        svg.tag("rect", **band, height=max(1.0, y(reference.low) - y(reference.high)), class_="band"),
        svg.tag("path", d=f"M{LEFT:g} {y(reference.value):.1f}H{WIDTH - RIGHT:g}", class_="level"),
    ]
    for i, point in drawn:
        level = _best(point)
        if level is None or point.performance is None:
            continue
        class_ = "measured" if point.performance.measured else "estimated"
        whisker = f"M{x(i):.1f} {y(level.low):.1f}V{y(level.high):.1f}"
        parts.append(svg.tag("path", d=whisker, class_=f"whisker {class_}"))
        parts.append(mark(class_, x(i), y(level.value), 4.5))
    parts += [*_axis(HEIGHT), *_batches(points, x, HEIGHT)]
    parts += [_at(f"{value:.2f}", y(value)) for value in (low, high)]
    metric = drawn[0][1].performance.metric if drawn[0][1].performance else ""
    said = "; ".join(f"batch {i + 1} {level.value:.3f}" for (i, _), level in zip(drawn, levels, strict=True))
    return svg.picture(
        WIDTH, HEIGHT, *parts, name=name, title=f"{metric} by batch: {said}", class_="chart life"
    )


def evidence_chart(points: Sequence[PointView], name: str) -> str:
    """Accumulated evidence as the zeros of its p-value, and the line where it becomes significant."""
    drawn = [(i, point.accumulated) for i, point in enumerate(points) if point.accumulated]
    if not drawn:
        return ""
    zeros = [min(MOST_P, -math.log10(max(found.p_value, 1e-300))) for _, found in drawn]
    line = -math.log10(drawn[-1][1].alpha)
    top = max([*zeros, line * 1.6])
    x, y = _across(len(points)), _up(0.0, top, LOW_HEIGHT)
    path = "M" + "L".join(f"{x(i):.1f} {y(value):.1f}" for (i, _), value in zip(drawn, zeros, strict=True))
    parts = [
        svg.tag("path", d=f"M{LEFT:g} {y(line):.1f}H{WIDTH - RIGHT:g}", class_="limit"),
        svg.tag(
            "text",
            f"p = {drawn[-1][1].alpha:g}",
            x=WIDTH - RIGHT,
            y=y(line) - 4,
            text_anchor="end",
            class_="tick",
        ),
        svg.tag("path", d=path, class_="course"),
    ]
    for (i, found), value in zip(drawn, zeros, strict=True):
        if found.drifted:
            at = f"translate({x(i):.1f} {y(value):.1f})"
            parts.append(svg.tag("path", d="M0 -6L6 5H-6z", transform=at, class_="mark over"))
        else:
            parts.append(svg.tag("circle", cx=x(i), cy=y(value), r=3.5, class_="mark under"))
    parts += [*_axis(LOW_HEIGHT), *_batches(points, x, LOW_HEIGHT)]
    parts += [_at("p = 1", y(0)), _at(_p(top), y(top))]
    said = "; ".join(f"batch {i + 1} p {found.p_value:.2g}" for i, found in drawn)
    return svg.picture(
        WIDTH, LOW_HEIGHT, *parts, name=name, title=f"Accumulated evidence: {said}", class_="chart life"
    )


def _best(point: PointView) -> LevelView | None:
    found = point.performance
    if found is None:
        return None
    return found.measured or (found.estimated if found.known else None)


def _p(zeros: float) -> str:
    return f"10^-{zeros:.0f}" if zeros >= 3 else f"{10**-zeros:.2g}"


def _across(count: int) -> Callable[[int], float]:
    step = (WIDTH - LEFT - RIGHT) / max(1, count)
    return lambda i: LEFT + step * (i + 0.5)


def _up(low: float, high: float, height: float) -> Callable[[float], float]:
    floor = height - FOOT
    return lambda value: floor - (floor - TOP) * (value - low) / ((high - low) or 1.0)


def _axis(height: float) -> list[str]:
    return [svg.tag("path", d=f"M{LEFT:g} {TOP:g}V{height - FOOT:g}H{WIDTH - RIGHT:g}", class_="axis")]


def _batches(points: Sequence[PointView], x: Callable[[int], float], height: float) -> list[str]:
    """Numbers below the axis, thinned where they would touch; the last is this batch."""
    every = max(1, math.ceil(len(points) / 14))
    last = len(points) - 1
    return [
        svg.tag(
            "text",
            "this" if i == last else str(i + 1),
            x=x(i),
            y=height - 7,
            text_anchor="middle",
            class_="tick now" if i == last else "tick",
        )
        for i in range(len(points))
        if i == last or (i % every == 0 and last - i >= every)
    ]


def _at(text: str, y: float) -> str:
    return svg.tag("text", text, x=LEFT - 6, y=y + 4, text_anchor="end", class_="tick")
