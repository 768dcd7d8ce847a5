"""Change notices, from the vendors' senders to the change queue: at once, once each, and never lost."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integration_hub.simulator.hubspot import ACCESS_TOKEN
from integration_hub.simulator.hubspot.access import CLIENT_SECRET
from integration_hub.simulator.hubspot.webhooks import Manner
from integration_hub.simulator.salesforce import CLIENT_ID
from integration_hub.simulator.salesforce.outbound import OutboundMessages
from routing import work
from syncs import connect
from syncs.engine import poll
from syncs.models import Change, Incident, Notice, NoticedRecord, Stream, SyncRun
from syncs.models.notices import MentionState, NoticeState
from syncs.models.runs import RunState
from syncs.notices import intake as notices
from syncs.notices import reading as engine
from syncs.notices import watch as notice_watch
from tests.connectors.test_notices import TOKEN
from tests.factories import make_connection, make_rule, make_salesforce, make_slack, make_stream, make_sync


class Town:
    """A hub that HubSpot can call, on the real clock: signatures are judged by it."""

    def __init__(self, simulator, address):
        self.simulator, self.portal = simulator, simulator.hubspot
        self.turn(timezone.now())
        self.crm = make_connection(
            "hubspot",
            key="crm",
            base_url=self.portal.url,
            settings={"credential": "token", "api_version": "v3"},
            secrets={"access_token": ACCESS_TOKEN, "client_secret": CLIENT_SECRET},
        )
        self.contacts = make_stream(self.crm, object_type="contacts", key="contacts", described_at=None)
        self.address = f"{address}{notices.path_of(self.crm)}"

    def turn(self, now):
        self.now = now
        self.simulator.set_clock(now)

    def wait(self, seconds=2.0):
        """Let time pass; what was posted meanwhile bears the time of the machine."""
        self.turn(max(self.now, timezone.now()) + timedelta(seconds=seconds))

    def deliver(self, **manner):
        return [one.status for one in self.portal.webhooks.deliver(self.address, Manner(**manner))]

    def take(self, seconds=2.0):
        self.wait(seconds)
        return engine.run(self.crm, self.now, clock=lambda: self.now)

    def poll(self):
        return poll.run(Stream.objects.get(pk=self.contacts.pk), self.now, clock=lambda: self.now)


@pytest.fixture
def town(simulator, transactional_db, live_server, settings):
    settings.PUBLIC_URL = live_server.url
    return Town(simulator, live_server.url)


def test_a_noticed_contact_is_a_change_at_once_and_no_news_to_the_next_poll(town):
    town.portal.add("contacts", email="ann@x.test", firstname="Ann")

    assert town.deliver(signatures=["v3"]) == [200]
    assert town.take() == [town.contacts.pk]

    [change] = Change.objects.all()
    assert (change.email, change.origin) == ("ann@x.test", "notice")
    run = town.poll()
    assert (run.read, run.waiting, run.unchanged) == (1, 0, 1)


def test_a_flood_in_disorder_and_doubled_costs_few_calls_and_one_change_each(town):
    ids = town.portal.add_many("contacts", [{"email": f"c{n}@x.test"} for n in range(150)])
    for one in ids:
        town.portal.update("contacts", one, firstname="Ann")

    assert set(town.deliver(duplicates=True, shuffled=True)) == {200}
    town.take()

    assert Change.objects.count() == 150
    reads = SyncRun.objects.get(kind="notice")
    assert (reads.read, reads.waiting, reads.state) == (150, 150, RunState.OK)
    assert reads.calls <= 4  # two batches of 100, and what describes the object


def test_a_wrong_signature_lets_nothing_in_and_the_poll_finds_it(town):
    town.portal.add("contacts", email="ann@x.test")

    assert town.deliver(wrong=True) == [401]
    assert town.take() == []
    assert Notice.objects.get().state == NoticeState.REFUSED
    assert town.poll().waiting == 1


def test_a_deletion_is_a_change_and_no_news_to_the_next_poll(town):
    make_sync(("email", "email"), stream=town.contacts, when_deleted="remove", key="audience")
    contact = town.portal.add("contacts", email="ann@x.test")
    town.deliver()
    town.take()
    town.portal.archive("contacts", contact)

    town.deliver()
    town.take()

    assert list(Change.objects.order_by("id").values_list("origin", flat=True)) == ["notice", "deleted"]
    town.wait(60)
    assert town.poll().waiting == 0


def test_both_ends_of_a_merge_are_read(town):
    make_sync(("email", "email"), stream=town.contacts, when_deleted="remove", key="audience")
    winner, loser = town.portal.add_many("contacts", [{"email": "a@x.test"}, {"email": "b@x.test"}])
    town.deliver()
    town.take()
    town.wait()
    town.portal.merge("contacts", winner, loser)

    town.deliver()
    town.take()

    assert Change.objects.filter(record_id=loser, origin="deleted").count() == 1
    assert SyncRun.objects.filter(kind="notice").exclude(state=RunState.OK).count() == 0


def test_what_was_stored_and_not_read_is_read_after_a_crash(town, monkeypatch):
    town.portal.add("contacts", email="ann@x.test")
    town.deliver()

    with monkeypatch.context() as killed:
        killed.setattr(engine.changes, "record", lambda *_args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            town.take()

    assert NoticedRecord.objects.get().state == MentionState.WAITING
    town.take(120)
    assert Change.objects.count() == 1


def test_an_outage_only_delays_what_was_noticed(town):
    town.portal.add("contacts", email="ann@x.test")
    town.deliver()
    town.portal.faults.fail_next(3, "bad_gateway")

    assert town.take() == []
    for _ in range(5):
        town.take(40)

    assert Change.objects.count() == 1


def test_a_notice_that_is_read_again_leads_to_nothing_twice(town):
    town.portal.add("contacts", email="ann@x.test")
    town.deliver()
    town.take()

    assert notices.again(Notice.objects.all()) == 1
    town.take()

    assert (Change.objects.count(), NoticedRecord.objects.count()) == (1, 1)
    assert Notice.objects.get().state == NoticeState.TAKEN


def test_notices_that_stopped_are_told_of_and_their_return_too(town):
    town.portal.add("contacts", email="first@x.test")
    town.deliver()
    town.take()
    notice_watch.look(town.now)
    town.wait(3600)
    for number in range(notice_watch.MISSED):
        town.portal.add("contacts", email=f"c{number}@x.test")
    town.portal.webhooks.waiting.clear()
    town.poll()

    town.wait(600)
    notice_watch.look(town.now)

    assert Stream.objects.get().missed_by_notices == notice_watch.MISSED
    assert "No more change notices" in Incident.objects.get(closed_at=None).title
    Stream.objects.update(noticed_at=town.now, missed_in_a_row=0)
    notice_watch.look(town.now)
    assert not Incident.objects.filter(closed_at=None).exists()


def test_an_outbound_message_reaches_the_rules(simulator, transactional_db, live_server):
    now = timezone.now()
    simulator.set_clock(now)
    org = simulator.salesforce
    crm = make_salesforce(
        simulator,
        key="org",
        settings={
            "auth_flow": "client_credentials",
            "client_id": CLIENT_ID,
            "organization_id": org.organization_id[:15],
        },
    )
    crm = _with_token(crm)
    stream = make_stream(crm, key="leads", described_at=None, next_poll_at=now + timedelta(hours=1))
    rule = make_rule(("Rating", "equals", "Hot"), stream=stream, destination=make_slack(simulator))
    leads = [org.add("Lead", LastName=f"Lee {n}", Company="Acme", Rating="Hot") for n in range(120)]
    sender = OutboundMessages(org.organization_id, lambda _id: {})
    address = f"{live_server.url}/hooks/salesforce/org/{TOKEN}/"

    assert sender.send(address, "Lead", [*leads, leads[0]]) == [True, True]
    assert sender.send(f"{live_server.url}/hooks/salesforce/org/guess/", "Lead", leads[:1]) == [False]
    later = timezone.now() + timedelta(seconds=2)
    work.tick(later, clock=lambda: later, sleep=lambda _seconds: None)

    assert Change.objects.filter(stream=stream, origin="notice").count() == 120
    assert rule.decisions.count() == 120


def _with_token(connection):
    connect.set_secret(connection, "notice_token", TOKEN)
    connection.save()
    return connection
