"""Real task clusters on a real database: killed, doubled, cut off, stopped. Every message comes exactly once."""

import os
import signal
import time
from collections import Counter
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from integration_hub.simulator.server import Simulator
from routing import directory
from syncs import queues
from syncs.models import Delivery, Heartbeat, Stream
from syncs.schedules import ALERTS
from tests.factories import make_rule, make_salesforce, make_slack, make_stream, make_template
from tests.stories.processes import HURRIED, Cluster, PostgresDatabase, SqliteFile, manage, speaking_to, until

SELLERS = 6


class Hub:
    """A company whose hub runs in processes of its own, on a database of its own."""

    def __init__(self, database, stack):
        self.database = database
        self.stack = stack
        self.simulator = stack.enter_context(Simulator())
        self.slack = self.simulator.slack
        self.clusters = []
        self.owners = []
        self.names = []
        stack.enter_context(speaking_to(database))
        self._furnish()

    def _furnish(self):
        crm, chat = make_salesforce(self.simulator), make_slack(self.simulator)
        for number in range(SELLERS):
            email = f"seller{number}@example.test"
            self.owners.append(self.simulator.salesforce.add_user(f"Seller {number}", email))
            self.slack.add_member(f"Seller {number}", email)
        stream = make_stream(crm, described_at=None, started_at=None)
        template = make_template(header="{{ record.Name }}")
        make_rule(("Rating", "equals", "Hot"), stream=stream, destination=chat, template=template)
        assert all(report.ok for report in directory.refresh_all(timezone.now()))
        self.stream, self.chat = stream, chat

    def start(self, clusters=None):
        """Start as many clusters as the database is made for, and hand them the work that never ends."""
        started = [Cluster(self.database.url, **HURRIED) for _ in range(clusters or self.database.clusters)]
        for cluster in started:
            self.stack.callback(cluster.destroy)
        self.clusters += [cluster.wait_until_ready() for cluster in started]
        queues.wake("routing.tasks.pump", queue=ALERTS)
        # The first poll says from when on changes count.
        until(lambda: Stream.objects.filter(polled_at__isnull=False).exists(), 15, "the first poll")
        return self

    def leads(self, count):
        """Add hot leads, the sellers taking turns, and have them read at once."""
        for _ in range(count):
            name = f"Lead {len(self.names)}"
            owner = self.owners[len(self.names) % SELLERS]
            self.simulator.salesforce.add("Lead", LastName=name, Company="Acme", Rating="Hot", OwnerId=owner)
            self.names.append(name)
        self.poll_now()

    def poll_now(self):
        Stream.objects.update(next_poll_at=None)

    def told(self):
        return [message.text for message in list(self.slack.messages)]

    def assert_everybody_told_once(self, seconds):
        until(lambda: set(self.told()) >= set(self.names), seconds, f"all leads told, of {len(self.names)}")
        until(lambda: not Delivery.objects.open().exists(), 15, "all deliveries settled")
        assert Counter(self.told()) == Counter(self.names)
        assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}

    def sending(self):
        """Return the worker that waits for Slack's answer to a message it has got."""
        port = urlsplit(self.slack.url).port
        return next((pid for one in self.clusters for pid in one.talking_to(port)), None)


def scratch_database():
    server = settings.DATABASES["default"]
    return SqliteFile() if settings.ON_SQLITE else PostgresDatabase(server)


@pytest.fixture(scope="module")
def migrated():
    """A database with the hub's tables, to be copied."""
    database = scratch_database()
    database.create()
    try:
        manage(database.url, "migrate", "--verbosity", "0")
        yield database
    finally:
        database.drop()


@pytest.fixture(scope="module")
def new_hub(migrated, django_db_blocker):
    """Return what makes a hub; the caller's stack takes it down."""

    def make(stack):
        database = migrated.copy()
        stack.callback(database.drop)
        stack.enter_context(django_db_blocker.unblock())
        return Hub(database, stack)

    return make


@pytest.fixture
def hub(new_hub):
    with ExitStack() as stack:
        yield new_hub(stack)


def test_leads_are_told_within_seconds_by_workers_that_compete(hub):
    hub.start()
    begun = time.monotonic()

    hub.leads(3 * SELLERS)
    for _ in range(8):  # everything that there is to do, handed out again and again
        queues.wake("routing.tasks.poll_and_route", hub.stream.pk, queue=ALERTS)
        queues.wake("routing.tasks.route", hub.stream.pk, queue=ALERTS)
        queues.wake("syncs.tasks.push_connection", hub.chat.pk, queue=ALERTS)
        queues.wake("routing.tasks.pump", queue=ALERTS)

    hub.assert_everybody_told_once(20)
    assert time.monotonic() - begun < 20


def test_a_worker_killed_while_it_sends_loses_and_doubles_nothing(hub):
    hub.slack.latency = 1.5
    hub.start()
    hub.leads(SELLERS)
    until(hub.told, 15, "the first message")  # Slack has it, the worker waits for the answer

    os.kill(hub.sending(), signal.SIGKILL)
    told_then = len(hub.told())
    hub.slack.latency = 0.0

    assert told_then < SELLERS
    assert Delivery.objects.filter(state="sending").count() > 0
    hub.assert_everybody_told_once(25)


def test_a_database_that_fails_for_a_moment_is_waited_for(hub):
    hub.slack.latency = 0.3
    hub.start()
    hub.leads(SELLERS)
    until(hub.told, 15, "the first message")

    hub.database.disturb()
    connection.close()  # ours was cut, too
    hub.slack.latency = 0.0
    hub.leads(SELLERS)

    hub.assert_everybody_told_once(20)


def test_a_cluster_told_to_stop_leaves_nothing_in_flight(hub):
    hub.slack.latency = 0.8
    hub.start()
    hub.leads(4 * SELLERS)
    until(hub.told, 15, "the first message")

    for cluster in hub.clusters:
        cluster.process.terminate()  # the first process alone, as an operator does
    codes = [cluster.process.wait(30) for cluster in hub.clusters]

    assert set(codes) == {0}
    assert [cluster.pids() for cluster in hub.clusters] == [[]] * len(codes)
    delivered = Delivery.objects.filter(state="delivered").count()
    assert len(hub.told()) == delivered < len(hub.names)
    assert not Delivery.objects.filter(state="sending").exists()
    hub.slack.latency = 0.0
    hub.start(1)
    hub.assert_everybody_told_once(20)


def test_a_cluster_left_alone_starts_its_work_by_itself(hub):
    hub.stack.callback((cluster := Cluster(hub.database.url)).destroy)
    cluster.wait_until_ready()

    until(lambda: Heartbeat.objects.filter(queue=ALERTS).exists(), 45, "a heartbeat by schedule")
    until(lambda: Stream.objects.filter(polled_at__isnull=False).exists(), 10, "a poll")
    hub.leads(2)

    hub.assert_everybody_told_once(10)
