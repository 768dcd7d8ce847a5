"""Flows: events become runs, runs go from step to step by what is answered, one customer's one after the other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from integration_hub.connectors import registry
from routing import tasks, work
from routing.flows import engine as flows
from routing.flows import queue as flow_queue
from routing.models import FlowRun, FlowStep, StepTry, Transition
from syncs import leases, listeners, outbox, pruning
from syncs import tasks as sync_tasks
from syncs.engine import push
from syncs.events import inbox
from syncs.events import listeners as event_listeners
from syncs.models import Delivery, HubSettings, InboundEvent, Incident, KnownRecord
from tests.factories import NOON
from tests.routing import crm
from tests.routing.crm import make_crm, make_flow, make_onboarding, make_source, make_step, make_update

pytestmark = pytest.mark.django_db


class Hub:
    def __init__(self):
        self.now = NOON
        self.connection = make_crm()

    def post(self, name="register", number=1, **customer):
        data = {
            "event": name,
            "customer": {"id": f"C{number}", "email": f"c{number}@acme.test", **customer},
            "company": {"domain": "acme.test", "name": "Acme"},
        }
        return inbox.emit(make_source(), name, data, None, None, self.now)

    def go(self, rounds=8):
        for _ in range(rounds):
            flows.run(self.now)
            self.push()

    def push(self):
        self.connection.refresh_from_db()
        return push.run(self.connection, self.now, clock=lambda: self.now, sleep=self.wait)

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(crm, "WORLD", crm.World())
    return crm.WORLD


@pytest.fixture
def hub(world, monkeypatch):
    monkeypatch.setitem(registry.CONNECTORS, "crm", "tests.routing.crm.Crm")
    return Hub()


def stages():
    return list(FlowRun.objects.order_by("pk").values_list("stage", flat=True))


def history(run):
    return list(run.history.values_list("step_key", "outcome", "next_key"))


def test_a_register_makes_company_and_contact_and_ties_them(hub, world):
    make_onboarding(hub.connection)
    event = hub.post()

    hub.go()

    run = FlowRun.objects.get()
    assert run.stage == "done"
    assert run.ended_at == NOON
    assert run.subject == "product:c1"
    assert run.session == {"company_id": "1", "contact_id": "1"}
    assert world.ties == [("1", "1")]
    assert history(run) == [
        ("company", "created", "contact"),
        ("contact", "created", "tie"),
        ("tie", "tied", "end"),
        ("end", "done", ""),
    ]
    first = run.history.first()
    assert first.request["values"] == {"domain": "acme.test", "name": "Acme"}
    assert (first.status, first.answer["properties"]["name"]) == (201, "Acme")
    event.refresh_from_db()
    assert (event.state, event.problem_code) == ("routed", "")
    assert not Incident.objects.exists()


def test_what_is_there_already_is_tied(hub, world):
    make_onboarding(hub.connection)
    world.add("contacts", email="C1@acme.test")
    hub.post()

    hub.go()

    assert history(FlowRun.objects.get())[1] == ("contact", "existing", "tie")
    assert len(world.records["contacts"]) == 1


def test_many_of_one_domain_make_one_company(hub, world):
    make_onboarding(hub.connection)
    for number in range(30):
        hub.post(number=number)

    hub.go(4)

    assert set(stages()) == {"done"}
    assert len(world.records["companies"]) == 1
    assert len(set(world.ties)) == 30
    assert world.batches["create:companies"] == 1
    assert world.batches["create:contacts"] <= 2


def test_runs_of_large_events_are_moved_fewer_at_once_and_all_get_there(hub, world, monkeypatch):
    make_onboarding(hub.connection)
    for number in range(5):
        hub.post(number=number)
    size = len(InboundEvent.objects.first().body)
    monkeypatch.setattr(inbox, "MOST_BYTES", 2 * size)
    loaded = []
    locked = flow_queue.locked
    monkeypatch.setattr(flow_queue, "locked", lambda pks, now: loaded.append(len(pks)) or locked(pks, now))

    hub.go()

    assert stages() == ["done"] * 5
    assert set(loaded) == {1, 2}


def test_what_is_known_needs_no_call_and_what_is_gone_is_forgotten(hub, world):
    flow = make_onboarding(hub.connection)
    hub.post()
    hub.go()
    assert KnownRecord.objects.count() == 2
    del world.records["companies"]["1"]
    tie = flow.steps.get(key="tie")
    tie.kind, tie.operation, tie.object_type, tie.remote_id = (
        "write",
        "update",
        "companies",
        "session.company_id",
    )
    tie.save()

    hub.post(number=2)
    hub.go()

    run = FlowRun.objects.last()
    assert history(run)[0] == ("company", "existing", "contact")
    assert world.batches["create:companies"] == 1
    assert (run.stage, run.code) == ("parked", "gone")
    assert not KnownRecord.objects.filter(object_type="companies").exists()


def test_a_refusal_without_a_way_on_parks_the_run_and_tells_once(hub):
    make_onboarding(hub.connection)
    for number in range(3):
        hub.post(number=number, email=f"bad{number}@acme.test")

    hub.go()

    assert set(stages()) == {"parked"}
    run = FlowRun.objects.first()
    assert (run.code, run.reason, run.step.key) == ("invalid", "It is no address.", "contact")
    assert run.delivery.state == "dead"
    incident = Incident.objects.get()
    assert (incident.kind, incident.count, incident.origin) == ("parked", 3, "flow:register")


@pytest.mark.parametrize("outcome", ["rejected", "400", "4xx"])
def test_a_refusal_with_a_way_on_is_no_dead_letter(hub, outcome):
    flow = make_onboarding(hub.connection)
    contact, end = flow.steps.get(key="contact"), flow.steps.get(key="end")
    Transition.objects.create(step=contact, position=9, outcome=outcome, target=end)
    hub.post(email="bad@acme.test")

    hub.go()

    assert stages() == ["done"]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered", "dismissed"}
    assert not Incident.objects.exists()


def test_an_outage_only_delays(hub, world):
    make_onboarding(hub.connection)
    hub.post()
    world.down = True
    for _ in range(120):
        hub.go(1)
        hub.wait(300)
    assert stages() == ["sending"]
    assert Delivery.objects.get().attempts > 100

    world.down = False
    hub.wait(1000)
    hub.go()

    assert stages() == ["done"]
    assert len(world.records["companies"]) == 1


def test_an_answer_that_was_lost_makes_no_second_company(hub, world):
    make_onboarding(hub.connection)
    hub.post()
    world.lose_answers = 1
    hub.go(2)

    hub.wait(60)
    hub.go()

    assert stages() == ["done"]
    assert len(world.records["companies"]) == 1


def test_an_update_that_overtakes_its_register_waits_for_it(hub, world):
    register = make_onboarding(hub.connection)
    make_update(hub.connection, register)
    hub.post("update", city="Pune")
    hub.post("update", city="Delhi")
    hub.go()
    assert stages() == ["ready", "ready"]

    hub.post("register")
    hub.go()

    assert stages() == ["done"] * 3
    assert world.records["contacts"]["1"]["city"] == "Delhi"
    ended = dict(StepTry.objects.filter(step_key="end").values_list("run__flow__key", "pk"))
    assert ended["register"] < ended["update"]


def test_an_update_whose_register_never_comes_is_parked_and_goes_on_when_it_came_after_all(hub):
    register = make_onboarding(hub.connection)
    make_update(hub.connection, register, wait_seconds=60)
    hub.post("update", city="Pune")
    hub.go()
    hub.wait(61)
    hub.go()
    run = FlowRun.objects.get()
    assert (run.stage, run.code) == ("parked", "waited_in_vain")
    assert "Register" in run.reason

    hub.post("register")
    hub.go()

    assert stages() == ["done", "done"]
    assert Incident.objects.get().closed_at == hub.now


def test_of_one_customer_only_the_first_run_moves(hub):
    make_onboarding(hub.connection)
    hub.post(email="bad@acme.test")
    hub.post(email="good@acme.test")
    hub.post(number=2)

    hub.go()

    assert stages() == ["parked", "ready", "done"]


def test_the_subject_does_not_count_case_and_blanks(hub):
    make_onboarding(hub.connection)
    hub.post(id=" Abc ")
    hub.post(id="abc")

    flows.run(hub.now)

    assert set(FlowRun.objects.values_list("subject", flat=True)) == {"product:abc"}
    assert sorted(stages()) == ["ready", "sending"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"event_name": "other"}, "no_flow"), ({"enabled": False}, "flow_off"), ({}, "not_wanted")],
)
def test_an_event_that_nobody_takes_up_says_why(hub, change, code):
    flow = make_flow(**change)
    flow.criteria.create(field="customer.vip", operator="is_true")
    event = hub.post()

    flows.run(hub.now)

    event.refresh_from_db()
    assert (event.state, event.problem_code) == ("routed", code)
    assert event.problem
    assert not FlowRun.objects.exists()


def test_a_condition_that_cannot_be_told_parks_the_run(hub):
    flow = make_onboarding(hub.connection)
    flow.criteria.create(field="customer.email", operator="greater", value="3")
    hub.post()

    flows.run(hub.now)

    assert FlowRun.objects.get().code == "condition"
    assert Incident.objects.get().kind == "parked"


def test_an_event_without_its_subject_is_parked(hub):
    make_onboarding(hub.connection)
    hub.post(id="")

    flows.run(hub.now)

    run = FlowRun.objects.get()
    assert (run.code, run.subject) == ("no_subject", "")


def test_nothing_moves_while_flow_or_hub_is_off(hub):
    flow = make_onboarding(hub.connection)
    hub.post()
    flows.run(hub.now)
    flow.enabled = False
    flow.save()
    hub.go()
    assert (stages(), Delivery.objects.get().state) == (["sending"], "waiting")

    flow.enabled = True
    flow.save()
    HubSettings.objects.update(enabled=False)
    assert flows.run(hub.now) is None


def make_call(hub, **values):
    flow = make_flow()
    crm.link(
        make_step(
            flow, "call", kind="call", connection=hub.connection, method="POST", path="/c/{{ event.customer.id }}",
            body='{"mail": "{{ event.customer.email }}"}', remembered=[("answer.token", "token")],
            to=values.get("to", [("sent", "end")]),
        ),
        make_step(flow, "other", kind="end"),
        make_step(flow, "end", kind="end"),
    )  # fmt: skip
    return flow


def test_a_call_is_sent_and_its_answer_remembered(hub, world):
    make_call(hub)
    world.answer = {"token": "abc\x00"}
    hub.post()

    hub.go()

    [sent] = world.calls
    assert sent == {"method": "POST", "path": "/c/C1", "headers": {}, "body": {"mail": "c1@acme.test"}}
    assert FlowRun.objects.get().session == {"token": "abc"}


@pytest.mark.parametrize(
    ("answer", "to", "end"),
    [
        ({"kind": "b"}, [("sent", "other", "answer.kind", "equals", "a"), ("any", "end")], "end"),
        ({"kind": "a"}, [("sent", "other", "answer.kind", "equals", "a"), ("any", "end")], "other"),
        (404, [("404", "other", "answer.why", "equals", "no"), ("any", "end")], "other"),
    ],
)
def test_status_and_answer_pick_the_next_step(hub, world, answer, to, end):
    make_call(hub, to=to)
    world.answer = answer
    hub.post()

    hub.go()

    assert FlowRun.objects.get().step.key == end


def test_a_long_answer_is_not_kept(hub, world):
    make_call(hub)
    world.answer = {"token": "t", "text": "x" * 20_000}
    hub.post()

    hub.go()

    run = FlowRun.objects.get()
    assert (run.stage, run.history.first().answer) == ("done", {"id": None, "too_long": True})


def test_an_outcome_that_no_transition_takes_parks_the_run(hub):
    make_call(hub, to=[("404", "end")])
    hub.post()

    hub.go()

    run = FlowRun.objects.get()
    assert (run.code, run.delivery) == ("no_transition", None)
    assert run.reason == "No transition of “Call” takes the outcome “sent” (200)."


def make_local(*kinds, key="register"):
    """Steps that need no answer, one after the other, and an end."""
    flow = make_flow(key)
    names = [f"{kind}{number}" for number, kind in enumerate(kinds)]
    steps = [
        make_step(
            flow, name, kind=kind, event_name="welcome" if kind == "emit" else "",
            sent=[("event.customer.email", "email")] if kind == "emit" else (),
            remembered=[("event.customer.id", "who")], to=[("done", after)],
        )
        for name, kind, after in zip(names, kinds, [*names[1:], "end"], strict=True)
    ]  # fmt: skip
    crm.link(*steps, make_step(flow, "end", kind="end"))
    return flow


def test_steps_that_need_no_answer_run_on_at_once(hub):
    make_local("remember", "emit", "remember")
    event = hub.post()

    flows.run(hub.now)

    run = FlowRun.objects.get(flow__key="register")
    assert (run.stage, run.session, run.tries) == ("done", {"who": "C1"}, 4)
    emitted = InboundEvent.objects.exclude(pk=event.pk).get()
    assert (emitted.name, emitted.data, emitted.cause) == ("welcome", {"email": "c1@acme.test"}, event)


def test_flows_that_feed_each_other_come_to_an_end(hub):
    flow = make_local("emit")
    FlowStep.objects.filter(flow=flow).update(event_name="register")
    hub.post()

    for _ in range(20):
        flows.run(hub.now)

    assert FlowRun.objects.last().code == "emitted_too_deep"
    assert FlowRun.objects.count() == flows.DEEPEST


def test_a_flow_that_goes_round_is_stopped(hub):
    flow = make_local("remember", "remember")
    Transition.objects.filter(step__key="remember1").update(target=flow.steps.first())
    hub.post()

    flows.run(hub.now)

    run = FlowRun.objects.get()
    assert (run.stage, run.code, run.tries) == ("parked", "too_many_tries", 100)


def test_one_run_that_the_database_refuses_stops_no_other(hub, monkeypatch):
    make_onboarding(hub.connection)
    events = [hub.post(number=number) for number in range(5)]
    refuse = flows._Moving._store

    def store(self, passages):
        if any(passage.run.event_id == events[2].pk for passage in passages):
            raise ValueError("no")
        refuse(self, passages)

    monkeypatch.setattr(flows._Moving, "_store", store)

    flows.run(hub.now)

    assert stages() == ["sending", "sending", "parked", "sending", "sending"]


def test_a_dead_letter_that_is_requeued_takes_its_run_along(hub, world):
    make_call(hub)
    world.answer = 400
    hub.post()
    hub.go()
    assert stages() == ["parked"]

    world.answer = None
    outbox.requeue(Delivery.objects.all(), hub.now)
    hub.go()

    assert stages() == ["done"]
    assert Incident.objects.get().closed_at


def test_two_at_once_do_not_fight(hub):
    make_onboarding(hub.connection)
    hub.post()
    with leases.held("flows", 90, hub.now):
        assert flows.run(hub.now) is None


def test_a_tick_takes_a_run_to_its_end(hub, world):
    make_onboarding(hub.connection)
    hub.post()

    report = work.tick(hub.now, clock=lambda: hub.now, sleep=hub.wait)

    assert stages() == ["done"]
    assert report["errors"] == []
    assert sum(done["ended"] for done in report["flows"]) == 1


def test_workers_are_woken_for_events_and_for_answers(hub, world, monkeypatch):
    woken = []
    monkeypatch.setattr("syncs.queues.wake", lambda function, *_args, queue: woken.append(function))
    make_onboarding(hub.connection)
    hub.now = timezone.now()
    hub.post()

    work.dispatch(hub.now, {})
    assert woken == ["routing.tasks.move_flows"]
    tasks.move_flows()
    assert woken[1:] == ["syncs.tasks.push_connection"]
    sync_tasks.push_connection(hub.connection.pk)
    assert woken[2:] == ["routing.tasks.move_flows"]


def test_ended_runs_are_pruned_but_for_who_was_ever_registered(hub, world):
    register = make_onboarding(hub.connection)
    make_update(hub.connection, register)
    hub.post()
    hub.post()
    hub.post("update", city="Pune")
    hub.post(number=2, email="bad@acme.test")
    hub.go()
    assert stages() == ["done", "done", "done", "parked"]

    pruned = pruning.prune(hub.now + timedelta(days=400))

    assert pruned.rows["flow runs"] == 2
    kept = FlowRun.objects.order_by("pk").first()
    assert (kept.stage, kept.session, kept.history.count()) == ("done", {}, 0)
    assert InboundEvent.objects.count() == 2
    hub.post("update", city="Delhi")
    hub.go()
    assert stages() == ["done", "parked", "done"]


def test_what_came_of_an_event_is_told(hub, world):
    make_onboarding(hub.connection)
    event = hub.post()
    hub.go()

    [fate] = event_listeners.fates(event)

    assert (fate.what, fate.stage, fate.step, fate.reason) == ("flow:register", "done", "end", "")
    assert listeners.name("flow:register") == "the flow “Register”"


def test_what_is_only_for_new_or_empty_fields_spares_what_is_there(hub, world):
    flow = make_flow()
    step = make_step(
        flow, "contact", connection=hub.connection, operation="upsert", object_type="contacts", match_field="email",
        sent=[("event.customer.email", "email")], to=[("any", "end")],
    )  # fmt: skip
    for destination, mode in (("stage", "on_create"), ("city", "if_empty"), ("phone", "if_empty")):
        step.fields.create(default="new", destination=destination, write_mode=mode)
    crm.link(step, make_step(flow, "end", kind="end"))
    world.add("contacts", email="c1@acme.test", stage="old", city="Pune")
    for number in (1, 2):
        hub.post(number=number)

    hub.go()

    assert list(world.records["contacts"].values()) == [
        {"email": "c1@acme.test", "stage": "old", "city": "Pune", "phone": "new"},
        {"email": "c2@acme.test", "stage": "new", "city": "new", "phone": "new"},
    ]
