"""Real processes that move the same runs at the same moment, and are killed: no step is doubled or out of turn."""

import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack

import pytest
from django.utils import timezone

from integration_hub.simulator.hubspot import ACCESS_TOKEN
from integration_hub.simulator.server import Simulator
from routing.models import FlowRun, StepTry
from syncs.engine import push
from syncs.events import inbox
from syncs.models import Connection, Delivery
from tests.factories import make_connection
from tests.routing.crm import link, make_flow, make_source, make_step
from tests.stories.processes import ROOT, environment, manage, speaking_to, until
from tests.stories.test_clusters import scratch_database

CUSTOMERS, EVENTS_EACH = 12, 5
WORKERS = 2


@pytest.fixture(scope="module")
def migrated():
    database = scratch_database()
    database.create()
    try:
        manage(database.url, "migrate", "--verbosity", "0")
        yield database
    finally:
        database.drop()


class Shop:
    """A product whose every event writes the customer's contact twice, and processes that compete for the runs."""

    def __init__(self, database, stack, log):
        self.database, self.stack = database, stack
        stack.enter_context(speaking_to(database))
        self.hubspot = stack.enter_context(Simulator()).hubspot
        self.connection = make_connection(
            "hubspot",
            base_url=self.hubspot.url,
            settings={"credential": "token", "api_version": "v3"},
            secrets={"access_token": ACCESS_TOKEN},
        )
        self.hubspot.add_many("contacts", [{"email": f"c{n}@x.test"} for n in range(CUSTOMERS)])
        self._furnish()
        self.log = log
        self.workers = []

    def _furnish(self):
        """Make the flow: two writes to the contact, each with the number of the event, in fields of their own."""
        flow = make_flow(subject_path="customer.id")
        common = {
            "connection": self.connection, "operation": "update", "object_type": "contacts",
            "match_field": "email",
        }  # fmt: skip
        email = ("event.customer.email", "email")
        link(
            make_step(
                flow, "first", sent=[email, ("event.number", "city")], to=[("any", "second")], **common
            ),
            make_step(
                flow, "second", sent=[email, ("event.number", "jobtitle")], to=[("any", "end")], **common
            ),
            make_step(flow, "end", kind="end"),
        )

    def post(self, number):
        for customer in range(CUSTOMERS):
            data = {
                "event": "register",
                "number": f"{number}",
                "customer": {"id": f"C{customer}", "email": f"c{customer}@x.test"},
            }
            inbox.emit(make_source(), "register", data, None, None, timezone.now())

    def hire(self):
        """Start a process, which the end of the story kills at the latest."""
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.stories.flow_worker"], cwd=ROOT, stdout=self.log, stderr=self.log,
            env=environment(self.database.url),
        )  # fmt: skip
        self.stack.callback(worker.wait)
        self.stack.callback(worker.kill)
        self.workers.append(worker)

    def kill(self):
        worker = self.workers.pop(0)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()

    def push(self):
        push.run(Connection.objects.get(pk=self.connection.pk), timezone.now())

    def is_done(self):
        self.push()
        return FlowRun.objects.filter(stage="done").count() == CUSTOMERS * EVENTS_EACH

    def has_tried(self, steps):
        self.push()
        return StepTry.objects.count() >= steps

    def told(self):
        """Return what HubSpot was told of each contact, in order."""
        emails = {one["hs_object_id"]: one["email"] for one in self.hubspot.records("contacts")}
        told = defaultdict(list)
        for call in self.hubspot.requests:
            if call.path.endswith("/batch/update"):
                for one in call.body["inputs"]:
                    told[emails[one["id"]]] += one["properties"].items()
        return dict(told)

    def output(self):
        self.log.seek(0)
        return self.log.read().decode()


@pytest.fixture
def shop(migrated, django_db_blocker, tmp_path):
    with ExitStack() as stack:
        database = migrated.copy()
        stack.callback(database.drop)
        stack.enter_context(django_db_blocker.unblock())
        yield Shop(database, stack, stack.enter_context((tmp_path / "log").open("w+b")))


def assert_each_step_was_done_once_in_its_turn(shop):
    wanted = [(field, f"{n}") for n in range(EVENTS_EACH) for field in ("city", "jobtitle")]
    assert shop.told() == {f"c{n}@x.test": wanted for n in range(CUSTOMERS)}
    runs = CUSTOMERS * EVENTS_EACH
    assert FlowRun.objects.count() == runs
    assert (
        Delivery.objects.count() == Delivery.objects.filter(state="delivered", attempts=1).count() == 2 * runs
    )
    tries = list(StepTry.objects.order_by("run", "number").values_list("step_key", flat=True))
    assert tries == ["first", "second", "end"] * runs
    assert "a pass failed" not in shop.output()


def test_workers_that_pass_the_lease_together_neither_double_nor_interleave(shop):
    for _ in range(WORKERS):
        shop.hire()

    for number in range(EVENTS_EACH):
        shop.post(number)
        shop.push()

    until(shop.is_done, 90, "the last run")
    assert_each_step_was_done_once_in_its_turn(shop)


def test_a_worker_killed_in_the_middle_leaves_its_runs_to_the_others(shop):
    chance = random.Random(7)
    for _ in range(WORKERS):
        shop.hire()
    shop.post(0)

    for number in range(1, EVENTS_EACH):
        enough = StepTry.objects.count() + chance.randrange(1, CUSTOMERS)
        until(lambda enough=enough: shop.has_tried(enough), 60, "steps")
        shop.kill()
        shop.hire()
        shop.post(number)

    until(shop.is_done, 90, "the last run")
    assert_each_step_was_done_once_in_its_turn(shop)
