"""Events as a source of syncs and rules: what a posted event becomes in the change queue."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing import router
from routing.flows import engine as flows
from syncs.engine import push
from syncs.events import streams as event_streams
from syncs.models import (
    Change,
    Connection,
    Delivery,
    EventSource,
    EventType,
    InboundEvent,
    NoticedRecord,
    Stream,
)
from syncs.notices import reading as notices
from tests.factories import NOON, make_connection, make_iterable, make_stream, make_sync
from tests.stories.test_order_system import OBJECTS, TOKEN

ORDER = {
    "event": "order.placed",
    "order": {"id": 7, "email": "Ann@x.test", "name": "Ann", "state": "new", "at": NOON.isoformat()},
}

ONE_BY_ONE = OBJECTS + "  get: /customers/{id}\n"


@pytest.fixture
def source(db):
    return EventSource.objects.create(key="shop", name="Shop", name_path="event")


@pytest.fixture
def stream(db):
    """Never polled: events are all it has."""
    connection = make_connection("http_json", key="shop-api")
    return make_stream(connection, object_type="orders", interval_seconds=None)


@pytest.fixture
def kind(source, stream):
    return EventType.objects.create(
        source=source, name="order.placed", stream=stream, record_path="order", id_path="order.id",
        modified_path="order.at",
    )  # fmt: skip


def post(source, data, seconds=0):
    return InboundEvent.objects.create(
        source=source, name=data.get("event", "order.placed"), data=data, body=b"{}",
        received_at=NOON + timedelta(seconds=seconds),
    )  # fmt: skip


def order(**values):
    return {**ORDER, "order": {**ORDER["order"], **values}}


def take_up(now=NOON):
    flows.run(now)


def test_an_event_is_a_change_of_its_stream(source, stream, kind):
    post(source, ORDER)

    take_up()

    change = Change.objects.get()
    assert (change.stream, change.record_id, change.origin, change.state) == (stream, "7", "event", "waiting")
    assert (change.title, change.email, change.modified_at) == ("Ann", "ann@x.test", NOON)
    assert change.values["state"] == "new"
    assert InboundEvent.objects.get().problem == ""


def test_the_same_version_is_no_news(source, kind):
    post(source, ORDER)
    post(source, ORDER)
    take_up()
    post(source, ORDER)
    take_up()

    assert Change.objects.count() == 1


def test_an_event_of_another_type_is_none(source, kind):
    EventType.objects.create(source=source, name="ping")
    post(source, {"event": "ping"})

    take_up()

    assert not Change.objects.exists()
    assert InboundEvent.objects.get().problem_code == "no_flow"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"event": "order.placed"}, "order is no object"),
        (order(id=None), "order.id names no record"),
        (order(id=True), "order.id names no record"),
        (order(id="x" * 65), "more than 64"),
        (order(at="yesterday"), "order.at is no time"),
        (order(at="0001-01-01T00:00:00+05:00"), "order.at is no time"),
    ],
)
def test_an_event_that_tells_of_no_record_says_so_and_stops_no_other(source, kind, data, words):
    event = post(source, data)
    post(source, ORDER)

    take_up()

    event.refresh_from_db()
    assert words in event.problem
    assert (event.problem_code, Change.objects.count()) == ("no_record", 1)


odd = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="ascii", min_codepoint=32)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "at", "name"]), inner),
    max_leaves=5,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(data=st.fixed_dictionaries({"event": st.just("order.placed"), "order": odd}))
def test_odd_events_raise_nothing(source, kind, data):
    event = post(source, data)

    event_streams.feed([event], NOON)


def test_an_older_event_that_comes_late_never_overwrites(simulator, source, stream, kind):
    iterable = make_iterable(simulator)
    make_sync(("email", "email"), ("state", "dataFields.state"), stream=stream, destination=iterable)

    for seconds, state in ((60, "paid"), (0, "new")):
        post(source, order(state=state, at=(NOON + timedelta(seconds=seconds)).isoformat()))
        take_up()
        router.run(stream, NOON)
        row = Connection.objects.get(pk=iterable.pk)
        push.run(row, NOON, clock=lambda: NOON, sleep=lambda _seconds: None)

    assert Change.objects.count() == 2
    [sent] = Delivery.objects.filter(state="delivered")
    assert sent.payload["values"]["dataFields"]["state"] == "paid"


def test_a_deletion_is_one_of_the_stream(source, stream, kind):
    make_sync(("email", "email"), stream=stream, when_deleted="remove")
    EventType.objects.create(
        source=source, name="order.gone", stream=stream, id_path="id", is_deletion=True
    )  # fmt: skip
    post(source, ORDER)
    take_up()

    post(source, {"event": "order.gone", "id": 7}, seconds=5)
    post(source, {"event": "order.gone", "id": 8}, seconds=5)
    take_up()

    assert list(Change.objects.order_by("id").values_list("record_id", "origin")) == [
        ("7", "event"),
        ("7", "deleted"),
    ]


def test_an_event_that_brings_only_an_id_is_completed_by_a_read(simulator, source):
    simulator.set_clock(NOON)
    shop = simulator.order_system
    settings = {"address": shop.url, "auth": "bearer", "objects": ONE_BY_ONE}
    api = make_connection("http_json", settings=settings, secrets={"token": TOKEN})
    customers = make_stream(api, object_type="customers", described_at=None)
    EventType.objects.create(
        source=source, name="customer.changed", stream=customers, id_path="id", completed_by_read=True
    )
    customer = shop.add_customer(email="ann@x.test", name="Ann")
    post(source, {"event": "customer.changed", "id": customer})
    post(source, {"event": "customer.changed", "id": "cus_none"})

    take_up()
    now = NOON + timedelta(seconds=2)
    notices.run(api, now, clock=lambda: now)

    change = Change.objects.get()
    assert (change.email, change.origin) == ("ann@x.test", "notice")
    assert sorted(NoticedRecord.objects.values_list("state", flat=True)) == ["missing", "read"]


def test_a_stream_that_events_feed_is_never_polled(stream):
    assert not Stream.objects.due(NOON).filter(pk=stream.pk).exists()
