"""Trouble strikes when, where and as often as it was ordered."""

import socket
import time

import pytest
import requests

from integration_hub.simulator.faults import Faults
from integration_hub.simulator.server import Simulator

LEADS = "SELECT Id FROM Lead"


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("expired_session", 401, "INVALID_SESSION_ID"),
        ("request_limit", 403, "TotalRequests Limit exceeded."),
        ("concurrent_limit", 403, "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
        ("no_access", 403, "INSUFFICIENT_ACCESS"),
        ("api_disabled", 403, "API_DISABLED_FOR_ORG"),
        ("query_timeout", 400, "QUERY_TIMEOUT"),
        ("lock_row", 400, "UNABLE_TO_LOCK_ROW"),
        ("server_error", 500, "UNKNOWN_EXCEPTION"),
        ("unavailable", 503, "<html>"),
        ("edge", 420, "<html>"),
        ("rate_limited", 429, "<html>"),
        ("invalid_grant", 400, "authentication failure"),
        ("malformed_json", 200, '"done":tru'),
    ],
)
def test_each_salesforce_fault_has_its_shape_and_is_used_up(salesforce, rest, kind, status, told):
    salesforce.faults.fail_next(1, kind)

    answer = rest.query(LEADS)

    assert answer.status_code == status
    assert told in answer.text
    assert rest.query(LEADS).status_code == 200


def test_any_status_can_be_ordered(salesforce, rest):
    salesforce.faults.fail_next(1, "status", status=502, body="Bad Gateway")

    answer = rest.query(LEADS)

    assert (answer.status_code, answer.text) == (502, "Bad Gateway")


def test_a_dropped_call_gets_no_answer_and_is_recorded_as_such(salesforce, rest):
    salesforce.faults.fail_next(1, "drop")

    with pytest.raises(requests.ConnectionError):
        rest.query(LEADS)

    assert salesforce.requests[-1].status is None
    assert salesforce.limits.used == 0


def test_a_delayed_call_is_answered_late(salesforce, rest):
    salesforce.faults.fail_next(1, "delay", seconds=0.1)

    before = time.monotonic()
    answer = rest.query(LEADS)

    assert answer.status_code == 200
    assert time.monotonic() - before >= 0.1


def test_latency_is_added_to_every_answer(salesforce, rest):
    salesforce.latency = 0.05

    before = time.monotonic()
    rest.query(LEADS)
    rest.query(LEADS)

    assert time.monotonic() - before >= 0.1


def test_a_fault_waits_for_its_path_while_others_pass(salesforce, rest):
    salesforce.faults.fail_next(2, "unavailable", path="/query")

    statuses = [
        rest.get(path, params={"q": LEADS}).status_code for path in ("limits", "query", "query", "query")
    ]

    assert statuses == [200, 503, 503, 200]


def test_a_rate_strikes_about_so_often_until_it_is_ended():
    faults = Faults(())
    faults.set("drop", rate=0.2)

    struck = sum(faults.take("/x") is not None for _ in range(1000))
    faults.set("drop", rate=0)

    assert 150 < struck < 250
    assert faults.take("/x") is None


@pytest.mark.parametrize(
    ("kind", "error"), [("drop", requests.ConnectionError), ("refuse", requests.ConnectionError)]
)
def test_an_outage_lasts_until_it_is_over(salesforce, rest, kind, error):
    salesforce.faults.outage(on=True, kind=kind)

    for _ in range(2):
        with pytest.raises(error):
            rest.query(LEADS)

    salesforce.faults.outage(on=False)
    assert rest.query(LEADS).status_code == 200


def test_a_refusing_vendor_has_closed_its_port_and_opens_the_same_again(salesforce):
    port = int(salesforce.url.rpartition(":")[2])
    salesforce.faults.outage(on=True, kind="refuse")

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)

    salesforce.faults.clear()
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_an_unavailable_vendor_answers_503(salesforce, rest):
    salesforce.faults.outage(on=True, kind="unavailable")

    assert rest.query(LEADS).status_code == 503


def test_an_outage_of_one_vendor_leaves_the_other(salesforce, web):
    salesforce.faults.outage(on=True, kind="refuse")

    assert web("auth.test")["ok"] is True


@pytest.mark.parametrize(
    "order", [lambda f: f.fail_next(1, "nope"), lambda f: f.set("nope", 1), lambda f: f.outage(True, "x")]
)
def test_an_unknown_kind_is_named_with_the_choices(order):
    with pytest.raises(ValueError, match=r"Choose one of: .*drop"):
        order(Faults(()))


def test_stopping_closes_open_conversations_and_frees_the_port():
    with Simulator() as simulator:
        url = simulator.slack.url
        session = requests.Session()
        session.get(f"{url}/_control/", timeout=5)

    with pytest.raises(requests.ConnectionError):
        session.get(f"{url}/_control/", timeout=5)
    session.close()


def test_ports_can_be_chosen():
    with Simulator() as first:
        port = int(first.slack.url.rpartition(":")[2])

    with Simulator(ports={"slack": port}) as second:
        assert second.slack.url == f"http://127.0.0.1:{port}"


def test_when_one_port_is_taken_none_stays_open():
    with Simulator() as first:
        free = socket.create_server(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        taken = int(first.slack.url.rpartition(":")[2])

        with pytest.raises(OSError, match="in use"):
            Simulator(ports={"salesforce": port, "slack": taken}).start()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
