"""The pretend order system: lists that page, records with their rules, events that are signed, tables that agree."""

import hashlib
import hmac
from datetime import timedelta

import pytest
import requests
from sqlalchemy import create_engine, select

from integration_hub.simulator.order_system import TOKEN, WEBHOOK_SECRET, tables
from integration_hub.simulator.order_system.webhooks import Manner
from integration_hub.simulator.serving import Listener, Response

from .conftest import NOON

LINES = [{"sku": "A-1", "quantity": 2, "price": 9.5}]


class Client:
    """A caller with the token; answers come back as (status, JSON or text)."""

    def __init__(self, shop):
        self.url = shop.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {TOKEN}"

    def raw(self, method, path, body=None, headers=None, **params):
        return self.session.request(
            method, self.url + path, json=body, headers=headers, params=params, timeout=5
        )

    def __call__(self, method, path, body=None, headers=None, **params):
        answer = self.raw(method, path, body, headers, **params)
        return answer.status_code, answer.json() if answer.content else None


@pytest.fixture
def shop(simulator):
    return simulator.order_system


@pytest.fixture
def api(shop):
    client = Client(shop)
    yield client
    client.session.close()


def fill(simulator, shop, count):
    ids = []
    for number in range(count):
        simulator.set_clock(NOON + timedelta(seconds=number))
        ids.append(shop.add_customer(f"c{number}@x.test"))
    return ids


def test_nobody_gets_in_without_the_token(shop):
    assert requests.get(f"{shop.url}/me", timeout=5).status_code == 401


@pytest.mark.parametrize("first", [{}, {"page": 1}], ids=["cursor", "page"])
def test_pages_follow_each_other_by_link_cursor_and_number(simulator, shop, api, first):
    ids = fill(simulator, shop, 5)
    seen = []
    answer = api.raw("GET", "/customers", limit=2, **first)
    while True:
        seen += [row["id"] for row in answer.json()["data"]]
        if "next" not in answer.links:
            break
        answer = api.raw("GET", answer.links["next"]["url"].removeprefix(shop.url))

    assert seen == ids


def test_a_list_begins_at_a_time_of_change_that_time_included(simulator, shop, api):
    ids = fill(simulator, shop, 3)

    status, body = api("GET", "/customers", updated_since="2026-11-20T12:00:01Z")

    assert (status, [row["id"] for row in body["data"]]) == (200, ids[1:])


def test_a_customer_is_created_changed_and_deleted(api):
    status, made = api("POST", "/customers", {"email": "a@x.test", "name": "Ann"})
    changed = api("PATCH", f"/customers/{made['id']}", {"city": "Bonn"})
    gone = api("DELETE", f"/customers/{made['id']}")

    assert (status, made["name"], made["version"]) == (201, "Ann", 1)
    assert (changed[0], changed[1]["city"], changed[1]["name"], changed[1]["version"]) == (
        200,
        "Bonn",
        "Ann",
        2,
    )
    assert gone == (204, None)
    assert api("GET", f"/customers/{made['id']}")[0] == 404
    assert [row["id"] for row in api("GET", "/customers/deleted")[1]["data"]] == [made["id"]]


def test_a_second_customer_with_an_email_is_refused_and_the_first_named(shop, api):
    first = shop.add_customer("a@x.test")

    status, body = api("POST", "/customers", {"email": "A@x.test"})

    assert (status, body["error"]["code"], body["error"]["id"]) == (409, "duplicate_email", first)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/customers", {}, "email"),
        ("/customers", {"email": "no"}, "email"),
        ("/customers", {"email": "a@x.test", "newsletter": "yes"}, "newsletter"),
        ("/customers", {"email": "a@x.test", "name": 5}, "name"),
        ("/orders", {"customer_id": "cus_1"}, "customer_id"),
        ("/orders", {"customer_id": "cus_1", "lines": [{"sku": "A"}]}, "lines"),
        ("/orders", {"customer_id": "cus_1", "state": "lost"}, "state"),
    ],
)
def test_what_is_not_valid_is_named(api, path, body, field):
    status, answer = api("POST", path, body)

    assert status == 422
    assert field in answer["error"]["fields"]


def test_an_order_has_a_total_and_can_be_cancelled(shop, api):
    customer = shop.add_customer("a@x.test")

    _, order = api("POST", "/orders", {"customer_id": customer, "lines": LINES})
    api("PATCH", f"/orders/{order['id']}", {"state": "cancelled"})

    assert order["total"] == 19.0
    names = [event["event"] for event in shop.webhooks.waiting]
    assert names == ["customer.created", "order.accepted", "order.cancelled"]


def test_a_change_of_an_older_version_is_refused(shop, api):
    customer = shop.add_customer("a@x.test")
    shop.update(customer, {"city": "Bonn"})

    assert api("PATCH", f"/customers/{customer}", {"city": "Ulm"}, {"If-Match": '"1"'})[0] == 412
    assert api("PATCH", f"/customers/{customer}", {"city": "Ulm"}, {"If-Match": '"2"'})[0] == 200


def test_a_repeated_request_with_its_key_is_done_once(shop, api):
    key = {"Idempotency-Key": "d1"}

    first = api("POST", "/customers", {"email": "a@x.test"}, key)
    again = api("POST", "/customers", {"email": "a@x.test"}, key)

    assert first == again
    assert len(shop.customers) == 1


@pytest.fixture
def receiver():
    """A door for events that takes them all; its calls are in `seen`."""
    seen = []
    listener = Listener(lambda call: seen.append(call) or Response(202))
    listener.seen = seen
    listener.start()
    yield listener
    listener.stop()


def test_events_are_signed_and_carry_their_id(shop, receiver):
    shop.add_customer("a@x.test")

    [sent] = shop.webhooks.deliver(f"{receiver.url}/events/orders/")

    [call] = receiver.seen
    signed = call.headers["X-Hub-Timestamp"].encode() + b"." + call.body
    expected = hmac.new(WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert (sent.status, call.path) == (202, "/events/orders/")
    assert call.headers["X-Hub-Signature"] == f"sha256={expected}"
    assert call.headers["Idempotency-Key"] == call.json()["id"]


def test_events_come_twice_and_in_disorder_and_are_tried_again_if_a_test_wants_it(simulator, shop):
    fill(simulator, shop, 4)
    ids = [event["id"] for event in shop.webhooks.waiting]

    sent = shop.webhooks.deliver("http://127.0.0.1:9/", Manner(duplicates=True, shuffled=True, attempts=2))

    assert len(sent) == 4 * 2 * 2
    assert [one.event["id"] for one in sent[::2]] != sorted(ids * 2)
    assert {one["id"] for one in shop.webhooks.lost} == set(ids)


def test_the_tables_hold_what_the_api_shows_and_mark_what_is_gone(simulator, shop):
    first, second = fill(simulator, shop, 2)
    engine = create_engine("sqlite://")
    tables.write(shop.shop, engine)
    shop.delete(first)
    shop.update(second, {"city": "Bonn"})
    tables.write(shop.shop, engine)

    with engine.connect() as connection:
        rows = {row.id: row for row in connection.execute(select(tables.CUSTOMERS))}
    engine.dispose()

    assert (rows[first].is_deleted, rows[second].is_deleted) == (True, False)
    assert rows[second].city == "Bonn"


def test_it_can_be_told_over_the_control_door(shop):
    answer = requests.post(f"{shop.url}/_control/add_customer", json={"email": "a@x.test"}, timeout=5)

    assert answer.json()["result"] == shop.customers["a@x.test"]["id"]
