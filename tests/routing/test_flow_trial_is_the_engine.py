"""What a trial shows of an answer is what a run does with it: session, next step, or why it is parked."""

import pytest

from routing.flows import trial as flow_trial
from routing.flows.moves import Passage
from routing.flows.shapes import BookedField, BookedFlow, BookedStep, BookedTransition
from routing.models import FlowRun, StepTry
from routing.models.flows import RunStage
from syncs.engine.mapping import Line
from syncs.models import InboundEvent
from tests.factories import NOON

EVENT = {"event": "register", "customer": {"email": "ann@acme.test", "seats": 12}}


def line(source, destination, **values):
    return BookedField.of(Line(source=source, destination=destination, root="", **values))


def flow_with(*transitions, remembered=(), operation="create", kind="write"):
    step = BookedStep(
        1, "contact", "Contact", kind, connection_id=1, operation=operation, object_type="contacts",
        match_field="email", method="POST", path="/contacts",
        sent=(line("event.customer.email", "email"),), remembered=remembered, transitions=transitions,
    )  # fmt: skip
    steps = (step, BookedStep(2, "good", "Good", "end"), BookedStep(3, "bad", "Bad", "end"))
    return BookedFlow(1, "register", "Register", True, 1, "product", "register", steps=steps)


def way(outcome, target="good", **condition):
    return BookedTransition(outcome, target, **condition)


ID = (line("answer.id", "contact_id"),)
MESSAGE = (line("answer.message", "said"), line("event.customer.seats", "seats"))
REQUIRED = (line("session.nothing", "needed", required=True),)
GOOD, BAD = way("created"), way("rejected", "bad")
TABLE = {
    "created": (flow_with(GOOD, remembered=ID), "ok", "good"),
    "existing": (flow_with(way("existing"), remembered=ID), "409", "good"),
    "existing is taken by its status": (flow_with(way("409"), remembered=ID), "existing", "good"),
    "refused, with a way on": (flow_with(GOOD, BAD, remembered=MESSAGE), "rejected", "bad"),
    "refused, by its status": (flow_with(way("404", "bad"), remembered=MESSAGE), "404", "bad"),
    "refused, by its class": (flow_with(way("4xx", "bad"), remembered=ID), "422", "bad"),
    "refused, without a way on": (flow_with(GOOD, way("any"), remembered=MESSAGE), "rejected", "no_transition"),
    "conflict at an update": (flow_with(way("409", "bad"), operation="update", remembered=ID), "409", "bad"),
    "refused call": (flow_with(BAD, kind="call", operation="", remembered=MESSAGE), "404", "bad"),
    "answered call": (flow_with(way("sent"), kind="call", operation="", remembered=ID), "ok", "good"),
    "what must be remembered is missing": (flow_with(GOOD, remembered=REQUIRED), "ok", "required"),
    "but not of a refusal": (flow_with(BAD, remembered=REQUIRED), "rejected", "bad"),
    "a condition on what was remembered": (
        flow_with(way("any", field="session.contact_id", operator="is_not_empty"), remembered=ID), "ok", "good",
    ),
    "a condition that cannot be told": (
        flow_with(way("any", field="event.customer.email", operator="greater", value="10")), "ok", "condition",
    ),
    "a transition to a step that is gone": (flow_with(way("created", "gone"), remembered=ID), "ok", "no_transition"),
}  # fmt: skip


@pytest.mark.parametrize(("flow", "wanted", "expected"), TABLE.values(), ids=TABLE)
def test_a_trial_shows_what_a_run_does(flow, wanted, expected):
    trial = flow_trial.run(flow, EVENT, {"contact": wanted}, NOON)
    shown = trial.steps[0]

    run = passed(flow, shown.answered)

    assert run.session == trial.session
    if run.stage == RunStage.READY:
        assert (flow.step_of(run.step_id).key, shown.next_key) == (expected, expected)
        return
    assert run.stage == RunStage.PARKED
    assert run.code == expected
    assert not shown.next_key
    assert run.reason in shown.problem


def passed(flow, answered):
    """Take the simulated answer as a run takes a vendor's."""
    run = FlowRun(event=InboundEvent(data=EVENT), step_id=1, stage=RunStage.SENDING, session={})
    tried = StepTry(
        run=run, step_key="contact", outcome=answered.outcome, status=answered.status, answer=answered.answer
    )
    Passage(run, flow, lambda *event: None, NOON, last=tried).answered(flow.steps[0], tried)
    return run
