"""Where the boxes and arrows of a flow's drawing stand. Pure: keys and ways in, places out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from routing.flows.design import graph

WIDTH, HEIGHT = 200, 68
ACROSS, DOWN = 44, 78
"""Room between boxes beside each other, and below each other."""
THIN = 40
"""Width of the lane that an arrow takes through a layer in which it has no box."""
TOP, SIDE = 54, 16
LANE = 26
SWEEPS = 6

Point = tuple[float, float]
Edge = tuple[str, str]
_Node = tuple[str, str, int]
"""A step as (its key, "", 0), or an arrow's place in a layer as (from, to, layer)."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """`path` is SVG; `label` where its words stand. `back`: it leads to a step that comes before."""

    source: str
    target: str
    path: str
    label: Point
    back: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """`boxes` are the upper left corners."""

    width: int
    height: int
    boxes: Mapping[str, Point]
    arrows: tuple[Arrow, ...]


def layout(keys: Sequence[str], edges: Sequence[Edge]) -> Layout:
    layers, back = graph.forward(keys, edges)
    onward = list(dict.fromkeys(edge for edge in edges if edge not in back))
    rows, chains = _rows(keys, layers, onward)
    _untangle(rows, chains)
    places = _places(rows)
    right = max((x + _width(node) for node, (x, _) in places.items()), default=float(WIDTH))
    boxes = {node[0]: place for node, place in places.items() if not node[1]}
    arrows = [*_onward(chains, places), *_backward(sorted(back, key=list(edges).index), boxes, right)]
    lanes = len({edge for edge in back if edge[0] != edge[1]}) + any(one == other for one, other in back)
    width = right + (lanes * LANE + 110 if lanes else 0) + SIDE
    height = TOP + len(rows) * HEIGHT + max(len(rows) - 1, 0) * DOWN + SIDE
    return Layout(round(width), round(height), boxes, tuple(arrows))


def _rows(
    keys: Sequence[str], layers: Mapping[str, int], edges: Iterable[Edge]
) -> tuple[list[list[_Node]], dict[Edge, list[_Node]]]:
    """Return the nodes layer by layer, and each arrow as the nodes it passes."""
    rows: list[list[_Node]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for key in keys:
        rows[layers[key]].append((key, "", 0))
    chains: dict[Edge, list[_Node]] = {}
    for source, target in edges:
        between: list[_Node] = [(source, target, n) for n in range(layers[source] + 1, layers[target])]
        for node in between:
            rows[node[2]].append(node)
        chains[source, target] = [(source, "", 0), *between, (target, "", 0)]
    return rows, chains


def _untangle(rows: list[list[_Node]], chains: Mapping[Edge, Sequence[_Node]]) -> None:
    """Put each node near the middle of its neighbors, layer by layer, down and up again."""
    above: dict[_Node, list[_Node]] = {}
    below: dict[_Node, list[_Node]] = {}
    for chain in chains.values():
        for one, other in pairwise(chain):
            below.setdefault(one, []).append(other)
            above.setdefault(other, []).append(one)
    for sweep in range(SWEEPS):
        neighbors = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else reversed(rows):
            place = {node: index for other in rows for index, node in enumerate(other)}
            order = {
                node: _mean([place[one] for one in neighbors.get(node, ())], place[node]) for node in row
            }
            row.sort(key=order.__getitem__)


def _places(rows: Sequence[Sequence[_Node]]) -> dict[_Node, Point]:
    widths = [sum(map(_width, row)) + ACROSS * max(len(row) - 1, 0) for row in rows]
    widest = max(widths, default=0)
    places: dict[_Node, Point] = {}
    for number, row in enumerate(rows):
        x = SIDE + (widest - widths[number]) / 2
        for node in row:
            places[node] = (x, TOP + number * (HEIGHT + DOWN))
            x += _width(node) + ACROSS
    return places


def _onward(chains: Mapping[Edge, Sequence[_Node]], places: Mapping[_Node, Point]) -> Iterable[Arrow]:
    starts: dict[str, list[Edge]] = {}
    arrives: dict[str, list[Edge]] = {}
    for edge, chain in chains.items():
        starts.setdefault(edge[0], []).append(edge)
        arrives.setdefault(edge[1], []).append(edge)
        starts[edge[0]].sort(key=lambda one: places[chains[one][1]][0])
        arrives[edge[1]].sort(key=lambda one: places[chains[one][-2]][0])
        del chain
    for edge, chain in chains.items():
        first, last = places[chain[0]], places[chain[-1]]
        points = [(first[0] + _spread(starts[edge[0]], edge), first[1] + HEIGHT)]
        for node in chain[1:-1]:
            x, y = places[node]
            points += [(x + THIN / 2, y), (x + THIN / 2, y + HEIGHT)]
        points.append((last[0] + _spread(arrives[edge[1]], edge), last[1] - 4))
        share = 0.36 if starts[edge[0]].index(edge) % 2 == 0 else 0.58
        yield Arrow(*edge, _curve(points), _on_curve(points[0], points[1], share))


def _backward(back: Sequence[Edge], boxes: Mapping[str, Point], right: float) -> Iterable[Arrow]:
    """Lead each arrow that goes back around the right side, in a lane of its own."""
    for number, (source, target) in enumerate(back):
        x1, y1 = boxes[source][0] + WIDTH, boxes[source][1] + HEIGHT * 0.7
        x2, y2 = boxes[target][0] + WIDTH + 4, boxes[target][1] + HEIGHT * 0.3
        lane = right + LANE * (number + 1)
        bend = 10 if y1 > y2 else -10
        path = (
            f"M{x1:.0f},{y1:.0f} H{lane - 10:.0f} Q{lane:.0f},{y1:.0f} {lane:.0f},{y1 - bend:.0f} "
            f"V{y2 + bend:.0f} Q{lane:.0f},{y2:.0f} {lane - 10:.0f},{y2:.0f} H{x2:.0f}"
        )
        yield Arrow(source, target, path, (lane + 6, (y1 + y2) / 2), back=True)


def _curve(points: Sequence[Point]) -> str:
    parts = [f"M{points[0][0]:.0f},{points[0][1]:.0f}"]
    for (x1, y1), (x2, y2) in pairwise(points):
        middle = (y1 + y2) / 2
        parts.append(f"C{x1:.0f},{middle:.0f} {x2:.0f},{middle:.0f} {x2:.0f},{y2:.0f}")
    return " ".join(parts)


def _on_curve(start: Point, end: Point, share: float) -> Point:
    """Return a point of the curve that `_curve` draws between two points."""
    rest = 1 - share
    x = start[0] * (rest**3 + 3 * rest**2 * share) + end[0] * (3 * rest * share**2 + share**3)
    middle = (start[1] + end[1]) / 2
    y = start[1] * rest**3 + middle * (3 * rest**2 * share + 3 * rest * share**2) + end[1] * share**3
    return x, y


def _spread(edges: Sequence[Edge], edge: Edge) -> float:
    """Return where along the edge of its box an arrow begins or ends."""
    return WIDTH * (edges.index(edge) + 1) / (len(edges) + 1)


def _width(node: _Node) -> int:
    return THIN if node[1] else WIDTH


def _mean(places: Sequence[int], usual: int) -> float:
    return sum(places) / len(places) if places else float(usual)
