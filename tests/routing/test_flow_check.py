"""What is wrong with a flow is said at the step and field it is about."""

import pytest

from routing.flows.design import check as flow_check
from routing.flows.design.draft import draft_of
from routing.models import Flow, FlowStep, StepField, Transition
from syncs.models import EventType
from tests.flow_factories import lead, make_onboarding, make_source, make_step, remember, send

FIELDS = {"companies": ["domain", "name"], "contacts": ["email", "firstname"]}


@pytest.fixture
def flow(db):
    return make_onboarding()


def findings(flow):
    draft = draft_of(Flow.objects.get(pk=flow.pk))
    there = {(one.step.connection_id, kind): fields for one in draft.steps for kind, fields in FIELDS.items()}
    return flow_check.judged(draft, there)


def said(flow, warning=False):
    """Return the sentences by step and place."""
    found = [one for one in findings(flow) if one.warning == warning]
    return {(one.step, ".".join(map(str, one.place))): one.message for one in found}


def change(flow, key, **values):
    FlowStep.objects.filter(flow=flow, key=key).update(**values)


def line(flow, key, name, /, **values):
    StepField.objects.filter(step__flow=flow, step__key=key, destination=name).update(**values)


def test_a_good_flow_has_neither_errors_nor_warnings(flow):
    assert findings(flow) == []


@pytest.mark.parametrize(
    ("key", "values", "place", "sentence"),
    [
        ("company", {"connection": None}, "connection", "Choose the connection that it writes to."),
        ("company", {"operation": ""}, "operation", "create, upsert or update"),
        ("company", {"object_type": ""}, "object_type", "Name what is written"),
        ("company", {"match_field": ""}, "match_field", "Name the field that finds the record"),
        ("company", {"match_field": "domian"}, "match_field", "Did you mean “domain”?"),
        ("contact", {"operation": "update", "match_field": ""}, "remote_id", "Say which record is updated"),
        ("contact", {"remote_id": "session.contact"}, "remote_id", "No step before remembers “contact”."),
        ("contact", {"remote_id": "answer.id"}, "remote_id", "known only after it"),
        ("tie", {"from_type": ""}, "from_type", "type of the first record"),
        ("tie", {"to_id": ""}, "to_id", "second record's id is known"),
        ("tie", {"to_id": "session.compny_id"}, "to_id", "Did you mean “company_id”?"),
        ("tie", {"to_id": "company_id"}, "to_id", "must begin with event, session or answer"),
        ("tie", {"kind": "emit"}, "event_name", "Name the event that it emits."),
        ("tie", {"kind": "emit", "event_name": "upgrade"}, "event_name", "Did you mean “update”?"),
        ("tie", {"kind": "remember"}, "remembers", "Nothing is remembered."),
        ("tie", {"kind": "call"}, "path", "Give the path"),
        ("company", {"kind": "remember"}, "sends", "sends no fields"),
        ("tie", {"kind": "end"}, "transitions", "An end leads nowhere."),
    ],
)  # fmt: skip
def test_what_a_step_lacks_is_said_at_its_column(flow, key, values, place, sentence):
    change(flow, key, **values)

    assert sentence in said(flow)[key, place]


@pytest.mark.parametrize(
    ("values", "place", "sentence"),
    [
        ({"path": "//evil.test/x"}, "path", "leads to another address"),
        ({"path": "https://evil.test"}, "path", "leads to another address"),
        ({"path": "/{{ event.custmer.id }}"}, "path", "Did you mean “event.customer”?"),
        ({"path": "/{{ event.customer.id"}, "path", "Line 1"),
        ({"headers": "X-Key"}, "headers", "Write Name: value"),
        ({"body": '{"a": {{ event.customer.email }}}'}, "body", "does not become JSON"),
        ({"body": "{{ event.customer | shout }}"}, "body", "there is no filter “shout”"),
    ],
)
def test_the_texts_of_a_call_are_read(flow, values, place, sentence):
    call = {"kind": "call", "method": "POST", "path": "/customers", "headers": "", "body": "", **values}
    change(flow, "tie", **call)

    assert sentence in said(flow)["tie", place]


def test_a_body_that_quotes_its_values_is_json(flow):
    body = '{"email": {{ event.customer.email | json }}, "id": {{ session.contact_id | json }}}'
    change(flow, "tie", kind="call", method="POST", path="/customers/{{ session.contact_id }}", body=body)

    assert said(flow) == {}


@pytest.mark.parametrize(
    ("destination", "values", "place", "sentence"),
    [
        ("name", {"source": "event.company.nme"}, "sends.2.source", "Did you mean “name”?"),
        ("name", {"source": "event.company.name.first"}, "sends.2.source", "is a single value"),
        ("name", {"source": "company.name"}, "sends.2.source", "such as event.company.name"),
        ("name", {"source": ""}, "sends.2.source", "Name where the value comes from"),
        ("name", {"source": "answer.id"}, "sends.2.source", "known only after it"),
        ("name", {"source": "session.contact_id"}, "sends.2.source", "does not come before"),
        ("name", {"destination": "nmae"}, "sends.2.destination", "has no field “nmae” of companies"),
        ("name", {"destination": "domain.x"}, "sends.2.destination", "cannot be a value and hold"),
        ("name", {"destination": "a..b"}, "sends.2.destination", "is not a path"),
        ("name", {"transform": "liquid"}, "sends.2.expression", "Write the Liquid expression"),
        ("name", {"transform": "liquid", "expression": "{{ evnt.a }}"}, "sends.2.expression", "Did you mean"),
        ("name", {"expression": "US"}, "sends.2.expression", "Only the transforms Liquid and Phone"),
        ("name", {"transform": "number", "default": "x"}, "sends.2.default", "a number"),
        ("domain", {"write_mode": "if_empty"}, "sends.1.write_mode", "match key must always be sent"),
        ("company_id", {"source": "event.nothing"}, "remembers.1.source", "There is no “event.nothing”"),
        ("company_id", {"write_mode": "if_empty"}, "remembers.1.write_mode", "always written"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_at_its_field(flow, destination, values, place, sentence):
    line(flow, "company", destination, **values)

    assert sentence in said(flow)["company", place]


def test_a_field_that_only_the_schema_names_is_known(flow):
    properties = {"company": {"properties": {"size": {"type": "integer"}}}}
    EventType.objects.filter(name="register").update(schema={"properties": properties})
    line(flow, "company", "name", source="event.company.size")

    assert said(flow) == {}


@pytest.mark.parametrize(
    ("outcome", "values", "place", "sentence"),
    [
        ("creatd", {}, "outcome", "is no outcome"),
        ("600", {}, "outcome", "is no outcome"),
        ("created", {"field": "answer.id"}, "operator", "Choose an operator"),
        ("created", {"field": "answer.id", "operator": "equals"}, "value", "A value is missing"),
        (
            "created",
            {"field": "event.nothing", "operator": "is_empty"},
            "field",
            "There is no “event.nothing”",
        ),
        (
            "created",
            {"field": "event.customer.seats", "operator": "greater", "value": "many"},
            "value",
            "number",
        ),
    ],
)
def test_what_is_wrong_with_a_transition_is_said_at_its_field(flow, outcome, values, place, sentence):
    contact = FlowStep.objects.get(key="contact")
    Transition.objects.filter(step=contact).delete()
    lead(contact, outcome, FlowStep.objects.get(key="tie"), **values)

    assert sentence in said(flow)["contact", f"transitions.1.{place}"]


def test_a_transition_to_a_step_of_another_flow_is_refused(flow):
    other = make_onboarding(source=flow.source, key="other", connection=flow.steps.first().connection)
    Transition.objects.filter(step__flow=flow, outcome="tied").update(target=other.steps.last())

    assert "is a step of another flow" in said(flow)["tie", "transitions.1.target"]


def test_a_step_without_a_way_on_is_an_error_and_a_forgotten_outcome_a_warning(flow):
    Transition.objects.filter(step__flow=flow, outcome__in=["tied", "existing"]).delete()

    assert "No transition leads on" in said(flow)["tie", "transitions"]
    assert "“existing”" in said(flow, warning=True)["contact", "transitions"]


def test_a_step_that_nothing_leads_to_is_found(flow):
    make_step(flow, "lost", "end")

    assert said(flow) == {
        ("lost", "key"): "No way leads here. Add a transition to it from another step, or remove it."
    }


def test_a_loop_without_exit_is_found_and_one_with_exit_is_not(flow):
    company, contact = FlowStep.objects.get(key="company"), FlowStep.objects.get(key="contact")
    lead(contact, "rejected", company)
    assert said(flow) == {}

    Transition.objects.filter(step=contact).exclude(outcome="rejected").delete()

    assert "The loop company → contact → company" in said(flow)["company", "transitions"]


def test_an_id_that_only_some_ways_remember_is_a_warning(flow):
    company, tie = FlowStep.objects.get(key="company"), FlowStep.objects.get(key="tie")
    lead(company, "409", tie, position=0)

    assert "Not every way to this step remembers" in said(flow, warning=True)["tie", "from_id"]


def test_a_row_that_can_never_hold_is_a_warning(flow):
    lead(FlowStep.objects.get(key="company"), "created", FlowStep.objects.get(key="tie"))

    assert "never holds" in said(flow, warning=True)["company", "transitions.2.outcome"]


def test_a_create_without_a_match_key_is_a_warning(flow):
    change(flow, "contact", match_field="")

    assert "may be made twice" in said(flow, warning=True)["contact", "match_field"]


@pytest.mark.parametrize(
    ("values", "place", "sentence"),
    [
        ({"event_name": "registr"}, "event_name", "Did you mean “register”?"),
        ({"subject_path": "customer.nr"}, "subject_path", "There is no “customer.nr”"),
        ({"subject_path": "customer..id"}, "subject_path", "is not a path"),
    ],
)
def test_what_is_wrong_with_the_flow_itself_is_said_at_its_field(flow, values, place, sentence):
    Flow.objects.filter(pk=flow.pk).update(**values)

    assert sentence in said(flow)["", place]


def test_a_flow_cannot_wait_for_itself_or_without_a_subject(flow):
    Flow.objects.filter(pk=flow.pk).update(waits_for=flow)
    assert "cannot wait for itself" in said(flow)["", "waits_for"]

    other = Flow.objects.create(key="other", name="Other", source=make_source("shop"), event_name="register")
    Flow.objects.filter(pk=flow.pk).update(waits_for=other)
    assert "another source" in said(flow)["", "waits_for"]

    Flow.objects.filter(pk=flow.pk).update(subject_path="")
    assert "Waiting needs a subject" in said(flow)["", "waits_for"]


def test_a_criterion_is_judged_by_the_sample(flow):
    flow.criteria.create(field="customer.plan", operator="equals", value="pro")
    flow.criteria.create(field="customer.seats", operator="greater", value="many")

    assert "There is no “customer.plan”" in said(flow)["", "criteria.1.field"]
    assert "number" in said(flow)["", "criteria.2.value"]


def test_without_a_sample_paths_are_not_judged_and_a_warning_says_so(flow):
    EventType.objects.update(sample=None)
    line(flow, "company", "name", source="event.anything.at.all")

    assert said(flow) == {}
    assert "has no sample" in said(flow, warning=True)["", "event_name"]


def test_a_flow_without_steps_says_so(db):
    flow = Flow.objects.create(key="empty", name="Empty", source=make_source(), event_name="register")

    assert "The flow has no steps." in said(flow)["", "steps"]


def test_fields_of_a_destination_that_does_not_answer_are_a_warning(flow):
    found = [one for one in flow_check.problems(draft_of(flow)) if one.warning]

    assert [one.step for one in found] == ["company", "contact"]
    assert "were not checked" in found[0].message


def test_what_is_remembered_before_a_loop_is_known_in_it(flow):
    company, contact = FlowStep.objects.get(key="company"), FlowStep.objects.get(key="contact")
    lead(contact, "rejected", company)
    remember(company, name="event.company.name")
    send(contact, firstname="session.name")

    assert said(flow) == {}


def test_only_if_empty_needs_a_match_key(flow):
    change(flow, "contact", operation="update", match_field="", remote_id="event.id")
    line(flow, "contact", "email", write_mode="if_empty")

    assert "needs a match key" in said(flow)["contact", "sends.1.write_mode"]


def test_a_refusal_may_be_named_after_any(flow):
    lead(FlowStep.objects.get(key="company"), "rejected", FlowStep.objects.get(key="onboarded"))
    lead(FlowStep.objects.get(key="company"), "409", FlowStep.objects.get(key="onboarded"))

    assert [one for one in findings(flow) if "never holds" in one.message] == []


def test_the_answer_is_not_there_before_it_came(flow):
    change(flow, "tie", kind="call", method="POST", path="/x/{{ answer.id }}")

    assert "no “answer”" in said(flow)["tie", "path"]
