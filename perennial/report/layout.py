"""Layered drawing of a directed graph, after Sugiyama, Tagawa and Toda (1981), small and deterministic.

Layers by longest path, orders by barycentres, columns by straight strands that are pushed together.
Long edges to one target share a lane, so that many ways to the same end read as one.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

LANE = 22.0
SWEEPS = 12


class Cell(NamedTuple):
    """A place in a layer: a node's own, or a point of the lane that leads to a node (or back to it)."""

    name: str
    layer: int
    role: str = "node"  # node, lane, loop


@dataclass
class Placement:
    """Where everything stands: layer and middle of each node, and the cells that each edge passes."""

    layers: dict[str, int]
    x: dict[Cell, float]
    routes: dict[tuple[str, str], list[Cell]]
    loops: set[tuple[str, str]]
    width: float
    rows: list[list[Cell]] = field(default_factory=list)


def place(start: str, edges: list[tuple[str, str]], node_width: float, gap: float) -> Placement:
    """Place the nodes that `start` leads to; edges from other nodes are left out.

    Edges that close a loop are found, and led back in a lane at the loop's side.
    """
    loops = _loops(start, edges)
    forward = [edge for edge in edges if edge not in loops]
    layers = _layers(start, forward)
    forward = [edge for edge in forward if edge[0] in layers]
    routes = {(u, v): _through(u, v, layers) for u, v in forward}
    segments = {pair: None for route in routes.values() for pair in pairwise(route)}
    for u, v in loops:
        lane = [Cell(f"{u}>{v}", layer, "loop") for layer in range(layers[u], layers[v] - 1, -1)]
        routes[u, v] = [Cell(u, layers[u]), *lane, Cell(v, layers[v])]
    trunk = _longest(start, forward, layers)
    rows = _ordered(list(segments), layers, trunk)
    for u, v in loops:
        lane = routes[u, v][1:-1]
        _beside(rows, lane, _body(u, v, forward))
        segments |= dict.fromkeys(pairwise(reversed(lane)))
    x = _columns(rows, list(segments), trunk, node_width, gap)
    left = min(x[cell] - _width(cell, node_width) / 2 for cell in x)
    x = {cell: value - left for cell, value in x.items()}
    width = max(x[cell] + _width(cell, node_width) / 2 for cell in x)
    return Placement(layers, x, routes, loops, width, rows)


def _width(cell: Cell, node_width: float) -> float:
    return node_width if cell.role == "node" else LANE


def _loops(start: str, edges: list[tuple[str, str]]) -> set[tuple[str, str]]:
    loops: set[tuple[str, str]] = set()
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        for u, v in edges:
            if u == name and v in (*above, name):
                loops.add((u, v))
            elif u == name and v not in done:
                visit(v, (*above, name))
        done.add(name)

    visit(start, ())
    return loops


def _layers(start: str, forward: list[tuple[str, str]]) -> dict[str, int]:
    layers = {start: 0}
    for _ in range(len(forward) + 1):
        for u, v in forward:
            if u in layers:
                layers[v] = max(layers.get(v, 0), layers[u] + 1)
    return layers


def _through(u: str, v: str, layers: dict[str, int]) -> list[Cell]:
    lane = [Cell(v, layer, "lane") for layer in range(layers[u] + 1, layers[v])]
    return [Cell(u, layers[u]), *lane, Cell(v, layers[v])]


def _longest(start: str, forward: list[tuple[str, str]], layers: dict[str, int]) -> set[tuple[str, str]]:
    """The edges of one longest path from the start: the trunk of the drawing."""
    below: dict[str, int] = {}
    for name in sorted(layers, key=lambda name: -layers[name]):
        below[name] = max((below[v] + 1 for u, v in forward if u == name), default=0)
    trunk, name = set(), start
    while steps := [
        v for u, v in forward if u == name and below[v] + 1 == below[u] and layers[v] == layers[u] + 1
    ]:
        trunk.add((name, steps[-1]))
        name = steps[-1]
    return trunk


Segment = tuple[Cell, Cell]


def _body(last: str, first: str, forward: list[tuple[str, str]]) -> set[str]:
    """The nodes of a loop: on a way from its first to its last."""

    def spread(name: str, steps: list[tuple[str, str]]) -> set[str]:
        found = {name}
        for _ in steps:
            found |= {v for u, v in steps if u in found}
        return found

    return spread(first, forward) & spread(last, [(v, u) for u, v in forward])


def _beside(rows: list[list[Cell]], lane: list[Cell], body: set[str]) -> None:
    """Put a loop's lane into the rows, on the side of its nodes that has less beyond it."""
    spans = []
    for cell in lane:
        inside = [
            i for i, other in enumerate(rows[cell.layer]) if other.role == "node" and other.name in body
        ]
        spans.append((min(inside), max(inside)) if inside else (0, -1))
    beyond = sum(len(rows[cell.layer]) - 1 - high for cell, (_, high) in zip(lane, spans, strict=True))
    left = sum(low for low, _ in spans) <= beyond
    for cell, (low, high) in zip(lane, spans, strict=True):
        rows[cell.layer].insert(low if left else high + 1, cell)


def _ordered(
    segments: list[Segment], layers: dict[str, int], trunk: set[tuple[str, str]]
) -> list[list[Cell]]:
    """Order within each layer: the best of a few barycentre sweeps, the trunk first where it may."""
    rows: list[list[Cell]] = [[] for _ in range(max(layers.values()) + 1)]
    inner = {end for edge in trunk for end in edge}
    for name, layer in sorted(layers.items(), key=lambda item: item[0] not in inner):
        rows[layer].append(Cell(name, layer))
    for cell in (end for segment in segments for end in segment):
        if cell not in rows[cell.layer]:
            rows[cell.layer].append(cell)
    best, fewest = [list(row) for row in rows], _crossings(rows, segments)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows[1:] if down else rows[-2::-1]:
            place_of = {cell: i for other in rows for i, cell in enumerate(other)}
            near: dict[Cell, list[int]] = {}
            for upper, lower in segments:
                here, there = (lower, upper) if down else (upper, lower)
                near.setdefault(here, []).append(place_of[there])
            centre = {
                cell: sum(near[cell]) / len(near[cell]) if cell in near else place_of[cell] for cell in row
            }
            row.sort(key=lambda cell: centre[cell])
        crossings = _crossings(rows, segments)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _crossings(rows: list[list[Cell]], segments: list[Segment]) -> int:
    at = {cell: i for row in rows for i, cell in enumerate(row)}
    count = 0
    for i, (a, b) in enumerate(segments):
        for c, d in segments[i + 1 :]:
            if a.layer == c.layer and (at[a] - at[c]) * (at[b] - at[d]) < 0:
                count += 1
    return count


def _columns(
    rows: list[list[Cell]],
    segments: list[Segment],
    trunk: set[tuple[str, str]],
    node_width: float,
    gap: float,
) -> dict[Cell, float]:
    """Middles: cells of one strand stand above each other, strands as far left as the order allows."""
    strand = _strands(rows, segments, trunk)
    apart: dict[tuple[Cell, Cell], float] = {}
    for row in rows:
        for a, b in pairwise(row):
            needed = (_width(a, node_width) + _width(b, node_width)) / 2 + gap
            pair = (strand[a], strand[b])
            apart[pair] = max(apart.get(pair, 0.0), needed)
    x = dict.fromkeys(strand.values(), 0.0)
    for _ in range(len(x)):
        for (a, b), needed in apart.items():
            x[b] = max(x[b], x[a] + needed)
    for _ in range(8):
        _closer(x, strand, segments, apart)
    return {cell: x[head] for cell, head in strand.items()}


def _closer(
    x: dict[Cell, float],
    strand: dict[Cell, Cell],
    segments: list[Segment],
    apart: dict[tuple[Cell, Cell], float],
) -> None:
    """Move each strand towards its neighbours as far as those beside it leave room."""
    for head in x:
        ends = [
            x[strand[b if strand[a] == head else a]]
            for a, b in segments
            if head in (strand[a], strand[b]) and strand[a] != strand[b]
        ]
        if not ends:
            continue
        least = max((x[a] + needed for (a, b), needed in apart.items() if b == head), default=float("-inf"))
        most = min((x[b] - needed for (a, b), needed in apart.items() if a == head), default=float("inf"))
        x[head] = min(max(sorted(ends)[len(ends) // 2], least), most)


def _strands(
    rows: list[list[Cell]], segments: list[Segment], trunk: set[tuple[str, str]]
) -> dict[Cell, Cell]:
    """Join cells that shall stand above each other; joined segments never cross, so strands keep an order."""
    at = {cell: i for row in rows for i, cell in enumerate(row)}

    def rank(segment: Segment) -> int:
        a, b = segment
        if (a.name, b.name) in trunk and a.role == b.role == "node":
            return 0
        return 1 if a.role == b.role != "node" else 2 if a.role == b.role else 3

    joined: list[Segment] = []
    for a, b in sorted(segments, key=rank):
        clash = any(
            c.layer == a.layer and (a == c or b == d or (at[a] - at[c]) * (at[b] - at[d]) < 0)
            for c, d in joined
        )
        if not clash and b.layer == a.layer + 1:
            joined.append((a, b))
    head = {cell: cell for row in rows for cell in row}
    for a, b in sorted(joined, key=lambda segment: segment[0].layer):
        head[b] = head[a]
    return head
