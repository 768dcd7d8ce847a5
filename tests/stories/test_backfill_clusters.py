"""A backfill that is left to real task clusters: shared by them, and one of them killed."""

import os
import signal
from collections import Counter
from contextlib import ExitStack

import pytest
from django.utils import timezone

from integration_hub.simulator.server import Simulator
from syncs.models import Backfill, Heartbeat, Partition, RecordLink
from syncs.schedules import SYNC
from tests.factories import make_iterable, make_salesforce, make_stream, make_sync
from tests.stories.processes import HURRIED, Cluster, manage, speaking_to, until
from tests.stories.test_clusters import scratch_database

RECORDS = 9_000
"""So many that the ids are shared out among several workers."""


class World:
    """Leads, a sync, and a database that clusters share."""

    def __init__(self, database, stack):
        self.database, self.stack = database, stack
        self.simulator = stack.enter_context(Simulator())
        stack.enter_context(speaking_to(database))
        self.simulator.salesforce.rest.page_size = 500
        for n in range(RECORDS):
            self.simulator.salesforce.add(
                "Lead", LastName=f"Lee {n}", Email=f"lee{n}@example.com", Company="Acme"
            )
        stream = make_stream(make_salesforce(self.simulator), described_at=None)
        self.sync = make_sync(
            ("Email", "email"), ("LastName", "dataFields.Name"), stream=stream,
            destination=make_iterable(self.simulator),
        )  # fmt: skip

    def start(self, clusters):
        found = [Cluster(self.database.url, queue=SYNC, SYNC_WORKERS="2", **HURRIED) for _ in range(clusters)]
        for cluster in found:
            self.stack.callback(cluster.destroy)
        return [cluster.wait_until_ready() for cluster in found]

    def detach(self):
        Heartbeat.objects.update_or_create(queue=SYNC, defaults={"beaten_at": timezone.now()})
        manage(self.database.url, "backfill", self.sync.key, "--yes", "--detach", "--read", "rest")
        return Backfill.objects.get()

    def owners(self):
        """Return the processes that hold a part."""
        held = Partition.objects.exclude(lease_owner="").values_list("lease_owner", flat=True)
        return {int(owner.split(":")[1]) for owner in held}

    def busy(self, clusters):
        owners = self.owners()
        return next((one for one in clusters if owners & set(one.pids())), None)

    def assert_all_there_and_counted_once(self):
        until(lambda: Backfill.objects.get().state == "done", 60, "the backfill is done")
        run = Backfill.objects.get().run
        assert (run.read, run.delivered, run.state) == (RECORDS, RECORDS, "ok")
        users = self.simulator.iterable.users
        assert {email: user["dataFields"]["Name"] for email, user in users.items()} == {
            f"lee{n}@example.com": f"Lee {n}" for n in range(RECORDS)
        }
        assert RecordLink.objects.filter(state="written").count() == RECORDS

    def most_sendings(self):
        calls = [one for one in self.simulator.iterable.requests if one.path.endswith("bulkUpdate")]
        return max(Counter(user["email"] for call in calls for user in call.body["users"]).values())


@pytest.fixture
def world(django_db_blocker):
    with ExitStack() as stack:
        database = scratch_database()
        database.create()
        stack.callback(database.drop)
        manage(database.url, "migrate", "--verbosity", "0")
        stack.enter_context(django_db_blocker.unblock())
        yield World(database, stack)


def test_workers_of_real_clusters_share_it(world):
    clusters = world.start(world.database.clusters)
    world.simulator.iterable.latency = {"users/bulkUpdate": 0.3}

    world.detach()
    until(lambda: len(world.owners()) > 1, 15, "two workers have a part each")

    world.assert_all_there_and_counted_once()
    assert world.most_sendings() == 1
    assert all(cluster.process.poll() is None for cluster in clusters)


def test_one_cluster_killed_in_the_middle_costs_nothing(world):
    world.simulator.iterable.latency = {"users/bulkUpdate": 0.5}
    clusters = world.start(world.database.clusters)
    world.detach()
    until(lambda: Backfill.objects.get().run.delivered, 20, "it is on its way")
    doomed = until(lambda: world.busy(clusters), 10, "one of them has a part")

    os.killpg(doomed.process.pid, signal.SIGKILL)
    until(lambda: not doomed.pids(), 5, "it is gone")
    if world.database.clusters == 1:
        world.start(1)

    world.assert_all_there_and_counted_once()
    assert world.most_sendings() <= 2
