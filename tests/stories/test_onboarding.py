"""Onboarding against the pretend HubSpot: a register makes company and contact, once, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from integration_hub.simulator.hubspot import ACCESS_TOKEN
from routing import work
from routing.flows import engine as flows
from routing.flows import verbs as flow_verbs
from routing.models import FlowRun, Transition
from syncs.engine import push
from syncs.events import inbox
from syncs.models import Delivery, Incident, KnownRecord
from tests.factories import make_connection
from tests.routing.crm import make_onboarding, make_source, make_update
from tests.stories.test_crashes import killed_after

LEASE = timedelta(seconds=settings.LEASE_SECONDS + 1)
MOST_STATEMENTS = 200


class Shop:
    """A product that posts events, its HubSpot, and a clock that only the story moves."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.now = timezone.now()  # the directory, which asks HubSpot for its owners, goes by the real clock
        simulator.set_clock(self.now)
        self.hubspot = simulator.hubspot
        self.connection = make_connection(
            "hubspot",
            base_url=simulator.hubspot.url,
            settings={"credential": "token", "api_version": "v3"},
            secrets={"access_token": ACCESS_TOKEN},
        )
        self.register_flow = make_onboarding(self.connection)

    def post(self, name="register", number=1, domain="acme.test", **customer):
        data = {
            "event": name,
            "customer": {"id": f"C{number}", "email": f"c{number}@{domain}", **customer},
            "company": {"domain": domain, "name": domain.title()},
        }
        return inbox.emit(make_source(), name, data, None, None, self.now)

    def tick(self):
        return work.tick(self.now, clock=lambda: self.now, sleep=self.wait)

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.simulator.set_clock(self.now)

    def pass_time(self, seconds, step=10):
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.wait(step)
            self.tick()

    def ties(self):
        """The domains of the companies that each contact is tied to, by e-mail."""
        domains = {one["hs_object_id"]: one["domain"] for one in self.hubspot.records("companies")}
        return {
            one["email"]: sorted(
                domains[pk] for pk in self.hubspot.tied("contacts", one["hs_object_id"], "companies")
            )
            for one in self.hubspot.records("contacts")
        }


@pytest.fixture
def shop(simulator, db):
    return Shop(simulator)


def stages():
    return list(FlowRun.objects.order_by("pk").values_list("stage", flat=True))


def test_a_register_makes_company_and_contact_and_ties_them(shop):
    shop.post()

    shop.tick()

    assert stages() == ["done"]
    assert shop.ties() == {"c1@acme.test": ["acme.test"]}
    assert KnownRecord.objects.count() == 2


def test_an_existing_contact_is_tied(shop):
    shop.hubspot.add("contacts", email="c1@acme.test", firstname="Ann")
    shop.post()

    shop.tick()

    tried = FlowRun.objects.get().history.get(step_key="contact")
    assert (tried.outcome, tried.status, tried.next_key) == ("existing", 409, "tie")
    assert shop.ties() == {"c1@acme.test": ["acme.test"]}


def test_hubspot_down_for_ten_minutes_only_delays(shop):
    shop.hubspot.faults.outage(True, kind="unavailable")
    shop.post()
    shop.pass_time(600, step=20)
    shop.post(number=2)
    shop.tick()
    assert stages() == ["sending", "sending"]
    assert shop.hubspot.records("companies") == []

    shop.hubspot.faults.outage(False)
    shop.pass_time(400, step=20)

    assert stages() == ["done", "done"]
    assert shop.ties() == {"c1@acme.test": ["acme.test"], "c2@acme.test": ["acme.test"]}
    assert not Delivery.objects.dead().exists()
    incident = Incident.objects.get()
    assert (incident.kind, incident.closed_at is not None) == ("unreachable", True)


def test_an_update_that_overtakes_its_register_waits_for_it(shop):
    make_update(shop.connection, shop.register_flow)
    shop.post("update", city="Pune")
    shop.pass_time(60)
    assert stages() == ["ready"]

    shop.post("register")
    shop.pass_time(60)

    assert stages() == ["done", "done"]
    [contact] = shop.hubspot.records("contacts")
    assert contact["city"] == "Pune"


def test_many_registers_of_few_domains_make_one_company_each(shop):
    shop.hubspot.index_lag = 30
    for number in range(60):
        shop.post(number=number, domain=f"d{number % 4}.test")

    shop.tick()

    assert set(stages()) == {"done"}
    assert len(shop.hubspot.records("companies")) == 4
    assert shop.ties() == {f"c{n}@d{n % 4}.test": [f"d{n % 4}.test"] for n in range(60)}


def test_a_parked_run_is_resumed(shop):
    contact = shop.register_flow.steps.get(key="contact")
    wrong = contact.fields.create(source="event.customer.id", destination="no_such_property")
    shop.post()
    shop.tick()
    run = FlowRun.objects.get()
    assert run.stage == "parked"
    assert Incident.objects.get().kind == "parked"
    wrong.delete()

    flow_verbs.retry(run, None, shop.now)
    shop.tick()

    assert stages() == ["done"]
    assert shop.ties() == {"c1@acme.test": ["acme.test"]}
    assert Incident.objects.get().closed_at


def test_a_refusal_may_have_a_way_on(shop):
    shop.post()
    contact = shop.register_flow.steps.get(key="contact")
    contact.fields.create(source="event.customer.id", destination="no_such_property")
    Transition.objects.create(
        step=contact, position=3, outcome="4xx", target=shop.register_flow.steps.get(key="end")
    )

    shop.tick()

    run = FlowRun.objects.get()
    assert (run.stage, run.history.get(step_key="contact").status) == ("done", 400)
    assert not Delivery.objects.dead().exists()


def move_once(shop):
    flows.run(shop.now)


def push_once(shop):
    push.run(shop.connection, shop.now, clock=lambda: shop.now, sleep=shop.wait)


@pytest.mark.parametrize(
    ("step", "steps"),
    [(push_once, 1), (move_once, 2), (push_once, 2)],
    ids=["while the company is made", "between company and contact", "while the contact is made"],
)
def test_killed_after_any_statement(simulator, transactional_db, step, steps):
    """Each round registers a customer, kills the step one statement later than before, and lets the next go on."""
    shop = Shop(simulator)
    shop.hubspot.index_lag = 30
    for statements in range(MOST_STATEMENTS):
        shop.post(number=statements, domain=f"d{statements}.test")
        for _ in range(steps - 1):
            move_once(shop)
            push_once(shop)
        if step is push_once:
            move_once(shop)

        with killed_after(statements) as killed:
            step(shop)

        shop.wait(LEASE.total_seconds())
        for _ in range(6):
            move_once(shop)
            push_once(shop)
        assert set(stages()) == {"done"}
        assert len(shop.hubspot.records("companies")) == statements + 1
        assert len(shop.hubspot.records("contacts")) == statements + 1
        if not killed:
            break

    assert statements > 10, "many boundaries were tried"
    assert not killed, "the last round ran to its end"
    assert shop.ties() == {f"c{n}@d{n}.test": [f"d{n}.test"] for n in range(statements + 1)}
    assert not Incident.objects.exists()
