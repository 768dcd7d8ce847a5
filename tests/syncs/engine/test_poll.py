"""Polling: every change once, whatever the vendor does."""

from datetime import timedelta

import pytest

from integration_hub.connectors.errors import BudgetError, ConfigError, RejectedError
from integration_hub.connectors.salesforce.connector import Salesforce
from syncs import holds
from syncs.engine import poll
from syncs.models import Change, Connection, Incident, Stream
from syncs.models.runs import RunState
from tests.factories import NOON, make_salesforce, make_slack, make_stream

pytestmark = pytest.mark.django_db


class World:
    """A Salesforce, a stream of its leads, and a clock that only tests move."""

    def __init__(self, simulator):
        self.salesforce = simulator.salesforce
        self.simulator = simulator
        self.now = NOON
        simulator.set_clock(NOON)
        self.stream = make_stream(
            make_salesforce(simulator), started_at=NOON - timedelta(hours=1), described_at=None
        )

    def add(self, name="Ann", **values):
        return self.salesforce.add("Lead", LastName=name, Company="Acme", **values)

    def poll(self):
        self.stream = Stream.objects.select_related("connection").get(pk=self.stream.pk)
        return poll.run(self.stream, self.now, clock=lambda: self.now)

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.simulator.set_clock(self.now)

    def queries(self):
        return [r for r in self.salesforce.requests if "/query" in r.path]


@pytest.fixture
def world(simulator):
    return World(simulator)


def captured():
    return set(Change.objects.values_list("record_id", flat=True))


def test_new_leads_are_captured_with_what_every_record_has(world):
    lead = world.add("Lee", FirstName="Ann", Email="Ann@Example.test")

    run = world.poll()

    change = Change.objects.get()
    assert (change.record_id, change.title, change.email) == (lead, "Ann Lee", "ann@example.test")
    assert change.created_at == NOON
    assert change.url.endswith(lead)
    assert (run.state, run.read, run.waiting) == (RunState.OK, 1, 1)


def test_reading_again_is_free_and_one_call(world):
    world.add()
    world.poll()
    before = len(world.salesforce.requests)

    run = world.poll()

    assert (run.read, run.unchanged, run.waiting) == (1, 1, 0)
    assert len(world.salesforce.requests) - before == 1
    assert run.calls == 1


def test_a_change_is_a_new_version(world):
    lead = world.add(Email="a@example.test")
    world.poll()
    world.salesforce.update(lead, Email="b@example.test")  # within the same second
    world.poll()

    assert [c.record_id for c in Change.objects.all()] == [lead, lead]


def test_a_row_that_becomes_visible_late_is_not_missed(world):
    late = world.add("Late", visible_after=120)
    world.wait(60)
    early = world.add("Early")
    world.poll()
    assert captured() == {early}

    world.wait(100)
    world.poll()

    assert captured() == {early, late}


def test_equal_timestamps_over_a_page_edge_are_all_read(world):
    world.salesforce.page_size = 3
    leads = {world.add(str(n)) for n in range(10)}

    run = world.poll()

    assert captured() == leads
    assert run.read == 10


def test_a_poll_that_fails_in_the_middle_goes_on_from_there(world):
    world.salesforce.page_size = 4
    leads = {world.add(str(n)) for n in range(10)}
    world.salesforce.faults.fail_next(1, "unavailable", path="-4")

    failed = world.poll()
    stored = len(captured())
    world.wait(60)
    world.poll()

    assert (failed.state, stored) == (RunState.FAILED, 4)
    assert captured() == leads


def test_more_than_one_poll_can_read_is_read_by_the_next_ones_without_starting_over(world):
    world.salesforce.page_size = 3
    leads = set()
    for _ in range(12):
        leads.add(world.add())
        world.wait(1)
    stream = Stream.objects.select_related("connection").get(pk=world.stream.pk)
    late = iter(range(0, 1000, 20))  # each look at the clock finds 20 s gone
    slow = poll.run(stream, world.now, clock=lambda: world.now + timedelta(seconds=next(late)))
    assert slow.read < 12
    assert Stream.objects.due(world.now).exists(), "it goes on at once"

    run = world.poll()

    assert captured() == leads
    assert slow.read + run.read <= 12 + 3, "only the last page's edge is read again"
    assert Stream.objects.get().resume_at is None


def test_a_field_that_disappears_is_left_out_and_nothing_stops(world):
    world.add()
    world.poll()
    world.salesforce.hide_field("Lead", "Email")

    run = world.poll()

    assert run.state == RunState.OK
    assert not Incident.objects.exists()


def test_an_object_that_does_not_exist_is_one_incident_of_the_stream(world):
    Stream.objects.update(object_type="Ledd")

    runs = [world.poll() for _ in range(3)]

    assert {run.state for run in runs} == {RunState.FAILED}
    incident = Incident.objects.get()
    assert incident.kind == "stream"
    assert world.stream.connection.held_at is None


def test_a_session_that_expires_is_renewed_in_between(world):
    world.add()
    world.poll()
    world.salesforce.expire_tokens()

    assert world.poll().state == RunState.OK


def test_a_revoked_app_holds_the_connection(world):
    world.salesforce.revoke()

    run = world.poll()

    world.stream.connection.refresh_from_db()
    assert run.state == RunState.FAILED
    assert world.stream.connection.held_at == NOON


def test_an_outage_only_delays(world):
    world.poll()
    world.salesforce.faults.outage(True)
    lead = world.add()
    for _ in range(3):
        world.wait(60)
        assert world.poll().state == RunState.FAILED
    assert Incident.objects.get().kind == "unreachable"

    world.salesforce.faults.outage(False)
    world.wait(60)
    world.poll()

    assert captured() == {lead}
    assert Incident.objects.filter(closed_at=None).count() == 0


def test_a_baseline_learns_what_is_there_and_tells_nobody(world):
    world.salesforce.add("Lead", LastName="Old", Company="Acme", created_at=NOON - timedelta(days=400))

    poll.baseline(world.stream, NOON)

    change = Change.objects.get()
    assert (change.origin, change.state) == ("baseline", "routed")
    world.stream.refresh_from_db()
    assert world.stream.baseline_at == NOON
    assert world.stream.watermark is None


def test_a_baseline_takes_no_news_away_from_the_next_poll(world):
    world.poll()
    lead = world.add("New")
    world.wait(5)

    poll.baseline(Stream.objects.get(), world.now)
    run = world.poll()

    assert run.waiting == 1
    assert Change.objects.get(record_id=lead).state == "waiting"


def test_a_baseline_spends_none_of_the_calls_reserved_for_live_work(world):
    world.stream.connection.daily_budget = 10
    world.stream.connection.reserve_live = 100
    world.stream.connection.reserve_flows = 0
    world.stream.connection.save()

    with pytest.raises(BudgetError):
        poll.baseline(Stream.objects.get(), world.now)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"object_type": "Not a name"}, "not the API name"),
        ({"connection": "slack"}, "cannot be read from"),
    ],
)
def test_a_stream_that_cannot_be_asked_for_leaves_its_connection_alone(world, simulator, values, said):
    if "connection" in values:
        values = {"connection": make_slack(simulator)}
    Stream.objects.update(**values)

    run = world.poll()

    assert said in run.error
    assert Incident.objects.get().kind == "stream"
    assert not Connection.objects.exclude(held_at=None).exists()


@pytest.mark.parametrize(
    "error",
    [
        RejectedError("Salesforce: no such thing.", code="EXCEEDED_ID_LIMIT", status=400),
        ConfigError("The query is too long.", code="too_long", status=414),
        ConfigError("More than 50 MB in one answer.", code="answer_too_large"),
    ],
)
def test_a_request_that_is_refused_is_an_incident_of_the_stream(world, monkeypatch, error):
    def refuse(*_args):
        raise error

    monkeypatch.setattr(Salesforce, "read", refuse)

    world.poll()

    assert Incident.objects.get().kind == "stream"
    world.stream.connection.refresh_from_db()
    assert (world.stream.connection.held_at, world.stream.connection.failing_since) == (None, None)


def test_a_character_that_postgres_cannot_keep_stops_nobody(world):
    odd, other = world.add("Le\x00e"), world.add("Other")

    run = world.poll()

    assert run.state == RunState.OK
    assert captured() == {odd, other}
    assert Change.objects.get(record_id=odd).values["Name"] == "Lee"


def test_a_stream_that_fails_while_its_connection_answers_others_is_told_after_a_while(world):
    world.poll()
    world.salesforce.faults.set("unavailable", 1.0)
    told = {}
    for minute in range(1, 13):
        world.wait(60)
        world.poll()
        holds.answered(world.stream.connection, world.now)  # another stream is read
        told[minute] = Incident.objects.filter(kind="stream", closed_at=None).exists()

    assert [minute for minute in told if told[minute]] == [11, 12]
    assert Incident.objects.count() == 1
    world.salesforce.faults.clear()
    world.wait(60)
    world.poll()
    assert not Incident.objects.filter(closed_at=None).exists()


def test_an_outage_of_the_whole_connection_is_no_incident_of_the_stream_as_well(world):
    world.poll()
    world.salesforce.faults.outage(True)
    for _ in range(15):
        world.wait(60)
        world.poll()

    assert [incident.kind for incident in Incident.objects.all()] == ["unreachable"]
