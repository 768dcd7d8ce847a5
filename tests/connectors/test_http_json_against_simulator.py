"""The connector for any JSON API against the pretend order system: both ways, with its paging and its troubles."""

from datetime import timedelta

import pytest

from integration_hub.connectors.errors import AuthError, RateLimitError, UnknownOutcomeError
from integration_hub.connectors.http_json.connector import HttpJson
from integration_hub.connectors.records import (
    MatchKey,
    Operation,
    Outcome,
    ReadRequest,
    RecordWrite,
    WriteRequest,
)
from integration_hub.simulator.order_system import TOKEN
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport

PAGINGS = {
    "cursor": "paging: cursor\n    cursor: next_cursor\n    cursor_parameter: cursor",
    "page": "paging: page\n    page_parameter: page",
    "link": "paging: link",
}
OBJECTS = """
customers:
  modified: updated_at
  created: created_at
  title: name
  email: email
  list:
    path: /customers
    records: data
    since: updated_since
    until: updated_until
    sorted: true
    size_parameter: limit
    size: 2
    %s
  get: /customers/{id}
  create: /customers
  update: /customers/{id}
  delete: /customers/{id}
  match: {field: email, path: "/customers?email={value}", records: data}
  deleted: {path: /customers/deleted, records: data, since: since, at: deleted_at}
"""


@pytest.fixture
def shop(simulator):
    simulator.set_clock(NOON)
    return simulator.order_system


def connector_of(shop, paging="cursor", **config):
    config = {"auth": "bearer", "token": TOKEN, "objects": OBJECTS % PAGINGS[paging], **config}
    connector = HttpJson(config, make_transport(shop.url), MemoryKeeper())
    connector.clock = lambda: NOON + timedelta(hours=1)
    return connector


def write(operation, **values):
    match = MatchKey("email", values["email"])
    return WriteRequest("customers", operation, [RecordWrite("d1", values, match=match, attempted_at=NOON)])


@pytest.mark.parametrize("paging", PAGINGS)
def test_what_changed_is_read_by_each_kind_of_paging(simulator, shop, paging):
    ids = []
    for number in range(7):
        simulator.set_clock(NOON + timedelta(seconds=number // 3))
        ids.append(shop.add_customer(f"c{number}@x.test", name=f"C {number}"))
    shop.update(ids[0], {"city": "Bonn"})

    with connector_of(shop, paging) as connector:
        request = ReadRequest("customers", ["name"], since=NOON)
        found = [record.remote_id for page in connector.read(request) for record in page.records]

    assert sorted(found) == sorted(ids)
    assert found[-1] in {ids[0], ids[6]}


def test_a_customer_goes_there_and_comes_back(shop):
    with connector_of(shop) as connector:
        [made] = connector.write(write(Operation.UPSERT, email="a@x.test", name="Ann"))
        [changed] = connector.write(write(Operation.UPSERT, email="a@x.test", name="Anna"))
        there = connector.look_up("customers", ["a@x.test", "b@x.test"])
        [record] = connector.fetch("customers", [made.remote_id], ["name"])
        [gone] = connector.write(write(Operation.DELETE, email="a@x.test"))
        deleted = connector.deleted("customers", NOON - timedelta(minutes=1), NOON)

    assert [one.outcome for one in (made, changed, gone)] == [
        Outcome.CREATED,
        Outcome.UPDATED,
        Outcome.DELETED,
    ]
    assert list(there) == ["a@x.test"]
    assert (record.title, made.remote_id) == ("Anna", changed.remote_id)
    assert deleted == [(made.remote_id, NOON)]
    assert not shop.customers


def test_a_create_that_is_there_already_is_existing(shop):
    there = shop.add_customer("a@x.test")

    with connector_of(shop) as connector:
        [result] = connector.write(write(Operation.CREATE, email="a@x.test"))

    assert (result.outcome, result.remote_id) == (Outcome.EXISTING, there)


def test_a_create_whose_answer_was_lost_is_found_again(shop):
    shop.faults.fail_next(1, "drop_after")

    with connector_of(shop) as connector:
        with pytest.raises(UnknownOutcomeError):
            connector.write(write(Operation.CREATE, email="a@x.test"))
        [found] = connector.recall(write(Operation.CREATE, email="a@x.test"))

    assert found.remote_id == shop.customers["a@x.test"]["id"]


def test_a_call_with_a_key_is_carried_out_once(shop):
    call = WriteRequest(
        "request",
        Operation.CALL,
        [RecordWrite("d9", {"method": "POST", "path": "/customers", "body": {"email": "a@x.test"}})],
    )

    with connector_of(shop, idempotency_header="Idempotency-Key") as connector:
        [first] = connector.write(call)
        [again] = connector.write(call)

    assert (first.status, again.answer["id"]) == (201, first.answer["id"])


def test_its_troubles_are_told_apart(shop):
    with connector_of(shop) as connector:
        assert connector.check().ok
        shop.faults.fail_next(1, "rate_limited", retry_after=7)
        with pytest.raises(RateLimitError) as caught:
            connector.write(write(Operation.CREATE, email="a@x.test"))
        shop.revoke()
        with pytest.raises(AuthError):
            connector.write(write(Operation.CREATE, email="a@x.test"))
        assert not connector.check().ok

    assert caught.value.retry_after == 7
