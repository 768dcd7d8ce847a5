"""What people do to runs: each is in the run's history and in the log of changes, and none sends anything twice."""

from __future__ import annotations

import io
import json

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command

from routing.flows import verbs as flow_verbs
from routing.flows.verbs import VerbError
from routing.models import FlowRun, Transition
from syncs.models import Delivery, Incident
from tests.routing import crm
from tests.routing.crm import make_onboarding, make_update
from tests.routing.test_flows import Hub, history, hub, make_call, stages, world  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def kim(django_user_model):
    return django_user_model.objects.create_user("kim")


@pytest.fixture
def parked(hub: Hub):  # noqa: F811
    """A run whose call was refused."""
    make_call(hub)
    crm.WORLD.answer = 400
    hub.post()
    hub.go()
    crm.WORLD.answer = None
    return FlowRun.objects.get()


def test_resuming_sends_the_dead_letter_again(hub, parked, kim):  # noqa: F811
    flow_verbs.resume(parked, kim, hub.now)
    hub.go()

    assert stages() == ["done"]
    assert Delivery.objects.count() == 1
    noted = parked.history.get(actor="kim")
    assert (noted.number, noted.reason) == (2, "Resumed.")
    assert LogEntry.objects.get().user == kim
    assert Incident.objects.get().closed_at


def test_retrying_prepares_the_step_anew(hub, parked, kim):  # noqa: F811
    step = parked.step
    step.path = "/corrected"
    step.save()

    flow_verbs.retry(parked, kim, hub.now)
    hub.go()

    assert stages() == ["done"]
    assert [call["path"] for call in crm.WORLD.calls] == ["/c/C1", "/corrected"]
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["dismissed", "delivered"]


def test_retrying_what_may_have_arrived_looks_for_it_first(hub, world, kim):  # noqa: F811
    make_onboarding(hub.connection)
    hub.post()
    world.lose_answers = 1
    hub.go(2)
    Delivery.objects.update(state="dead", settled_at=hub.now, error_code="no_answer", error="No answer.")
    hub.go(1)
    run = FlowRun.objects.get()
    assert (run.stage, run.code) == ("parked", "no_answer")

    flow_verbs.retry(run, kim, hub.now)
    hub.go()

    assert stages() == ["done"]
    assert len(world.records["companies"]) == 1


def test_skipping_goes_on_with_another_step(hub, parked, kim):  # noqa: F811
    flow_verbs.skip(parked, parked.flow.steps.get(key="other"), kim, hub.now)
    hub.go()

    assert history(parked)[1:] == [("call", "", "other"), ("other", "done", "")]
    assert Delivery.objects.get().state == "dismissed"
    assert len(crm.WORLD.calls) == 1


def test_canceling_lets_the_customers_next_run_go(hub, world, kim):  # noqa: F811
    register = make_onboarding(hub.connection)
    make_update(hub.connection, register)
    hub.post(email="bad@acme.test")
    hub.post("update", city="Pune")
    hub.go()
    first = FlowRun.objects.first()
    assert stages() == ["parked", "ready"]

    flow_verbs.cancel(first, kim, hub.now)
    world.add("contacts", email="c1@acme.test")
    hub.go()

    assert stages() == ["canceled", "done"]
    first.refresh_from_db()
    assert first.ended_at == hub.now


def test_resuming_after_a_transition_was_added_does_not_send_again(hub, world, kim):  # noqa: F811
    flow = make_call(hub, to=[("404", "end")])
    hub.post()
    hub.go()
    run = FlowRun.objects.get()
    with pytest.raises(VerbError, match="No transition"):
        flow_verbs.resume(run, kim, hub.now)
    assert run.history.count() == 1
    Transition.objects.create(step=run.step, position=2, outcome="any", target=flow.steps.get(key="end"))

    flow_verbs.resume(run, kim, hub.now)
    hub.go()

    assert stages() == ["done"]
    assert len(world.calls) == 1


def test_a_run_that_waited_in_vain_is_let_go_without(hub, world, kim):  # noqa: F811
    make_update(hub.connection, make_onboarding(hub.connection), wait_seconds=1)
    world.add("contacts", email="c1@acme.test")
    hub.post("update", city="Pune")
    hub.go(1)
    hub.wait(2)
    hub.go(1)
    assert stages() == ["parked"]

    flow_verbs.resume(FlowRun.objects.get(), kim, hub.now)
    hub.go()

    assert stages() == ["done"]


def test_what_has_ended_or_goes_on_by_itself_is_left_alone(hub, parked, kim):  # noqa: F811
    hub.post(number=2)
    hub.go(1)
    other = FlowRun.objects.last()
    assert other.stage == "sending"
    with pytest.raises(VerbError, match="goes on by itself"):
        flow_verbs.retry(other, kim, hub.now)
    flow_verbs.cancel(parked, kim, hub.now)
    with pytest.raises(VerbError, match="has ended"):
        flow_verbs.resume(parked, kim, hub.now)


def test_a_request_on_the_way_is_waited_for(hub, kim):  # noqa: F811
    make_call(hub)
    hub.post()
    from routing.flows import engine as flows

    flows.run(hub.now)
    Delivery.objects.update(state="sending")

    with pytest.raises(VerbError, match="on the way"):
        flow_verbs.cancel(FlowRun.objects.get(), kim, hub.now)


def command(*args):
    out = io.StringIO()
    call_command("flows", *args, stdout=out)
    return out.getvalue()


def test_the_command_moves_lists_and_does_each_verb(hub, parked):  # noqa: F811
    listed = json.loads(command("--json", "list", "--stage", "parked"))
    assert (listed["run"], listed["step"], listed["code"]) == (parked.pk, "call", "refused")
    assert command("list") == f"{parked.pk} register: parked at call. Refused.\n"

    assert command("retry", str(parked.pk)) == f"Run {parked.pk}: Ready for its step.\n"
    assert command() == "0 started, 1 moved, 0 ended, 0 parked.\n"
    assert command("skip", str(parked.pk), "other") == f"Run {parked.pk}: Ready for its step.\n"
    assert json.loads(command("--json")) == {"started": 0, "moved": 1, "ended": 1, "parked": 0}

    with pytest.raises(CommandError, match="has ended"):
        command("cancel", str(parked.pk))
    with pytest.raises(CommandError, match="There is no run 0"):
        command("resume", "0")
    assert parked.history.filter(actor="manage.py").count() == 2
