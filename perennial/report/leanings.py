"""How much the model leans on each feature: on its holdout, and on the batch."""

from collections.abc import Sequence

from perennial.report import svg
from perennial.report.findings import LeaningView

WIDTH, ROW, LEFT, RIGHT, TOP = 520.0, 30.0, 150.0, 96.0, 4.0
MOST = 15


def chart(leanings: Sequence[LeaningView], name: str) -> str:
    """A pair of bars per feature as SVG, the largest first; empty without any."""
    shown = list(leanings[:MOST])
    if not shown:
        return ""
    top = max(max(each.reference, each.current or 0.0) for each in shown) or 1.0
    span = WIDTH - LEFT - RIGHT
    parts = []
    for i, each in enumerate(shown):
        y = TOP + ROW * i
        parts.append(svg.tag("text", svg.words(_short(each.name)), x=0, y=y + 17, class_="metric"))
        parts.append(_bar(each.reference, top, span, y + 4, "reference"))
        if each.current is not None:
            parts.append(_bar(each.current, top, span, y + 15, "current bar"))
        parts.append(svg.tag("text", _change(each), x=WIDTH, y=y + 17, text_anchor="end", class_="tick"))
    height = TOP + ROW * len(shown) + 4
    said = "; ".join(f"{each.name} {_change(each)}" for each in shown)
    title = f"Share of the feature importances: {said}"
    return svg.picture(WIDTH, height, *parts, name=name, title=title, class_="chart leanings")


def _bar(share: float, top: float, span: float, y: float, class_: str) -> str:
    return svg.tag("rect", x=LEFT, y=y, width=max(1.0, span * share / top), height=9.0, class_=class_)


def _change(each: LeaningView) -> str:
    return f"{each.reference:.0%}" + (f" → {each.current:.0%}" if each.current is not None else "")


def _short(name: str) -> str:
    return name if len(name) <= 21 else name[:20] + "…"
