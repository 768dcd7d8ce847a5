"""The transport: it sends once, judges answers by table, and lets no secret out."""

import base64
import logging
import threading
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors import transport as transport_module
from integration_hub.connectors.errors import (
    AuthError,
    BudgetError,
    ConfigError,
    RateLimitError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.redaction import excerpt, redact
from integration_hub.connectors.transport import check_base_url, read_json
from tests.connectors.doubles import make_transport
from tests.connectors.wire import free_port, raw_server

URL = "https://vendor.example"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECRET = "s3cr3t/token+value"


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def transport():
    return make_transport(URL, secrets=[SECRET])


@pytest.mark.parametrize(
    ("status", "repeatable", "error"),
    [
        (400, True, RejectedError),
        (401, True, AuthError),
        (403, True, ConfigError),
        (404, True, RejectedError),
        (408, False, RetryableError),
        (409, True, RejectedError),
        (429, True, RateLimitError),
        (500, True, RetryableError),
        (500, False, UnknownOutcomeError),
        (502, False, UnknownOutcomeError),
        (503, False, RetryableError),
        (504, True, RetryableError),
        (504, False, UnknownOutcomeError),
        (302, True, ConfigError),
    ],
)
def test_status_decides_what_the_engine_does_next(vendor, transport, status, repeatable, error):
    vendor.post(f"{URL}/things", status=status)

    with pytest.raises(error) as caught:
        transport.request("POST", "/things", repeatable=repeatable)

    assert type(caught.value) is error
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        (
            {
                "Retry-After": "Fri, 20 Nov 2026 12:00:40 GMT",
                "Date": "Fri, 20 Nov 2026 12:00:00 GMT",
            },
            40.0,
        ),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "soon"}, 30.0),
        ({"Retry-After": "nan"}, 30.0),
        ({"Retry-After": "1e12"}, 86400.0),
        ({}, 30.0),
    ],
)
def test_the_wait_that_a_vendor_asks_for_reaches_error_and_limiter(vendor, transport, headers, seconds):
    vendor.get(f"{URL}/things", status=429, headers=headers)

    with pytest.raises(RateLimitError) as caught:
        transport.request("GET", "/things", scope="things")

    assert caught.value.retry_after == seconds
    assert transport.limiter.blocked == [("things", seconds)]


def test_a_used_up_budget_does_not_block_the_scope(vendor, transport):
    transport.classify = lambda response: BudgetError("used up", retry_after=900)
    vendor.get(f"{URL}/things", status=403)

    with pytest.raises(BudgetError):
        transport.request("GET", "/things")

    assert transport.limiter.blocked == []


def test_the_limiter_is_asked_before_anything_is_sent(vendor, transport):
    def refuse(scope):
        raise RateLimitError("not now", retry_after=3)

    transport.limiter.acquire = refuse

    with pytest.raises(RateLimitError):
        transport.request("GET", "/things")

    assert len(vendor.calls) == 0
    assert transport.callouts == []


def test_a_connector_may_refuse_an_answer_that_looks_fine(vendor, transport):
    transport.classify = lambda response: RejectedError("no", code="no_text")
    vendor.post(f"{URL}/things", json={"ok": False})

    with pytest.raises(RejectedError):
        transport.request("POST", "/things")

    assert transport.callouts[0].error == "no_text"


def test_no_connection_may_be_tried_again(transport):
    with pytest.raises(RetryableError) as caught:
        transport.request("POST", f"http://127.0.0.1:{free_port()}/things", repeatable=False)

    assert type(caught.value) is RetryableError
    assert caught.value.code == "connect"
    assert transport.callouts[0].status is None


@pytest.mark.parametrize(("repeatable", "error"), [(True, RetryableError), (False, UnknownOutcomeError)])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n",
    ],
    ids=["before the answer", "inside the body", "inside a chunk"],
)
def test_a_dropped_connection_leaves_the_outcome_open(transport, answer, repeatable, error):
    with raw_server(lambda connection: connection.sendall(answer)) as (url, seen):
        with pytest.raises(error) as caught:
            transport.request("POST", f"{url}/things", json={"a": 1}, repeatable=repeatable)

        assert type(caught.value) is error
        assert len(seen) == 1, "it was sent once, never again"


@pytest.mark.parametrize(("repeatable", "error"), [(True, RetryableError), (False, UnknownOutcomeError)])
def test_a_missing_answer_leaves_the_outcome_open(repeatable, error):
    transport = make_transport(URL, timeout=(2.0, 0.05))

    with raw_server(lambda connection: connection.recv(1)) as (url, seen):
        with pytest.raises(error) as caught:
            transport.request("POST", f"{url}/things", repeatable=repeatable)
        transport.close()

    assert type(caught.value) is error
    assert caught.value.code == "timeout"
    assert len(seen) == 1


def test_a_redirect_is_not_followed(vendor, transport):
    vendor.get(f"{URL}/things", status=302, headers={"Location": "https://elsewhere.example/x?token=1"})

    with pytest.raises(ConfigError) as caught:
        transport.request("GET", "/things", headers={"Authorization": "Bearer abcdefgh1"})

    assert len(vendor.calls) == 1
    assert "elsewhere.example" in caught.value.message
    assert "token=1" not in caught.value.message


def test_an_answer_too_large_is_not_read_to_its_end(vendor, transport, monkeypatch):
    monkeypatch.setattr(transport_module, "LARGEST_ANSWER", 1000)
    vendor.get(f"{URL}/things", body=b"x" * 200_000)

    with pytest.raises(ConfigError) as caught:
        transport.request("GET", "/things")

    assert caught.value.code == "answer_too_large"


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_an_answer_that_trickles_in_comes_to_an_end(monkeypatch, beginning, drop):
    monkeypatch.setattr(transport_module, "LONGEST_ANSWER", 0.3)
    given_up = threading.Event()

    def trickle(connection):
        connection.sendall(beginning)
        with suppress(OSError):
            for _ in range(100):
                connection.sendall(drop)
                if given_up.wait(0.05):
                    return

    with raw_server(trickle) as (url, _):
        with pytest.raises(RetryableError) as caught:
            make_transport(url).request("GET", "/things")
        given_up.set()

    assert caught.value.code == "timeout"
    assert "took more than" in caught.value.message


def test_a_connection_that_is_kept_open_comes_to_an_end_too(monkeypatch):
    monkeypatch.setattr(transport_module, "LONGEST_ANSWER", 0.3)
    given_up = threading.Event()

    def first_fast_then_slow(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.recv(65536)
        with suppress(OSError):
            for _ in range(100):
                connection.sendall(b"x")
                if given_up.wait(0.05):
                    return

    with raw_server(first_fast_then_slow) as (url, seen):
        transport = make_transport(url)
        transport.request("GET", "/things")
        with pytest.raises(RetryableError) as caught:
            transport.request("GET", "/things")
        given_up.set()

    assert (caught.value.code, len(seen)) == ("timeout", 1)


def test_cookies_of_a_vendor_are_not_kept():
    def answer(connection):
        head = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=1; Path=/\r\nConnection: close\r\n"
        connection.sendall(head + b"Content-Length: 2\r\n\r\n{}")

    with raw_server(answer) as (url, seen):
        transport = make_transport(url)
        transport.request("GET", "/things")
        transport.request("GET", "/things")

    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "%252E%252e", "a%2F..%2F..", "..%5C", f"..?a={URL}"])
def test_an_id_that_is_dots_leads_nowhere_else(vendor, transport, name):
    for address in (f"/things/{name}", f"{URL}/things/{name}"):
        with pytest.raises(RejectedError) as caught:
            transport.request("DELETE", address)
        assert caught.value.code == "path"

    assert not vendor.calls


@pytest.mark.parametrize("path", ["/things/a..b", "/things/...", "/things?next=../x", "/things/.a"])
def test_other_dots_are_harmless(vendor, transport, path):
    vendor.get(f"{URL}{path}", json={})

    transport.request("GET", path)


def test_every_exchange_is_observed_without_query_and_body(vendor, transport):
    vendor.get(f"{URL}/query", json={"a": 1})

    transport.request("GET", "/query", params={"q": "ann@acme.test"}, purpose="poll")

    (callout,) = transport.callouts
    assert (callout.method, callout.url, callout.status) == ("GET", f"{URL}/query", 200)
    assert (callout.bytes_in, callout.purpose, callout.error) == (8, "poll", "")


def test_a_callout_bears_the_time_of_the_clock_that_was_given(vendor):
    vendor.get(f"{URL}/things", json={})
    transport = make_transport(URL, clock=lambda: NOON)

    transport.request("GET", "/things")

    assert [one.at for one in transport.callouts] == [NOON]


def test_a_log_that_fails_does_not_break_the_call(vendor, caplog):
    def fail(callout):
        raise OSError("disk full")

    vendor.get(f"{URL}/things", json={"a": 1})

    with caplog.at_level(logging.ERROR):
        answer = make_transport(URL, observer=fail).request("GET", "/things")

    assert read_json(answer) == {"a": 1}
    assert "callout could not be recorded" in caplog.text


def test_the_vendors_own_words_come_short_and_without_markup(vendor, transport):
    vendor.get(
        f"{URL}/things", status=503, body="<html><style>p{}</style><p>Down  for\nwork</p>" + "x" * 5000
    )

    with pytest.raises(RetryableError) as caught:
        transport.request("GET", "/things")

    assert caught.value.message.startswith("vendor.example answered 503: Down for work x")
    assert len(caught.value.message) < 350


def test_what_a_proxy_answers_in_binary_can_be_stored(vendor, transport):
    vendor.get(f"{URL}/things", status=503, body=b"\x00\x01Down\x00 at an\x00n@acme.test")

    with pytest.raises(RetryableError) as caught:
        transport.request("GET", "/things")

    assert caught.value.message == "vendor.example answered 503: Down at ***"


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (rb'{"Name": "A\u0000nn"}', {"Name": "Ann"}),
        (rb'{"a": [{"N\u0000": "\ud83dhalf", "n": NaN}]}', {"a": [{"N": "half", "n": None}]}),
        (b'{"Name": "A\xed\xa0\xbdnn"}', {"Name": "Ann"}),
        (rb'{"Name": "\ud83d\ude00"}', {"Name": "\U0001f600"}),
        (rb'{"Name": "\\u0000"}', {"Name": r"\u0000"}),
    ],
)
def test_what_no_database_can_keep_is_not_read(vendor, transport, body, read):
    vendor.get(f"{URL}/things", body=body)

    assert read_json(transport.request("GET", "/things")) == read


@pytest.mark.parametrize(
    ("echoed", "hidden"),
    [
        (SECRET, SECRET),
        ("s3cr3t%2Ftoken%2Bvalue", "s3cr3t"),
        (base64.b64encode(SECRET.encode()).decode(), base64.b64encode(SECRET.encode()).decode()),
        ("Authorization: Bearer 00Dxx0000001!AQ4.abc", "AQ4"),
        ("client_secret=Zm9v&grant_type=x", "Zm9v"),
        ('{"access_token":"00D5!AR8AQ"}', "AR8AQ"),
        ("ann.lee+x@acme.test", "lee"),
        ("ann.lee%40acme.test", "lee"),
        ("https://vendor.example/query?q=SELECT+Id", "SELECT"),
    ],
)
def test_no_secret_and_no_personal_data_leaves_in_an_error(vendor, transport, echoed, hidden):
    vendor.get(f"{URL}/things", status=400, body=f"refused: {echoed} (end)")

    with pytest.raises(RejectedError) as caught:
        transport.request("GET", "/things")

    assert hidden not in caught.value.message
    assert caught.value.message.endswith("(end)")
    assert str(caught.value) == caught.value.message
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "harmless",
    [
        "Basic authentication is not supported.",
        "No such column 'Rating__c' on entity 'Lead'.",
        "Bearer missing",
    ],
)
def test_ordinary_sentences_are_left_alone(harmless):
    assert redact(harmless, ["abc", ""]) == harmless


@pytest.mark.parametrize("form", ["two words", "two%20words", "two+words", "dHdvIHdvcmRz"])
def test_a_secret_is_known_in_every_form_it_travels_in(form):
    assert redact(f"refused: {form}!", ["two words"]) == "refused: ***!"


@given(st.text(min_size=4).filter(lambda text: len(text.strip()) >= 4))
def test_a_secret_never_survives_redaction(secret):
    assert secret not in redact(secret, [secret])


@given(st.text())
def test_an_excerpt_is_one_short_line(text):
    assert len(excerpt(text)) <= 300
    assert "\n" not in excerpt(text)


@pytest.mark.parametrize(
    ("answer", "quoted"),
    [
        (
            "<html><head><title>Service\n Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>",
            "Service Unavailable",
        ),
        ("<HTML><TITLE lang=en>Down &amp; out</TITLE>Back soon</HTML>", "Down & out"),
        ("<html><title></title><body><p>Back soon</p></body></html>", "Back soon"),
        ("<p>No <b>title</b></p>", "No title"),
        ('{"error": "a < b"}', '{"error": "a < b"}'),
    ],
)
def test_of_a_page_only_the_title_is_quoted(answer, quoted):
    assert excerpt(answer) == quoted


def test_secrets_learned_on_the_way_are_kept_out_too(vendor, transport):
    transport.add_secret("fresh-access-token")
    vendor.get(f"{URL}/things", status=400, body="bad fresh-access-token")

    with pytest.raises(RejectedError) as caught:
        transport.request("GET", "/things")

    assert "fresh-access-token" not in caught.value.message


def test_a_netrc_file_does_not_replace_our_credentials(vendor, transport, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine vendor.example login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    vendor.get(f"{URL}/things", json={})

    transport.request("GET", "/things", headers={"Authorization": "Bearer ours"})

    assert vendor.calls[0].request.headers["Authorization"] == "Bearer ours"


@pytest.mark.parametrize("token", ["typed“quotes”", "line\nbreak"])
def test_a_token_that_no_header_can_carry_is_a_configuration_fault(transport, token):
    with raw_server(lambda connection: None) as (url, _), pytest.raises(ConfigError) as caught:
        transport.request("GET", f"{url}/things", headers={"Authorization": f"Bearer {token}"})

    assert token not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff\xfe", b"[" * 200_000])
def test_an_answer_that_is_no_json_may_pass(vendor, transport, body):
    vendor.get(f"{URL}/things", body=body, content_type="text/html")

    with pytest.raises(RetryableError) as caught:
        read_json(transport.request("GET", "/things"))

    assert caught.value.code == "not_json"


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.my.salesforce.com",
        "https://10.0.0.5:8443/hub/",
        "http://localhost:8801",
        "http://127.0.0.1:8802/api/",
        "http://[::1]:8801",
        "http://slack.localhost",
    ],
)
def test_https_and_this_machine_are_fine(url):
    check_base_url(url)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://acme.my.salesforce.com", "http"),
        ("http://127.0.0.1.evil.example", "http"),
        ("http://192.168.0.1", "http"),
        ("acme.my.salesforce.com", "complete"),
        ("ftp://acme.example", "complete"),
        ("https://", "complete"),
        ("", "complete"),
        ("https://user:pw@acme.example", "user name"),
        ("https://acme.example/?a=b", "?"),
        ("https://acme.example/#x", "#"),
        ("https://acme.example:port", "not a valid"),
        ("https://[acme", "not a valid"),
    ],
)
def test_an_unsafe_or_broken_base_address_is_refused_in_a_sentence(url, word):
    with pytest.raises(ConfigError) as caught:
        check_base_url(url)

    assert word in caught.value.message
    assert caught.value.remedy


def test_credentials_are_not_sent_over_plain_http_to_others(transport):
    with pytest.raises(ConfigError):
        transport.request("GET", "http://acme.example/things")

    assert transport.callouts == []


def test_an_untrusted_certificate_is_a_configuration_fault(vendor, transport):
    failure = requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED: self-signed")
    vendor.get(f"{URL}/things", body=failure)

    with pytest.raises(ConfigError) as caught:
        transport.request("GET", "/things")

    assert caught.value.code == "certificate"
