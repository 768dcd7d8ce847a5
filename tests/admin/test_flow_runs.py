"""Runs of flows in the admin: found, understood, and moved by hand with a question before."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse

from routing.models import FlowRun, FlowStep, StepTry
from tests.admin.factories import change_url, choose
from tests.factories import NOON, make_change, make_delivery
from tests.flow_factories import SAMPLE, make_event, make_onboarding, make_run

LIST = "admin:routing_flowrun_changelist"


@pytest.fixture
def flow(db):
    return make_onboarding()


@pytest.fixture
def parked(flow):
    return make_run(
        flow, stage="parked", code="no_match_value", reason="domain is empty.", remedy="Correct the event."
    )


def verb(page, run, name, **data):
    return page.post(reverse("admin:routing_flowrun_do", args=[run.pk, name]), data)


def found(page, **query):
    return {run.pk for run in page.get(reverse(LIST), query).context["cl"].result_list}


def test_the_page_tells_every_try_with_request_answer_and_who(page, parked):
    delivery = make_delivery(state="delivered", settled_at=NOON)
    StepTry.objects.create(
        run=parked, number=1, step_key="company", request={"values": {"domain": "acme.test"}}, delivery=delivery,
        outcome="created", status=201, answer={"id": "4711"}, next_key="contact", began_at=NOON, ended_at=NOON,
    )  # fmt: skip
    StepTry.objects.create(
        run=parked, number=2, step_key="contact", reason="Resumed.", actor="ann", began_at=NOON
    )

    text = page.get(change_url(parked)).content.decode()

    for part in (
        "201 created",
        "acme.test",
        "4711",
        f"Delivery {delivery.pk}",
        "Went on to <b>Contact</b>",
        "by ann",
    ):
        assert part in text
    assert "domain is empty." in text
    assert "What to do: Correct the event." in text


@pytest.mark.parametrize("term", ["c-17", "product:c-17", "ann@acme.test", "ANN@acme.test"])
def test_runs_are_found_by_subject_and_by_an_email_in_the_event(page, flow, term):
    run = make_run(flow)
    other = {**SAMPLE, "customer": {**SAMPLE["customer"], "id": "c-18", "email": "joann@acme.test"}}
    make_run(flow, make_event(flow.source, other), subject="product:c-18")

    assert found(page, q=term) == {run.pk}


def test_runs_are_found_by_the_id_of_their_event_and_of_a_record(page, flow):
    run, _ = make_run(flow), make_run(flow, make_event(flow.source), subject="product:other")
    delivery = make_delivery(remote_id="90071")
    StepTry.objects.create(run=run, number=1, step_key="company", delivery=delivery, began_at=NOON)

    assert found(page, q=str(run.event.uid)) == {run.pk}
    assert found(page, q="90071") == {run.pk}
    assert found(page, q="nobody@acme.test") == set()


def test_runs_are_filtered_by_stage_and_step_of_a_flow(page, flow, parked):
    tie = FlowStep.objects.get(key="tie")
    at_tie = make_run(flow, make_event(flow.source), step=tie)

    assert found(page, stage__exact="parked") == {parked.pk}
    assert found(page, flow__id__exact=flow.pk, step=tie.pk) == {at_tie.pk}


@pytest.mark.parametrize("name", ["resume", "retry"])
def test_a_parked_run_is_moved_once_that_is_confirmed(page, parked, name, said):
    asked = verb(page, parked, name)
    parked.refresh_from_db()
    assert asked.status_code == 200
    assert parked.stage == "parked"

    done = verb(page, parked, name, confirmed="1")

    parked.refresh_from_db()
    assert parked.stage == "ready"
    assert "1 run" in said(done)
    assert parked.history.get().actor == "boss"
    assert LogEntry.objects.filter(object_id=str(parked.pk)).exists()


def test_a_run_is_skipped_to_a_step_of_its_flow(page, parked):
    tie = FlowStep.objects.get(key="tie")
    assert "3. Tie" in verb(page, parked, "skip").content.decode()

    verb(page, parked, "skip", confirmed="1", step=tie.pk)

    parked.refresh_from_db()
    assert (parked.step, parked.stage) == (tie, "ready")


def test_a_run_is_not_skipped_to_a_step_that_is_not_offered(page, parked):
    response = verb(page, parked, "skip", confirmed="1", step="4711")

    parked.refresh_from_db()
    assert response.status_code == 200
    assert parked.stage == "parked"


def test_a_canceled_run_has_ended_and_offers_nothing_more(page, parked, said):
    verb(page, parked, "cancel", confirmed="1")

    parked.refresh_from_db()
    assert parked.stage == "canceled"
    assert parked.ended_at
    assert "cannot be done now" in said(verb(page, parked, "resume", confirmed="1"))


def test_what_cannot_be_done_is_said(page, flow, said):
    run = make_run(flow, stage="parked")
    shown = verb(page, run, "retry")
    FlowRun.objects.update(stage="ready")
    assert shown.status_code == 200

    response = verb(page, run, "retry", confirmed="1")

    assert "cannot be done now" in said(response)


def test_many_are_moved_after_one_question(page, flow, said):
    runs = [make_run(flow, make_event(flow.source), stage="parked", subject=f"s:{n}") for n in range(3)]
    going = make_run(flow, make_event(flow.source), subject="s:9")

    asked = choose(page, FlowRun, "resume_chosen", [*runs, going])
    assert asked.status_code == 200
    assert FlowRun.objects.filter(stage="parked").count() == 3

    data = {"action": "resume_chosen", "_selected_action": [run.pk for run in runs], "confirmed": "1"}
    done = page.post(reverse(LIST), data)

    assert "3 runs resumed." in said(done)
    assert not FlowRun.objects.filter(stage="parked").exists()


def test_an_action_on_runs_that_do_not_fit_says_so(page, flow, said):
    response = choose(page, FlowRun, "retry_chosen", [make_run(flow)])

    assert "None of the chosen runs can be retried now." in said(response)


def test_those_who_may_only_look_see_no_verbs(visitor, parked, django_user_model):
    user = django_user_model.objects.get(username="guest")
    user.user_permissions.add(Permission.objects.get(codename="view_flowrun"))

    text = visitor.get(change_url(parked)).content.decode()
    verb(visitor, parked, "cancel", confirmed="1")

    assert "Skip to a step" not in text
    parked.refresh_from_db()
    assert parked.ended_at is None


def test_a_run_of_a_flow_that_is_off_says_that_it_stands_still(page, parked):
    make_run(parked.flow, make_event(parked.flow.source), started_at=NOON - timedelta(days=1))

    assert "Its flow is off" in page.get(change_url(parked)).content.decode()


def test_the_dashboard_tells_of_flows_where_there_are_some(page, db):
    assert "Parked now" not in page.get(reverse("admin:index")).content.decode()

    make_run(make_onboarding(), stage="parked")

    numbers = {one["label"]: one["value"] for one in page.get(reverse("admin:index")).context["flows"]}
    assert numbers["Parked now"] == 1
    assert numbers["Open now"] == 0


def test_the_timeline_finds_a_customers_runs_and_events(page, flow, parked):
    alone = make_event(flow.source, {**SAMPLE, "event": "update"})

    text = page.get(reverse("console:timeline"), {"q": "ann@acme.test"}).content.decode()

    assert change_url(parked) in text
    assert str(alone.uid) in text
    assert "Nothing found" not in text


def test_the_timeline_of_a_record_tells_of_the_runs_of_its_email(page, parked):
    change = make_change(email="ann@acme.test")

    text = page.get(reverse("console:timeline_record", args=[change.record_id])).content.decode()

    assert change_url(parked) in text


def test_the_timeline_shows_no_runs_to_those_who_may_not_see_them(visitor, parked, django_user_model):
    user = django_user_model.objects.get(username="guest")
    user.user_permissions.add(Permission.objects.get(codename="view_change"))

    text = visitor.get(reverse("console:timeline"), {"q": "ann@acme.test"}).content.decode()

    assert "Flow runs" not in text


def test_a_delivery_leads_to_the_run_that_wants_it(page, parked):
    delivery = make_delivery(dedup_key=f"flowrun:{parked.pk}:1", origin="flow:register")

    assert change_url(parked) in page.get(change_url(delivery)).content.decode()


def test_the_numbers_of_the_dashboard_lead_to_the_runs_they_count(page, parked):
    going = make_run(parked.flow, make_event(parked.flow.source), stage="sending")

    lists = {one["label"]: one["query"] for one in page.get(reverse("admin:index")).context["flows"]}

    assert found(page, **dict([lists["Open now"].split("=")])) == {going.pk}
    assert found(page, **dict([lists["Parked now"].split("=")])) == {parked.pk}
