"""A flow is drawn, corrected and tried; a parked run is understood and moved on."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from routing.models import Flow, FlowRun, FlowStep, StepTry
from syncs.models import EventSource
from tests.factories import NOON
from tests.flow_factories import make_event, make_onboarding, make_run


@pytest.fixture
def flow(hub):
    """The flows of the demo make way for the one that is looked at."""
    Flow.objects.all().delete()
    EventSource.objects.all().delete()
    return make_onboarding()


def open_flow(page, flow):
    page.goto(f"/admin/routing/flow/{flow.pk}/change/")
    return page


def test_the_diagram_leads_to_steps_and_to_the_runs_that_stand_there(page, flow):
    contact = FlowStep.objects.get(key="contact")
    parked = make_run(
        flow, step=contact, stage="parked", reason="email is empty.", remedy="Correct the event."
    )
    open_flow(page, flow)
    drawing = page.get_by_role("img", name="The steps of Register")
    expect(drawing).to_be_visible()

    drawing.get_by_role("link", name="1 parked").click()
    expect(page.get_by_text("email is empty.")).to_be_visible()
    page.get_by_role("link", name=str(parked.pk), exact=True).first.click()
    expect(page.get_by_text("What to do: Correct the event.")).to_be_visible()

    open_flow(page, flow).get_by_role("img", name="The steps of Register").get_by_text(
        "Contact", exact=True
    ).click()
    expect(page).to_have_url(re.compile(f"/flowstep/{contact.pk}/change/"))


def test_a_misspelt_path_gets_a_suggestion_and_then_the_step_is_saved(page, flow):
    step = FlowStep.objects.get(key="company")
    page.goto(f"/admin/routing/flowstep/{step.pk}/change/")
    expect(page.locator("[name=path]")).to_be_hidden()

    page.fill("[name=sends-1-source]", "event.company.nme")
    page.click("[name=_continue]")
    expect(page.get_by_text("Did you mean “name”?").first).to_be_visible()

    page.fill("[name=sends-1-source]", "event.customer.name")
    page.click("[name=_save]")

    expect(page.get_by_role("img", name="The steps of Register")).to_be_visible()
    assert step.fields.get(destination="name").source == "event.customer.name"


def test_a_step_is_added_and_led_to(page, flow):
    open_flow(page, flow).get_by_role("link", name="Add a step").click()
    page.fill("[name=name]", "Tell the team")
    page.select_option("[name=kind]", "end")
    page.click("[name=_save]")

    expect(page.get_by_text("No way leads here.").first).to_be_visible()
    assert FlowStep.objects.get(flow=flow, key="tell-the-team").position == 5


def test_a_test_run_shows_what_would_be_sent_with_the_answers_chosen(page, flow):
    open_flow(page, flow).get_by_role("link", name="Test run").click()
    expect(page.get_by_text("It ends at “Onboarded” after 3 steps.")).to_be_visible()

    page.select_option("[name=outcome-contact]", "500")
    page.get_by_role("button", name="Try").click()

    expect(page.get_by_text("repeated until the vendor answers").first).to_be_visible()
    assert not FlowRun.objects.exists()


def test_a_flow_with_a_problem_is_not_switched_on_and_one_without_is(page, flow):
    FlowStep.objects.filter(key="tie").update(to_id="session.nobody")
    open_flow(page, flow).get_by_role("button", name="Enable").click()
    expect(page.get_by_text("No step before remembers “nobody”.").first).to_be_visible()
    assert not Flow.objects.get().enabled

    FlowStep.objects.filter(key="tie").update(to_id="session.company_id")
    open_flow(page, flow).get_by_role("button", name="Enable").click()

    expect(page.get_by_text("is on, for events that come from now.").first).to_be_visible()
    assert Flow.objects.get().enabled


def test_a_parked_run_tells_its_history_and_is_skipped_to_another_step(page, flow):
    run = make_run(
        flow, stage="parked", code="invalid", reason="domain is empty.", remedy="Correct the event."
    )
    StepTry.objects.create(
        run=run, number=1, step_key="company", request={"values": {"name": "Acme"}}, outcome="rejected",
        status=400, code="invalid", reason="domain is empty.", began_at=NOON, ended_at=NOON,
    )  # fmt: skip
    page.goto(f"/admin/routing/flowrun/{run.pk}/change/")
    expect(page.get_by_text("400 rejected")).to_be_visible()
    page.get_by_text("What was sent").click()
    expect(page.get_by_text('"name": "Acme"', exact=False).first).to_be_visible()

    page.get_by_role("link", name="Skip to a step").click()
    page.select_option("[name=step]", label="3. Tie")
    page.get_by_role("button", name="Skip").click()

    expect(page.get_by_text("1 run skipped.").first).to_be_visible()
    run.refresh_from_db()
    assert (run.step.key, run.stage) == ("tie", "ready")


def test_many_parked_runs_are_resumed_after_one_question(page, flow):
    for number in range(3):
        make_run(flow, make_event(flow.source), stage="parked", subject=f"product:{number}")
    page.goto("/admin/routing/flowrun/")
    page.get_by_role("checkbox").first.check()
    page.select_option("[name=action]", "resume_chosen")
    page.get_by_role("button", name=re.compile("^(Run|Go)")).first.click()
    expect(page.get_by_text("Let it go on where it stands?").first).to_be_visible()

    page.get_by_role("button", name="Resume").click()

    expect(page.get_by_text("3 runs resumed.").first).to_be_visible()
    assert not FlowRun.objects.filter(stage="parked").exists()
