"""Versions over time: a lane for each, bold while it was champion."""

from collections.abc import Callable
from datetime import datetime, timedelta

from perennial.report import svg
from perennial.report.views import StoryView, VersionView
from perennial.report.words import seconds

WIDTH, LANE, LEFT, RIGHT, TOP, FOOT = 1100.0, 40.0, 168.0, 90.0, 8.0, 44.0
ENDS = {"rejected": ("end rejected", "rejected"), "rolled_back": ("end rolled_back", "rolled back")}


def chart(story: StoryView, name: str) -> str:
    """The time line as SVG; empty without versions."""
    if not story.versions:
        return ""
    times = [run.started_at for run in story.runs] + [version.created_at for version in story.versions]
    times += [event.at for event in story.events]
    ends = [run.started_at + timedelta(seconds=run.seconds) for run in story.runs]
    start, end = min(times), max([*times, *ends])
    span = (end - start).total_seconds() or 1.0

    def x(at: datetime) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - start).total_seconds() / span

    floor = TOP + LANE * len(story.versions)
    parts = [_run(x(run.started_at), floor, i) for i, run in enumerate(story.runs, start=1)]
    newest = sorted(story.versions, key=lambda version: version.version)
    for i, version in enumerate(newest):
        parts += _lane(story, version, TOP + LANE * (i + 0.5), x, end)
    parts += [
        svg.tag("path", d=f"M{LEFT:g} {floor:g}H{WIDTH - RIGHT:g}", class_="axis"),
        svg.tag("text", "runs", x=LEFT - 14, y=floor + 18, text_anchor="end", class_="tick"),
        svg.tag("text", f"{start:%Y-%m-%d %H:%M:%S}", x=LEFT, y=floor + 36, class_="tick"),
        svg.tag(
            "text", f"{seconds(span)} later", x=WIDTH - RIGHT, y=floor + 36, text_anchor="end", class_="tick"
        ),
    ]
    title = "Time line of versions: " + "; ".join(_said(version) for version in newest)
    return svg.picture(WIDTH, floor + FOOT, *parts, name=name, title=title, class_="chart timeline")


def _said(version: VersionView) -> str:
    served = f", champion {len(version.champion)} time(s)" if version.champion else ""
    return f"version {version.version} {version.status.replace('_', ' ')}{served}"


def _run(x: float, floor: float, count: int) -> str:
    return svg.tag(
        "g",
        svg.tag("path", d=f"M{x:.1f} {TOP:g}V{floor + 5:g}", class_="begin"),
        svg.tag("text", str(count), x=x, y=floor + 18, text_anchor="middle", class_="tick"),
    )


def _lane(
    story: StoryView, version: VersionView, y: float, x: Callable[[datetime], float], end: datetime
) -> list[str]:
    score = f" · {version.metric_name} {version.metric:.3f}" if version.metric is not None else ""
    parts = [
        svg.tag("text", f"version {version.version}", x=0, y=y - 2, class_="metric"),
        svg.tag("text", svg.words(version.status.replace("_", " ") + score), x=0, y=y + 12, class_="tick"),
    ]
    closing = [event.at for event in story.events if event.version == version.version]
    bounds = [bound for served in version.champion for bound in (served.since, served.until or end)]
    last = max([version.created_at, *closing, *bounds])
    parts.append(svg.tag("path", d=f"M{x(version.created_at):.1f} {y:g}H{x(last):.1f}", class_="life"))
    for served in version.champion:
        until = served.until or end
        said = f"version {version.version} was champion for {seconds((until - served.since).total_seconds())}"
        bar = {
            "x": x(served.since),
            "y": y - 7,
            "width": max(3.0, x(until) - x(served.since)),
            "height": 14.0,
        }
        parts.append(svg.tag("rect", svg.tag("title", said), **bar, rx=4, class_="served"))
    parts.append(svg.tag("circle", cx=x(version.created_at), cy=y, r=4, class_="born"))
    if version.status in ENDS:
        class_, word = ENDS[version.status]
        at = f"translate({x(last):.1f} {y:g})"
        parts.append(svg.tag("path", d="M-5 -5L5 5M5 -5L-5 5", transform=at, class_=class_))
        parts.append(svg.tag("text", word, x=x(last) + 11, y=y + 4, class_="tick"))
    elif version.champion and version.champion[-1].until is None:
        parts.append(svg.tag("text", "champion", x=x(end) + 8, y=y + 4, class_="tick now"))
    return parts
