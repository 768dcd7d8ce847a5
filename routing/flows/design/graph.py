"""The steps of a flow as a graph: what is reached, what goes round, what is known where. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import networkx as nx

Edges = Sequence[tuple[str, str]]


def graph(keys: Sequence[str], edges: Edges) -> nx.DiGraph[str]:
    """Return the graph of the steps; edges that lead to no step are left out."""
    found: nx.DiGraph[str] = nx.DiGraph()
    found.add_nodes_from(keys)
    found.add_edges_from((one, other) for one, other in edges if one in found and other in found)
    return found


def reached(keys: Sequence[str], edges: Edges) -> set[str]:
    """Return the steps that a run can come to; the first starts it."""
    if not keys:
        return set()
    return {keys[0], *nx.descendants(graph(keys, edges), keys[0])}


def without_end(keys: Sequence[str], edges: Edges, ends: Set[str]) -> list[tuple[str, ...]]:
    """Return the loops, each as its steps, from which no end is ever reached."""
    steps = graph(keys, edges)
    can_end = set(ends & set(keys))
    for end in sorted(can_end):
        can_end |= nx.ancestors(steps, end)
    loops = []
    for component in nx.strongly_connected_components(steps):
        goes_round = len(component) > 1 or any(steps.has_edge(one, one) for one in component)
        if goes_round and not component & can_end:
            loops.append(tuple(key for key in keys if key in component))
    return sorted(loops)


def known_at(
    keys: Sequence[str], edges: Edges, remembered: Mapping[str, Set[str]]
) -> dict[str, tuple[set[str], set[str]]]:
    """Return for each step the names that the session may hold when a run comes there, and the sure ones."""
    first = reached(keys, edges)
    steps = graph(keys, [(one, other) for one, other in edges if one in first or other not in first])
    everything = {name for names in remembered.values() for name in names}
    may: dict[str, set[str]] = {key: set() for key in keys}
    surely: dict[str, set[str]] = {key: set(everything) for key in keys}
    if keys:
        surely[keys[0]] = set()
    changed = True
    while changed:
        changed = False
        for key in keys:
            before = [(may[one] | remembered[one], surely[one] | remembered[one]) for one in steps.pred[key]]
            some = set().union(*(names for names, _ in before))
            ways = [names for _, names in before] + ([set()] if key == keys[0] else [])
            all_of = set.intersection(*ways) if ways else set()
            if some != may[key] or all_of != surely[key]:
                may[key], surely[key], changed = some, all_of, True
    return {key: (may[key], surely[key]) for key in keys}


def forward(keys: Sequence[str], edges: Edges) -> tuple[dict[str, int], set[tuple[str, str]]]:
    """Return the layer of each step, the first at 0, and the edges that lead back.

    Without the edges that lead back, each edge leads to a deeper layer. Steps that nothing reaches stand below all
    others, so that they are seen to be out of the way.
    """
    steps = graph(keys, edges)
    known = reached(keys, edges)
    back = {(one, other) for one, other in steps.edges if one not in known and other in known}
    steps.remove_edges_from(back)
    back |= _back_edges(keys, steps)
    steps.remove_edges_from(back)
    layers: dict[str, int] = {}
    lowest = 0
    for is_lost in (False, True):
        for key in nx.topological_sort(steps):
            if (key not in known) == is_lost:
                layers[key] = max((layers[one] + 1 for one in steps.pred[key]), default=lowest)
        lowest = max(layers.values(), default=-1) + 1
    return layers, back


def _back_edges(keys: Sequence[str], steps: nx.DiGraph[str]) -> set[tuple[str, str]]:
    """Return the edges that lead to a step which is still being walked through, in the order of the steps."""
    place = {key: number for number, key in enumerate(keys)}
    done: set[str] = set()
    back: set[tuple[str, str]] = set()
    for start in keys:
        if start in done:
            continue
        path, open_ = [(start, iter(sorted(steps.succ[start], key=place.__getitem__)))], {start}
        while path:
            key, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                open_.discard(key)
                done.add(key)
            elif following in open_:
                back.add((key, following))
            elif following not in done:
                open_.add(following)
                path.append((following, iter(sorted(steps.succ[following], key=place.__getitem__))))
    return back
