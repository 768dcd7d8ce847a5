"""Flows in the admin: written step by step, checked next to the field, tried, copied and switched on."""

import json

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from routing.models import Flow, FlowStep, StepField, Transition
from syncs.models import Delivery, InboundEvent
from tests.admin.factories import change_url, press
from tests.flow_factories import SAMPLE, make_onboarding, make_run, make_source, make_step


@pytest.fixture
def flow(db):
    return make_onboarding()


def flow_form(flow, *criteria, **values):
    """Return the flow's form as the browser sends it; `criteria` are (field, operator, value)."""
    form = {
        "name": flow.name, "event_name": flow.event_name, "subject_path": flow.subject_path, "waits_for": "",
        "wait_seconds": "3600", "criteria-TOTAL_FORMS": len(criteria), "criteria-INITIAL_FORMS": 0,
        "steps-TOTAL_FORMS": 0, "steps-INITIAL_FORMS": 0, **values,
    }  # fmt: skip
    for index, row in enumerate(criteria):
        form |= {
            f"criteria-{index}-{name}": one
            for name, one in zip(("field", "operator", "value"), row, strict=True)
        }
    return form


def step_form(step, *, sends=(), remembers=(), transitions=(), **values):
    """Return a new step's form; rows are dicts by column."""
    columns = (
        "name", "key", "position", "kind", "operation", "object_type", "match_field", "remote_id", "from_type",
        "from_id", "to_type", "to_id", "method", "path", "headers", "body", "event_name",
    )  # fmt: skip
    form = {name: getattr(step, name) or "" for name in columns}
    form |= {"flow": step.flow_id, "connection": step.connection_id or ""}
    line = {"position": "", "unknown_value": "keep", "write_mode": "always"}
    for part, rows, usual in (
        ("sends", sends, line),
        ("remembers", remembers, line),
        ("transitions", transitions, {"position": "1"}),
    ):
        form |= {f"{part}-TOTAL_FORMS": len(rows), f"{part}-INITIAL_FORMS": 0}
        for index, row in enumerate(rows):
            form |= {f"{part}-{index}-{name}": one for name, one in {**usual, **row}.items()}
    return {**form, **values}


def errors(response):
    """Return the sentences by field: of the form, and of each row by its formset's name."""
    found = {name: " ".join(texts) for name, texts in response.context["adminform"].form.errors.items()}
    for inline in response.context["inline_admin_formsets"]:
        for index, row in enumerate(inline.formset.errors):
            found |= {
                f"{inline.formset.prefix}.{index}.{name}": " ".join(texts) for name, texts in row.items()
            }
    return found


def add_step(page, flow, key="extra", kind="write", *, sends=(), remembers=(), transitions=(), **values):
    values.setdefault("connection", flow.steps.first().connection)
    step = FlowStep(flow=flow, key=key, name=key.title(), kind=kind, position=9, **values)
    form = step_form(step, sends=sends, remembers=remembers, transitions=transitions)
    return page.post(f"{reverse('admin:routing_flowstep_add')}?flow={flow.pk}", form)


def test_the_page_of_a_flow_draws_its_steps_with_runs_and_problems(page, flow):
    make_run(flow, stage="parked")
    make_step(flow, "lost", "end")

    response = page.get(change_url(flow))

    text = response.content.decode()
    assert "<svg" in text
    assert "1 parked" in text
    assert "created · existing" in text
    assert "No way leads here." in text


def test_counts_are_shown_without_links_to_those_who_may_not_see_runs(visitor, flow, django_user_model):
    make_run(flow, stage="parked")
    user = django_user_model.objects.get(username="guest")
    user.user_permissions.add(Permission.objects.get(codename="view_flow"))

    text = visitor.get(change_url(flow)).content.decode()

    assert "1 parked" in text
    assert "stage__exact=parked" not in text


@pytest.mark.parametrize(
    ("criteria", "values", "place", "sentence"),
    [
        ([], {"event_name": "registr"}, "event_name", "Did you mean “register”?"),
        ([], {"subject_path": "customer.nr"}, "subject_path", "There is no “customer.nr”"),
        ([("customer.plan", "equals", "pro")], {}, "criteria.0.field", "There is no “customer.plan”"),
        ([("customer.seats", "greater", "many")], {}, "criteria.0.value", "number"),
    ],
)
def test_a_mistake_is_said_next_to_its_field_and_nothing_is_saved(
    page, flow, criteria, values, place, sentence
):
    response = page.post(change_url(flow), flow_form(flow, *criteria, **{"name": "Changed", **values}))

    assert sentence in errors(response)[place]
    flow.refresh_from_db()
    assert flow.name != "Changed"


def test_a_flow_is_saved_with_its_conditions(page, flow):
    page.post(change_url(flow), flow_form(flow, ("customer.seats", "greater", "10"), name="Big ones"))

    flow.refresh_from_db()
    assert flow.name == "Big ones"
    assert flow.criteria.get().field == "customer.seats"


def test_a_new_flow_stays_off(page, db, said):
    source = make_source()
    flow = Flow(name="New", event_name="register", subject_path="customer.id")

    response = page.post(reverse("admin:routing_flow_add"), flow_form(flow, source=source.pk, key="new"))

    assert not Flow.objects.get(key="new").enabled
    assert "The flow is still off." in said(response)


def test_a_step_is_added_with_what_it_sends_remembers_and_where_it_leads(page, flow):
    target = FlowStep.objects.get(key="onboarded")
    response = add_step(
        page, flow, operation="upsert", object_type="contacts", match_field="email",
        sends=[{"source": "event.customer.email", "destination": "email"}],
        remembers=[{"source": "answer.id", "destination": "other_id"}],
        transitions=[{"outcome": "Any", "target": target.pk}],
    )  # fmt: skip

    assert response.status_code == 302, errors(response)
    step = FlowStep.objects.get(key="extra")
    lines = StepField.objects.filter(step=step).values_list("role", "source", "destination")
    assert list(lines) == [("remember", "answer.id", "other_id"), ("write", "event.customer.email", "email")]
    assert Transition.objects.get(step=step).outcome == "any"


def sent(**line):
    return {"sends": [{"destination": "name", **line}]}


@pytest.mark.parametrize(
    ("values", "place", "sentence"),
    [
        ({"operation": ""}, "operation", "Choose what it does there"),
        ({"match_field": "nmae", **sent(source="event.id")}, "match_field", "Did you mean “name”?"),
        (sent(source="event.company.nme"), "sends.0.source", "Did you mean “name”?"),
        ({"sends": 2 * sent(source="event.id")["sends"]}, "sends.1.destination", "written by another line"),
        (sent(transform="liquid", expression="{{ a"), "sends.0.expression", "Line 1"),
        ({"remembers": [{"source": "evnt.id", "destination": "x"}]}, "remembers.0.source", "must begin with"),
        ({"transitions": [{"outcome": "creatd", "target": "tie"}]}, "transitions.0.outcome", "is no outcome"),
        ({"transitions": [{"outcome": "any", "target": "other"}]}, "transitions.0.target", "valid choice"),
    ],
)
def test_a_mistake_in_a_step_is_said_next_to_its_field(page, flow, values, place, sentence):
    other = Flow.objects.create(key="other", name="Other", source=flow.source, event_name="update")
    make_step(other, "other", "end")
    steps = dict(FlowStep.objects.values_list("key", "pk"))
    rows = [{**row, "target": steps[row["target"]]} for row in values.get("transitions", ())]
    usual = {
        "operation": "create",
        "object_type": "contacts",
        "sends": [{"source": "event.id", "destination": "x"}],
    }

    response = add_step(page, flow, **{**usual, **values, "transitions": rows})

    assert sentence in errors(response)[place]
    assert not FlowStep.objects.filter(key="extra").exists()


def test_a_step_whose_session_is_not_filled_yet_can_be_saved(page, flow):
    response = add_step(
        page,
        flow,
        kind="tie",
        from_type="contacts",
        from_id="session.a",
        to_type="companies",
        to_id="session.b",
    )

    assert response.status_code == 302
    page_text = page.get(change_url(FlowStep.objects.get(key="extra"))).content.decode()
    assert "No step before remembers “a”." in page_text


def test_saving_a_step_of_a_flow_that_is_on_says_what_it_broke(page, flow, said):
    Flow.objects.update(enabled=True)

    response = add_step(page, flow, kind="end", connection=None)

    assert "is on and has problems now" in said(response)


def test_lines_keep_to_their_role_when_saved_again(page, flow):
    step = FlowStep.objects.get(key="company")
    shown = page.get(change_url(step))
    form = {}
    for inline in shown.context["inline_admin_formsets"]:
        prefix, count = inline.formset.prefix, inline.formset.initial_form_count()
        form |= {f"{prefix}-TOTAL_FORMS": count, f"{prefix}-INITIAL_FORMS": count}
        for one in inline.formset.initial_forms:
            form |= {one.add_prefix(name): one[name].value() or "" for name in one.fields if name != "DELETE"}
    before = list(StepField.objects.order_by("pk").values_list("role", "destination", "source"))

    response = page.post(change_url(step), {**step_form(step), **form, "name": "Renamed"})

    assert response.status_code == 302, errors(response)
    assert FlowStep.objects.get(key="company").name == "Renamed"
    assert list(StepField.objects.order_by("pk").values_list("role", "destination", "source")) == before


def test_a_step_with_runs_or_arrivals_is_not_deleted(page, flow, said):
    company, tie = FlowStep.objects.get(key="company"), FlowStep.objects.get(key="tie")
    make_run(flow, step=company)

    one = page.post(reverse("admin:routing_flowstep_delete", args=[company.pk]), {"post": "yes"})
    other = page.post(reverse("admin:routing_flowstep_delete", args=[tie.pk]), {"post": "yes"})

    assert "1 run stands at “Company”" in said(one)
    assert "Transitions of “Contact” lead to “Tie”" in said(other)
    assert FlowStep.objects.count() == 4


def test_a_test_run_shows_requests_and_sends_nothing(page, flow):
    url = reverse("admin:routing_flow_do", args=[flow.pk, "test_run"])

    response = page.post(url, {"event": json.dumps(SAMPLE), "outcome-contact": "existing"})

    text = response.content.decode()
    assert "It ends at “Onboarded”" in text
    assert "409 existing" in text
    assert not InboundEvent.objects.exists()
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("event", "sentence"), [("{", "The event is not JSON"), ("[]", "An event is a JSON object")]
)
def test_a_test_run_with_a_broken_event_says_so(page, flow, event, sentence):
    response = page.post(reverse("admin:routing_flow_do", args=[flow.pk, "test_run"]), {"event": event})

    assert sentence in response.content.decode()


def test_a_flow_with_problems_is_not_switched_on(page, flow, said):
    Transition.objects.filter(outcome="tied").delete()

    response = press(page, flow, "enable")

    assert "tie, transitions: No transition leads on" in said(response)
    flow.refresh_from_db()
    assert not flow.enabled


def test_a_flow_is_switched_on_and_off(page, flow):
    press(page, flow, "enable")
    assert Flow.objects.get().enabled

    press(page, flow, "disable")

    assert not Flow.objects.get().enabled


def test_a_copy_has_everything_and_is_off(page, flow):
    flow.criteria.create(field="customer.seats", operator="greater", value="10")
    Flow.objects.update(enabled=True)

    press(page, flow, "duplicate")
    press(page, flow, "duplicate")

    copy = Flow.objects.get(key="register-copy")
    assert Flow.objects.filter(key="register-copy-2", name="Register (copy 2)").exists()
    assert not copy.enabled
    assert copy.criteria.count() == 1
    assert [step.key for step in copy.steps.all()] == ["company", "contact", "tie", "onboarded"]
    assert {row.target.flow_id for row in Transition.objects.filter(step__flow=copy)} == {copy.pk}
    assert (
        StepField.objects.filter(step__flow=copy).count() == StepField.objects.filter(step__flow=flow).count()
    )
