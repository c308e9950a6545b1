"""The state machine as a drawing: laid out once, then drawn for each run with its path in colour.

States that only a caught error leads to stand in a lane of their own on the right. Ways into it are drawn
only where a run took them, otherwise they would hide everything else.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from perennial.report import svg
from perennial.report.layout import Cell, Placement, place
from perennial.report.svg import Point
from perennial.report.views import RunView, StateView
from perennial.report.words import seconds
from perennial.report.workflow import Workflow, read_workflow

NODE_WIDTH, NODE_HEIGHT = 132.0, 34.0
COLUMN_GAP, ROW_GAP, LABEL_ROOM, TRACK = 16.0, 18.0, 10.0, 11.0
LANE_GAP, MARGIN = 44.0, 14.0
Edge = tuple[str, str]


@dataclass(frozen=True)
class Box:
    """A state's rectangle: its left upper corner; all are of one size."""

    x: float
    y: float
    width: float = NODE_WIDTH
    height: float = NODE_HEIGHT

    @property
    def middle(self) -> float:
        """Horizontal middle."""
        return self.x + self.width / 2


@dataclass(frozen=True)
class Label:
    """The words on a way out of a Choice state."""

    at: Point
    text: str
    anchor: str
    edge: Edge
    turned: bool = False


@dataclass
class Drawing:
    """Everything that all runs' graphs have in common."""

    workflow: Workflow
    boxes: dict[str, Box] = field(default_factory=dict)
    lines: dict[Edge, list[Point]] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    failure: tuple[str, ...] = ()
    bus: float = 0.0
    width: float = 0.0
    height: float = 0.0


def lay_out(definition: dict[str, Any]) -> Drawing:
    """Lay out a state machine's definition. Raises ValueError where it is none."""
    workflow = read_workflow(definition)
    drawing = Drawing(workflow)
    _add_part(drawing, workflow.start, MARGIN)
    main_height, drawing.bus = drawing.height, drawing.width + LANE_GAP / 2
    failing = [step for step in workflow.transitions if step.kind == "catch"]
    main = tuple(drawing.boxes)
    for step in failing:
        if step.source in drawing.boxes and step.target not in drawing.boxes:
            _add_part(drawing, step.target, drawing.width + LANE_GAP, bottom=main_height)
    drawing.failure = tuple(name for name in drawing.boxes if name not in main)
    drawing.width += MARGIN * (2 if drawing.failure else 1)
    drawing.height += MARGIN
    return drawing


def _add_part(drawing: Drawing, start: str, left: float, bottom: float | None = None) -> None:
    """Place what `start` leads to without an error, from `left` on, its end at `bottom` if that is given."""
    steps = [step for step in drawing.workflow.transitions if step.kind != "catch"]
    edges = list(dict.fromkeys((s.source, s.target) for s in steps if s.target not in drawing.boxes))
    part = place(start, edges, NODE_WIDTH, COLUMN_GAP)
    tracks = [_tracks(part, row) for row in range(len(part.rows) - 1)]
    labelled = {part.layers[s.source] for s in steps if s.label and s.source in part.layers}
    tops = [MARGIN]
    for row, track in enumerate(tracks):
        gap = ROW_GAP + (LABEL_ROOM if row in labelled else 0) + TRACK * max(track.values(), default=0)
        tops.append(tops[-1] + NODE_HEIGHT + gap)
    height = tops[-1] + NODE_HEIGHT
    shift = max(0.0, bottom - height) if bottom is not None else 0.0
    tops = [top + shift for top in tops]
    for name, layer in part.layers.items():
        drawing.boxes[name] = Box(left + part.x[Cell(name, layer)] - NODE_WIDTH / 2, tops[layer])
    for edge, route in part.routes.items():
        drawing.lines[edge] = _line(drawing, part, route, left, tops, tracks)
    _add_labels(drawing, part)
    drawing.width = max(drawing.width, left + part.width)
    drawing.height = max(drawing.height, height + shift)


def _tracks(part: Placement, row: int) -> dict[Cell, int]:
    """For each cell of the next row that a line turns into: which of the parallel tracks above is its own."""
    spans: dict[Cell, tuple[float, float]] = {}
    for route in part.routes.values():
        for a, b in pairwise(route):
            if a.layer == row and b.layer == row + 1 and part.x[a] != part.x[b]:
                low, high = sorted((part.x[a], part.x[b]))
                before = spans.get(b, (low, high))
                spans[b] = (min(low, before[0]), max(high, before[1]))
    tracks: dict[Cell, int] = {}
    for cell, (low, high) in sorted(spans.items(), key=lambda item: item[1][1] - item[1][0]):
        taken = {tracks[c] for c in tracks if spans[c][0] < high and low < spans[c][1]}
        tracks[cell] = next(track for track in range(len(spans) + 1) if track not in taken)
    return tracks


def _line(
    drawing: Drawing,
    part: Placement,
    route: list[Cell],
    left: float,
    tops: list[float],
    tracks: list[dict[Cell, int]],
) -> list[Point]:
    source, target = drawing.boxes[route[0].name], drawing.boxes[route[-1].name]
    if (route[0].name, route[-1].name) in part.loops:
        lane = left + part.x[route[1]]
        side = 0.0 if lane < source.x else NODE_WIDTH
        leave, enter = source.y + NODE_HEIGHT / 2, target.y + NODE_HEIGHT / 2
        return [(source.x + side, leave), (lane, leave), (lane, enter), (target.x + side, enter)]
    points = [(source.middle, source.y + NODE_HEIGHT)]
    for a, b in pairwise(route):
        if part.x[a] != part.x[b]:
            gap = tops[b.layer] - tops[a.layer] - NODE_HEIGHT
            spare = TRACK * max(tracks[a.layer].values(), default=0)
            y = tops[a.layer] + NODE_HEIGHT + (gap - spare) / 2 + TRACK * tracks[a.layer][b]
            points += [(left + part.x[a], y), (left + part.x[b], y)]
    return [*points, (target.middle, target.y)]


def _add_labels(drawing: Drawing, part: Placement) -> None:
    for step in drawing.workflow.transitions:
        edge = (step.source, step.target)
        if not step.label or edge not in part.routes:
            continue
        line = drawing.lines[edge]
        if edge in part.loops:
            at = (line[1][0] - 4, (line[1][1] + line[2][1]) / 2)
            label = Label(at, step.label, "middle", edge, turned=True)
        elif len(line) == 2:
            label = Label((line[0][0] + 5, line[1][1] - 5), step.label, "start", edge)
        else:
            right = line[2][0] > line[1][0]
            x = line[1][0] + (9 if right else -9)
            label = Label((x, line[1][1] - 3), step.label, "start" if right else "end", edge)
        drawing.labels.append(label)


def draw(drawing: Drawing, run: RunView, name: str) -> str:
    """One run's graph as SVG. `name` is unique on the page."""
    states = {state.name: state for state in run.states}
    lines = drawing.lines | _caught(drawing, run)
    steps = set(run.steps)
    parts = [
        _edge(line, _class(drawing, edge, states, False)) for edge, line in lines.items() if edge not in steps
    ]
    parts += [
        _edge(line, _class(drawing, edge, states, True)) for edge, line in lines.items() if edge in steps
    ]
    parts += [_lane(drawing), *(_label(label, label.edge in steps) for label in drawing.labels)]
    parts += [_state(drawing, each, states.get(each)) for each in drawing.boxes]
    calm = "" if any(each in states for each in drawing.failure) else " calm"
    title = f"Path of {run.name}: " + ", ".join(run.path or tuple(states))
    return svg.picture(drawing.width, drawing.height, *parts, name=name, title=title, class_=f"graph{calm}")


def _class(drawing: Drawing, edge: Edge, states: dict[str, StateView], taken: bool) -> str:
    aside = edge[0] in drawing.failure
    if not taken:
        return "edge aside" if aside else "edge"
    failing = aside or (edge[0] in states and states[edge[0]].status == "caught")
    return "edge failing" if failing else "edge taken"


def _caught(drawing: Drawing, run: RunView) -> dict[Edge, list[Point]]:
    """Lines for the errors that this run caught: through the gaps between the rows, never over a state."""
    found = {}
    for step in drawing.workflow.transitions:
        edge = (step.source, step.target)
        if step.kind == "catch" and edge in run.steps and edge not in drawing.lines:
            a, b = drawing.boxes[step.source], drawing.boxes[step.target]
            within = step.source in drawing.failure
            bus = a.x + NODE_WIDTH + MARGIN if within else drawing.bus
            below, above = a.y + NODE_HEIGHT + 5, b.y - 9
            found[edge] = [(a.middle + 12, below - 5), (a.middle + 12, below), (bus, below), (bus, above)]
            found[edge] += [(b.middle, above), (b.middle, b.y)]
    return found


def _edge(points: list[Point], class_: str) -> str:
    (x0, y0), (x, y) = points[-2:]
    turn = 0 if y > y0 else (90 if x < x0 else -90)
    head = svg.tag("path", d="M-4 -7L0 0L4 -7z", transform=f"translate({x:g} {y:g}) rotate({turn})")
    return svg.tag("g", svg.tag("path", d=svg.rounded(points), class_="line"), head, class_=class_)


def _label(label: Label, taken: bool) -> str:
    x, y = label.at
    return svg.tag(
        "text",
        svg.words(label.text),
        x=x,
        y=y,
        text_anchor=label.anchor,
        transform=f"rotate(-90 {x:g} {y:g})" if label.turned else None,
        class_="way taken" if taken else "way",
    )


def _lane(drawing: Drawing) -> str:
    """What stands above the failure lane."""
    if not drawing.failure:
        return ""
    box = drawing.boxes[drawing.failure[0]]
    return svg.tag(
        "text", "on any error", x=box.middle, y=box.y - 14, text_anchor="middle", class_="way lane"
    )


SIGNS = {
    "succeeded": "M-3.5 0.5L-1 3L4 -3.5",
    "caught": "M0 -4.5V1M0 3.8V4.6",
    "failed": "M-3.5 -3.5L3.5 3.5M3.5 -3.5L-3.5 3.5",
    "aborted": "M-4 0H4",
}


def _state(drawing: Drawing, name: str, state: StateView | None) -> str:
    box, kind = drawing.boxes[name], drawing.workflow.types[name]
    middle = box.y + NODE_HEIGHT / 2
    size = min(11.5, (NODE_WIDTH - 12) / (len(name) * 0.6))
    comment = drawing.workflow.comments[name]
    said = f"{name}: {state.status} after {seconds(state.seconds)}" if state else f"{name}: not visited"
    parts = [
        svg.tag("title", svg.words(f"{said}. {comment}".strip())),
        _shape(box, kind),
        svg.tag(
            "text",
            svg.words(name),
            x=box.middle,
            y=middle + (-3 if state else 4),
            text_anchor="middle",
            font_size=size,
            class_="name",
        ),
    ]
    if state:
        text = seconds(state.seconds) + (f" · {state.visits}×" if state.visits > 1 else "")  # noqa: RUF001
        at = f"translate({box.middle - len(text) * 2.6 - 4:.1f} {middle + 8.5:g})"
        sign = svg.tag(
            "path",
            d=SIGNS[state.status],
            transform=at,
            class_="sign",
        )
        parts += [
            sign,
            svg.tag("text", text, x=box.middle + 5, y=middle + 12, text_anchor="middle", class_="time"),
        ]
    aside = " aside" if name in drawing.failure else ""
    return svg.tag("g", *parts, class_=f"state {state.status if state else 'idle'}{aside}")


def _shape(box: Box, kind: str) -> str:
    if kind != "Choice":
        round_ = NODE_HEIGHT / 2 if kind in ("Succeed", "Fail") else 7
        return svg.tag(
            "rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=round_, class_="shape"
        )
    x, y, right, low, cut = box.x, box.y, box.x + box.width, box.y + box.height, 10
    middle = (y + low) / 2
    corners = [
        (x, middle),
        (x + cut, y),
        (right - cut, y),
        (right, middle),
        (right - cut, low),
        (x + cut, low),
    ]
    return svg.tag("polygon", points=" ".join(f"{a:g},{b:g}" for a, b in corners), class_="shape")
