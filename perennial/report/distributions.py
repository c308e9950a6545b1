"""One small picture per column: reference against current."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from perennial.report import svg
from perennial.report.svg import Point
from perennial.report.views import ColumnView

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 232.0, 122.0, 30.0, 10.0, 20.0
MOST_LEVELS = 8
_EPOCH, _FEW_DAYS = datetime(1970, 1, 1, tzinfo=UTC), 3 * 86_400.0
UNEVEN = 25  # bins this much wider than others: equal slots say more than densities


def ordered(columns: tuple[ColumnView, ...]) -> list[ColumnView]:
    """By likely impact on the model: drifted columns first, then by effect times the model's leaning."""
    return sorted(columns, key=lambda column: (not column.drifted, -(column.effect or 0.0) * column.weight))


def chart(column: ColumnView, name: str) -> str:
    """The column's picture as SVG: filled is the reference, the line or outline is current."""
    drawn = _bars(column) if column.kind == "category" else _histogram(column)
    verdict = "drifted" if column.drifted else "not drifted"
    title = (
        f"{column.name}, {verdict}: shares of reference and current per {'bin' if column.edges else 'level'}"
    )
    axis = svg.tag("path", d=f"M{LEFT:g} {HEIGHT - BOTTOM:g}H{WIDTH - 4:g}", class_="axis")
    class_ = "chart drifted" if column.drifted else "chart"
    return svg.picture(WIDTH, HEIGHT, *drawn, axis, name=name, title=title, class_=class_)


def _histogram(column: ColumnView) -> list[str]:
    edges = _finite(column.edges or tuple(map(float, range(len(column.labels) + 1))))
    widths = [b - a for a, b in pairwise(edges)]
    even = min(widths, default=0) > 0 and max(widths) / min(widths) < UNEVEN
    places = edges if even else [float(i) for i in range(len(edges))]
    sizes = widths if even else [1.0] * len(widths)
    mean = sum(sizes) / len(sizes) if sizes else 1.0
    reference = [share * mean / size for share, size in zip(column.reference, sizes, strict=True)]
    current = [share * mean / size for share, size in zip(column.current, sizes, strict=True)]
    top = max([*reference, *current, 1e-9])
    xs = [_across(place, places[0], places[-1]) for place in places]
    uneven = len({round(size / mean, 2) for size in sizes}) > 1
    return [
        svg.tag("path", d=_steps(xs, [_up(value, top) for value in reference]) + "Z", class_="reference"),
        svg.tag("path", d=_steps(xs, [_up(value, top) for value in current]), class_="current"),
        *_ticks(xs, _times(edges) if column.kind == "datetime" else _figures(edges)),
        *([] if uneven else [_share(top)]),
    ]


def _finite(edges: tuple[float, ...]) -> list[float]:
    """Open ends become as wide as the bin beside them."""
    known = [edge for edge in edges if math.isfinite(edge)]
    if len(known) < 2:
        return [float(i) for i in range(len(edges))]
    found = list(edges)
    if not math.isfinite(found[0]):
        found[0] = known[0] - (known[1] - known[0])
    if not math.isfinite(found[-1]):
        found[-1] = known[-1] + (known[-1] - known[-2])
    return found


def _across(value: float, low: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - 6) * ((value - low) / (high - low) if high > low else 0.5)


def _up(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top


def _steps(xs: list[float], ys: list[float]) -> str:
    """An outline that rises from the axis, runs over the bins and returns to it."""
    points: list[Point] = [(xs[0], HEIGHT - BOTTOM)]
    for (a, b), y in zip(pairwise(xs), ys, strict=True):
        points += [(a, y), (b, y)]
    points.append((xs[-1], HEIGHT - BOTTOM))
    return "M" + "L".join(f"{svg.number(x)} {svg.number(y)}" for x, y in points)


def _ticks(xs: list[float], words: list[str]) -> list[str]:
    chosen = sorted({0, len(xs) // 2, len(xs) - 1})
    anchors = dict(zip(chosen, ("start", "middle", "end"), strict=False))
    return [
        svg.tag("text", words[i], x=xs[i], y=HEIGHT - 6, text_anchor=anchors[i], class_="tick")
        for i in chosen
    ]


def _figures(edges: list[float]) -> list[str]:
    """With as many digits as tell the ends apart."""
    span, largest = edges[-1] / 2 - edges[0] / 2, max(map(abs, edges)) / 2
    digits = 3 if span <= 0 else int(min(12.0, 3 + max(0.0, math.log10(largest / span))))
    return [f"{edge:.{digits}g}" for edge in edges]


def _times(edges: list[float]) -> list[str]:
    """As dates, with the time of day where they span three days or less; in UTC."""
    form = "%d %b %H:%M" if edges[-1] - edges[0] <= _FEW_DAYS else "%Y-%m-%d"
    try:
        return [f"{_EPOCH + timedelta(seconds=edge):{form}}" for edge in edges]
    except OverflowError:  # before the year 1 or beyond 9999
        return _figures(edges)


def _share(top: float) -> str:
    return svg.tag("text", f"{top:.0%}", x=LEFT - 4, y=TOP + 8, text_anchor="end", class_="tick")


def _bars(column: ColumnView) -> list[str]:
    rows = list(zip(column.labels, column.reference, column.current, strict=True))
    if len(rows) > MOST_LEVELS:
        rows.sort(key=lambda row: -max(row[1:]))
        rest = rows[MOST_LEVELS - 1 :]
        others = (f"{len(rest)} others", sum(row[1] for row in rest), sum(row[2] for row in rest))
        rows = [*rows[: MOST_LEVELS - 1], others]
    top = max([share for row in rows for share in row[1:]], default=0.0) or 1.0
    slot = (WIDTH - LEFT - 6) / max(1, len(rows))
    bar = min(26.0, slot * 0.38)
    parts = [_share(top)]
    for i, (label, reference, current) in enumerate(rows):
        middle = LEFT + slot * (i + 0.5)
        for x, share, class_ in (
            (middle - bar - 1, reference, "reference"),
            (middle + 1, current, "current bar"),
        ):
            y = _up(share, top)
            words = svg.tag("title", svg.words(f"{label}: {share:.1%}"))
            box = {"x": x, "y": y, "width": bar, "height": HEIGHT - BOTTOM - y}
            parts.append(svg.tag("rect", words, **box, class_=class_))
        parts.append(_level(label, middle, slot))
    return parts


def _level(label: str, middle: float, slot: float) -> str:
    room = max(2, int(slot / 6))
    text = label if len(label) <= room else label[: room - 1] + "…"
    return svg.tag("text", svg.words(text), x=middle, y=HEIGHT - 6, text_anchor="middle", class_="tick")
