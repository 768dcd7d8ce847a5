"""Event sources and flows in configuration files, and the onboarding that ships as an example."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import call_command

from integration_hub.configuration import document, reading
from integration_hub.configuration.errors import ConfigurationError
from integration_hub.simulator.hubspot import ACCESS_TOKEN
from routing.flows import book as flowbook
from routing.flows import trial as flow_trial
from routing.flows.design import check as flow_check
from routing.flows.design.draft import draft_of
from routing.models import Flow, FlowRun, FlowStep, Transition
from syncs.models import Connection, Delivery, EventSource, EventType, InboundEvent
from tests.configuration.documents import imported
from tests.configuration.test_examples import given
from tests.factories import NOON
from tests.flow_factories import make_event, make_onboarding, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", ACCESS_TOKEN)
    monkeypatch.setenv("PRODUCT_EVENT_SECRET", "a-secret-of-the-product")


@pytest.fixture
def example():
    return given("hubspot-onboarding.yaml")


def changed(example, which="contact", /, **values):
    """Return the example with one step of its register flow changed."""
    for step in example["flows"]["register"]["steps"]:
        if step["key"] == which:
            step.update(values)
    return example


def sending(**line):
    return {"sends": [{"destination": "email", **line}]}


def said(example):
    with pytest.raises(ConfigurationError) as caught:
        imported(example)
    return caught.value.sentences


def test_the_example_goes_into_an_empty_hub_and_a_second_import_changes_nothing(example):
    planned = imported(example)

    assert planned.warnings == ()
    assert set(Flow.objects.values_list("key", flat=True)) == {"register", "update"}
    assert Flow.objects.get(key="update").waits_for.key == "register"
    assert imported(example).differences == ()


def test_what_is_exported_is_what_was_imported(example):
    imported(example)

    exported = reading.parse(document.text(document.exported()).encode())

    assert exported["event_sources"] == document.of_rows()["event_sources"]
    assert imported(exported).differences == ()
    assert exported["event_sources"]["product"]["secrets"] == {"product": {"env": "PRODUCT_EVENT_SECRET"}}


def test_the_flows_of_the_example_fit_hubspot_without_errors_and_warnings(example, simulator):
    cache.clear()  # fields are kept by the connection's number, which other tests use too
    imported(example)
    Connection.objects.update(base_url=simulator.hubspot.url)

    found = [one for flow in Flow.objects.all() for one in flow_check.problems(draft_of(flow))]

    assert found == []


@pytest.mark.parametrize(
    ("outcomes", "way"),
    [
        ({}, ["company", "contact", "tie", "onboarded"]),
        ({"company": "existing"}, ["company", "contact", "tie", "onboarded"]),
        ({"contact": "409"}, ["company", "contact", "tie-existing", "onboarded"]),
        ({"contact": "500"}, ["company", "contact"]),
    ],
)
def test_the_sample_of_the_example_goes_its_way(example, outcomes, way):
    imported(example)
    flow = Flow.objects.get(key="register")
    sample = EventType.objects.get(name="register").sample

    trial = flow_trial.run(flowbook.load()[flow.pk], sample, outcomes, NOON)

    assert [one.step.key for one in trial.steps] == way
    assert trial.steps[0].request["match"] == ["domain", "acme.example"]


def test_the_command_tries_both_flows_of_the_example(example):
    imported(example)
    out = StringIO()

    call_command("try_flow", "register", stdout=out)
    call_command("try_flow", "update", stdout=out)

    assert "It ends at “Onboarded” after 3 steps." in out.getvalue()
    assert "It ends at “Updated” after 2 steps." in out.getvalue()
    assert not any(model.objects.exists() for model in (FlowRun, Delivery, InboundEvent))


@pytest.mark.parametrize(
    ("key", "values", "sentence"),
    [
        ("tie", {"connection": "hubspt"}, "register.steps[3].connection: “hubspt” is not"),
        ("tie", {"transitions": [{"target": "onbord"}]}, "register.steps[3].transitions[1].target: “onbord” is"),
        ("tie", {"key": "contact"}, "register.steps[3].key: “contact” stands here twice."),
        ("tie", {"to_id": "session.compny_id"}, "register.steps[3].to_id: No step before remembers “compny_id”."),
        ("tie", {"kind": "ty"}, "register.steps[3].kind must be one of"),
        ("tie", {"colour": "red"}, "register.steps[3].colour: there is no such key."),
        ("contact", {"match_field": "mail"}, "register.steps[2].match_field: No line sends “mail”"),
        ("contact", sending(source="event.custmer.email"), "register.steps[2].sends[1].source: There is"),
        ("contact", sending(source="event.id", value_map="x"), "register.steps[2].sends[1].value_map: “x” is not"),
        ("contact", {"transitions": []}, "register.steps[2].transitions: No transition leads on"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_its_path_and_nothing_is_written(example, key, values, sentence):
    found = [one.replace("flows[register]", "register") for one in said(changed(example, key, **values))]

    assert any(one.startswith(sentence) for one in found)
    assert not Flow.objects.exists()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"source": "shop"}, "flows[update].source: “shop” is not among the event_sources."),
        ({"waits_for": "regster"}, "flows[update].waits_for: “regster” is not among the flows."),
        ({"waits_for": "update"}, "flows[update].waits_for: a flow cannot wait for itself."),
        ({"event_name": "upgrade"}, "flows[update].event_name: Product knows no event “upgrade”."),
        ({"criteria": [{"field": "plan", "operator": "is_true"}]}, "flows[update].criteria[1].field: "),
        ({"steps": []}, "flows[update].steps: The flow has no steps."),
    ],
)  # fmt: skip
def test_a_mistake_in_the_flow_itself_is_said_with_its_path(example, values, sentence):
    example["flows"]["update"].update(values)

    assert any(one.startswith(sentence) for one in said(example))


def test_a_sample_that_does_not_fit_its_schema_is_refused(example):
    del example["event_sources"]["product"]["types"]["register"]["sample"]["id"]

    assert said(example)[0].startswith("event_sources[product].types.register")


def test_a_secret_of_a_source_is_never_written_out_and_keep_leaves_it(example):
    imported(example)
    source = EventSource.objects.get()
    source.secrets.update(kept={"encrypted": "x"})

    exported = document.exported()
    imported(exported)

    assert exported["event_sources"]["product"]["secrets"] == {"product": "keep"}
    assert source.secrets.get().kept == {"encrypted": "x"}


def test_a_secret_is_removed_by_its_label_and_one_that_is_not_there_cannot_be_kept(example):
    imported(example)

    example["event_sources"]["product"]["secrets"] = {"new": {"env": "NEW"}, "product": "remove"}
    imported(example)
    assert EventSource.objects.get().secrets.get().kept == {"env": "NEW"}

    example["event_sources"]["product"]["secrets"] = {"other": "keep"}
    assert "none is stored here under “other”" in said(example)[0]


def test_steps_keep_their_rows_so_that_runs_stay_where_they_stand(example):
    imported(example)
    flow = Flow.objects.get(key="register")
    step = FlowStep.objects.get(flow=flow, key="contact")
    run = make_run(flow, make_event(flow.source), step=step)

    planned = imported(changed(example, name="Make the contact"))

    run.refresh_from_db()
    assert run.step.name == "Make the contact"
    [line] = planned.lines()
    assert line.startswith("~ flows[register].steps[contact].name: ")
    assert Transition.objects.filter(step=step).count() == 2


def test_a_step_where_runs_stand_is_not_taken_away(example):
    imported(example)
    flow = Flow.objects.get(key="register")
    make_run(flow, make_event(flow.source), step=FlowStep.objects.get(flow=flow, key="tie-existing"))
    steps = example["flows"]["register"]["steps"]
    example["flows"]["register"]["steps"] = [one for one in steps if one["key"] != "tie-existing"]
    changed(example, transitions=[{"target": "tie"}])

    assert said(example)[0].startswith("flows[register].steps: runs stand at the step “tie-existing”")


def test_prune_removes_flows_and_their_source_unless_they_have_runs(example):
    imported(example)
    empty = {"connections": {}, "event_sources": {}, "flows": {}}

    imported(empty, prune=True)
    assert not Flow.objects.exists()
    assert not EventSource.objects.exists()

    make_run(make_onboarding())
    with pytest.raises(ConfigurationError, match=r"run\(s\) belong to"):
        imported(empty, prune=True)


def test_a_flow_written_in_the_admin_survives_the_way_through_a_file(example):
    flow = make_onboarding()
    contact, end = FlowStep.objects.get(key="contact"), FlowStep.objects.get(key="onboarded")
    Transition.objects.create(
        step=contact, position=0, outcome="created", target=end, field="event.customer.name",
        operator="one_of", value='Ann, "Lee, Ben"',
    )  # fmt: skip
    text = document.text(document.exported())

    exported = reading.parse(text.encode())

    row = exported["flows"]["register"]["steps"][1]["transitions"][0]
    assert row["value"] == ["Ann", "Lee, Ben"]
    assert imported(exported).differences == ()
    flow.steps.all().delete()
    imported(exported)
    assert document.text(document.exported()) == text
