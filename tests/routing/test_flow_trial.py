"""A trial shows each request, answer and way, and neither stores nor sends."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from routing.flows import book as flowbook
from routing.flows import trial as flow_trial
from routing.models import Flow, FlowRun, FlowStep
from syncs.models import Delivery, InboundEvent
from tests.factories import NOON
from tests.flow_factories import SAMPLE, lead, make_onboarding, make_step


@pytest.fixture
def flow(db):
    return make_onboarding()


def tried(flow, event=SAMPLE, **outcomes):
    return flow_trial.run(flowbook.load()[flow.pk], event, outcomes, NOON)


def way(trial):
    return [one.step.key for one in trial.steps]


def told(*arguments):
    out = StringIO()
    call_command("try_flow", *arguments, stdout=out)
    return out.getvalue()


def test_each_step_shows_what_would_be_sent_and_what_is_remembered(flow):
    trial = tried(flow)

    company, contact, tie, _ = trial.steps
    assert company.request["values"] == {"domain": "acme.test", "name": "Acme"}
    assert company.request["match"] == ["domain", "acme.test"]
    assert company.remembered == {"company_id": "1001"}
    assert contact.answered.outcome == "created"
    assert (tie.request["from_id"], tie.request["to_id"]) == ("1002", "1001")
    assert trial.ended
    assert trial.subject == "product:c-17"
    assert trial.end == "It ends at “Onboarded” after 3 steps."


@pytest.mark.parametrize("outcome", ["409", "existing"])
def test_an_existing_contact_is_tied(flow, outcome):
    trial = tried(flow, contact=outcome)

    assert way(trial) == ["company", "contact", "tie", "onboarded"]
    assert trial.steps[1].answered.outcome == "existing"
    assert trial.steps[1].taken == "“existing” takes it"


def test_an_outage_keeps_the_run_on_its_step(flow):
    trial = tried(flow, contact="500")

    assert way(trial) == ["company", "contact"]
    assert "repeated until the vendor answers" in trial.end


def test_a_refusal_without_a_transition_parks_the_run(flow):
    trial = tried(flow, contact="rejected")

    assert "No transition of “Contact” takes the outcome “rejected” (400)." in trial.end
    assert not trial.ended


def test_an_event_without_what_the_step_needs_parks_the_run_and_says_why(flow):
    trial = tried(flow, {**SAMPLE, "company": {"name": "Acme"}})

    assert way(trial) == ["company"]
    assert "domain is empty" in trial.end


def test_a_condition_on_the_answer_picks_the_way(flow):
    contact, end = FlowStep.objects.get(key="contact"), FlowStep.objects.get(key="onboarded")
    lead(contact, "created", end, position=0, field="event.customer.seats", operator="greater", value="10")

    trial = tried(flow)

    assert way(trial) == ["company", "contact", "onboarded"]
    assert "event.customer.seats greater 10" in trial.steps[1].taken


def test_what_goes_round_is_stopped(flow):
    company = FlowStep.objects.get(key="company")
    company.transitions.all().delete()
    lead(company, "any", company)

    assert "it goes round" in tried(flow).end


def test_an_event_that_would_not_start_it_is_tried_all_the_same(flow):
    flow.criteria.create(field="customer.seats", operator="greater", value="100")

    trial = tried(flow)

    assert "row 1 (customer.seats) says no" in trial.starts
    assert trial.ended


def test_an_emitted_event_is_shown_and_not_emitted(flow):
    emit = make_step(flow, "tell", "emit", event_name="update")
    FlowStep.objects.get(key="tie").transitions.update(target=emit)
    lead(emit, "done", FlowStep.objects.get(key="onboarded"))

    trial = tried(flow)

    assert trial.steps[3].request["event"] == "update"
    assert not trial.steps[3].leaves


def test_nothing_is_stored_by_a_trial(flow):
    told("register", "--outcome", "contact=409")

    assert not any(model.objects.exists() for model in (FlowRun, Delivery, InboundEvent))


def test_the_command_tells_each_step(flow):
    text = told("register", "--outcome", "contact=409")

    assert "1. Company (company)" in text
    assert 'would send: {"operation": "upsert", "object": "companies"' in text
    assert "simulated answer: 409 existing" in text
    assert "next: tie (“existing” takes it)" in text


def test_the_command_takes_an_event_from_a_file_and_fails_if_it_comes_to_no_end(flow, tmp_path):
    file = tmp_path / "event.json"
    file.write_text(json.dumps({"event": "register"}))

    with pytest.raises(CommandError, match="came to no end"):
        told("register", "--event", str(file))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "nothing"),
        (["register", "--outcome", "compny=ok"], "there is no step “compny”"),
        (["register", "--outcome", "company=fine"], "give a word such as ok"),
        (["register", "--event", "/nowhere.json"], "cannot be read"),
    ],
)
def test_the_command_says_what_is_wrong_with_its_arguments(flow, arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        told(*arguments)


def test_the_command_asks_for_an_event_where_there_is_no_sample(flow):
    flow.source.types.update(sample=None)

    with pytest.raises(CommandError, match="has no sample"):
        told("register")
    assert Flow.objects.count() == 1
