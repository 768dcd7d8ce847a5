"""A flow's drawing: every step and way is in it, escaped, in order, and nothing overlaps."""

from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from routing.flows.design import diagram as flow_diagram
from routing.flows.design import graph as flow_graph
from routing.flows.design.diagram import Counts
from routing.flows.design.draft import draft_of
from routing.flows.design.layout import HEIGHT, WIDTH, layout
from routing.models import FlowStep
from tests.flow_factories import lead, make_onboarding

KEYS = ["a", "b", "c", "d", "e", "f"]
EDGES = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS)), max_size=14)


def drawn(flow, counts=None, faulty=()):
    return flow_diagram.drawn(draft_of(flow), counts or {}, lambda step, what: f"/{step.key}/{what}/", faulty)


def texts(svg):
    return [node.text for node in ElementTree.fromstring(svg).iter("text")]  # noqa: S314 - our own


def test_steps_ways_and_counts_are_drawn_and_linked(db):
    svg = drawn(make_onboarding(), {"contact": Counts(here=2, waiting=1234, parked=3)}, {"tie"})

    assert {"Company", "Contact", "Tie", "Onboarded", "register", "any", "created · existing", "tied"} <= set(
        texts(svg)
    )
    assert {"2 here", "1,234 waiting", "3 parked", "⚠"} <= set(texts(svg))
    assert 'href="/contact/parked/"' in svg


def test_names_and_conditions_cannot_become_markup(db):
    flow = make_onboarding()
    FlowStep.objects.filter(key="tie").update(name="<script>alert(1)</script>")
    lead(FlowStep.objects.get(key="company"), "any", FlowStep.objects.get(key="tie"), field="event.id",
         operator="equals", value='"><b>')  # fmt: skip

    svg = drawn(flow)

    assert "<script>" not in svg
    assert "<b>" not in svg
    ElementTree.fromstring(svg)  # noqa: S314 - our own


def test_the_drawing_is_told_in_words(db):
    words = flow_diagram.in_words(draft_of(make_onboarding()))

    assert "Contact (create contacts at" in words
    assert "created to Tie; existing to Tie." in words
    assert words.endswith("Onboarded (End): ends here.")


@given(EDGES)
@settings(deadline=None, max_examples=200)
def test_no_two_boxes_overlap_and_all_stand_within_the_drawing(edges):
    plan = layout(KEYS, edges)

    boxes = list(plan.boxes.values())
    assert set(plan.boxes) == set(KEYS)
    for index, (x, y) in enumerate(boxes):
        assert 0 <= x <= plan.width - WIDTH
        assert 0 <= y <= plan.height - HEIGHT
        assert all(abs(x - a) >= WIDTH or abs(y - b) >= HEIGHT for a, b in boxes[:index])


@given(EDGES)
@settings(deadline=None, max_examples=200)
def test_each_way_is_drawn_once_and_leads_down_unless_it_leads_back(edges):
    plan = layout(KEYS, edges)

    assert sorted((one.source, one.target) for one in plan.arrows) == sorted(set(edges))
    for one in plan.arrows:
        if not one.back:
            assert plan.boxes[one.source][1] < plan.boxes[one.target][1]


@given(EDGES)
@settings(deadline=None, max_examples=100)
def test_what_is_surely_known_is_what_every_way_remembers(edges):
    remembered = {key: {key} for key in KEYS}
    known = flow_graph.known_at(KEYS, edges, remembered)
    reached = flow_graph.reached(KEYS, edges)

    for key in reached:
        may, surely = known[key]
        assert surely <= may
        for name in KEYS:
            around = [pair for pair in edges if name not in pair] if name != key else edges
            is_needed = (
                name in reached and name not in ("a", key) and key not in flow_graph.reached(KEYS, around)
            )
            assert not is_needed or name in surely
