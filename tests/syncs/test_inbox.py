"""Posting events and asking for them, as a product sees it, and what stands in the inbox afterwards."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from io import BytesIO

import pytest
from django.db import OperationalError, connection, connections
from django.test import Client
from django.utils import timezone

from syncs.events import inbox, problems
from syncs.events import proof as event_proof
from syncs.events import sources as event_sources
from syncs.events import tallies as event_tallies
from syncs.events.problems import Problem, RefusedError
from syncs.events.proof import Credentials
from syncs.models import EventSecret, EventTally, InboundEvent
from syncs.models.events import EventOrigin, EventState, Proof
from tests.factories import NOON, make_event_source

pytestmark = pytest.mark.django_db

REGISTER = {"event": "register", "email": "ada@example.test"}
SCHEMA = {
    "type": "object",
    "required": ["email"],
    "properties": {"email": {"type": "string"}, "seats": {"type": "integer", "minimum": 1}},
}


@pytest.fixture
def source():
    return make_event_source("register", "update", key="product", proof=Proof.BEARER)


def post(
    event=REGISTER, *, to="product", token="s3cret", client=None, content_type="application/json", **headers
):
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    given = {"Authorization": f"Bearer {token}"} if token else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return (client or Client()).generic(
        "POST", f"/events/{to}/", body, content_type=content_type, headers=given
    )


def signed(event=REGISTER, *, to="signed", secret="s3cret", at=None, body=None, **headers):
    content = json.dumps(event).encode()
    stamp = str(int(time.time() if at is None else at))
    made = event_proof.signature(secret.encode(), stamp, content)
    return post(
        body or content, to=to, token="", **{"X-Hub-Timestamp": stamp, "X-Hub-Signature": made, **headers}
    )


def ask(address, token="s3cret"):
    return Client().get(address, headers={"Authorization": f"Bearer {token}"})


def cut_off():
    """End our session at the server; SQLite has none that could be lost."""
    if connection.vendor == "postgresql":
        other = connections.create_connection("default")
        with other.cursor() as theirs, connection.cursor() as ours:
            ours.execute("SELECT pg_backend_pid()")
            theirs.execute("SELECT pg_terminate_backend(%s)", ours.fetchone())
        other.close()


def problem(response):
    """Return the code, after a look at what RFC 9457 wants."""
    told = response.json()
    assert response["Content-Type"] == problems.CONTENT_TYPE
    assert told["status"] == response.status_code
    assert told["title"]
    assert told["type"].endswith(told["code"])
    return told["code"]


def test_an_event_is_stored_as_it_came_and_answered_with_its_id(source):
    body = b'{ "event":"register",\n "email":"ada@example.test" }'

    answer = post(body)

    assert answer.status_code == 202
    event = InboundEvent.objects.get(uid=answer.json()["id"])
    assert bytes(event.body) == body
    assert (event.name, event.data, event.state) == ("register", REGISTER, EventState.WAITING)
    assert answer["Location"] == f"/events/product/{event.uid}"


def test_the_address_answers_without_its_last_slash_too(source):
    headers = {"Authorization": "Bearer s3cret"}

    answer = Client().post("/events/product", REGISTER, content_type="application/json", headers=headers)

    assert answer.status_code == 202


def test_neither_a_session_nor_a_token_against_forgery_is_asked_for(source):
    answer = post(client=Client(enforce_csrf_checks=True))

    assert answer.status_code == 202
    assert answer.cookies == {}


def test_the_hubs_switch_does_not_stop_what_comes_in(source, hub_off):
    assert post().status_code == 202


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b" ", Problem.BAD_JSON),
        (b"{", Problem.BAD_JSON),
        (b'\xff{"event":"register"}', Problem.BAD_JSON),
        (b'\xef\xbb\xbf{"event":"register"}', Problem.BAD_JSON),
        (b'{"event":"register","n":NaN}', Problem.BAD_JSON),
        (b'{"event":"register","n":1e999}', Problem.BAD_JSON),
        (b'{"event":"register","n":' + b"9" * 5000 + b"}", Problem.BAD_JSON),
        (b'{"event":"register","n":"\\u0000"}', Problem.BAD_TEXT),
        (b'{"event":"register","n":"\\ud800"}', Problem.BAD_TEXT),
        (b'{"event":"register","\\uDFFF":1}', Problem.BAD_TEXT),
        (b'{"event":"register","n":' + b"[" * 100 + b"]" * 100 + b"}", Problem.TOO_DEEP),
        (b"[" * 90_000, Problem.TOO_DEEP),
        (b"[]", Problem.NOT_AN_OBJECT),
        (b"7", Problem.NOT_AN_OBJECT),
        (b"{}", Problem.NO_NAME),
        (b'{"event":7}', Problem.NO_NAME),
        (b'{"event":"nobody"}', Problem.UNKNOWN_EVENT),
    ],
)
def test_what_is_no_event_is_refused_and_kept_as_it_came(source, body, code):
    answer = post(body)

    assert problem(answer) == code
    kept = InboundEvent.objects.get(uid=answer.json()["id"])
    assert (kept.state, kept.status, kept.problem_code) == (EventState.REFUSED, code.status, code)
    assert bytes(kept.body) == body


@pytest.mark.parametrize(
    "body",
    [
        b'{"event":"register","n":"\\ud83d\\ude00"}',
        b'{"event":"register","n":"\\\\ud800"}',
        b'{"event":"register","n":"[[[[{{{{' + b"[" * 200 + b'\\""}',
        b'{"event":"register","n":' + b"[" * 99 + b"]" * 99 + b"}",
        b'{"event":"register","n":1e22,"m":-0.5,"k":' + b"9" * 4000 + b"}",
    ],
    ids=["a pair", "an escaped backslash", "brackets in a text", "as deep as may be", "large numbers"],
)
def test_what_is_odd_but_right_is_taken(source, body):
    answer = post(body)

    assert answer.status_code == 202
    assert InboundEvent.objects.get(uid=answer.json()["id"]).data == json.loads(body)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 202),
        ("application/json; charset=UTF-8", 202),
        ("application/vnd.shop.event+json", 202),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=latin-1", 415),
        ("", 415),
    ],
)
def test_only_what_is_announced_as_json_is_taken(source, content_type, status):
    assert post(content_type=content_type).status_code == status


def test_an_event_must_fit_its_schema_and_the_answer_repeats_none_of_its_values():
    make_event_source({"name": "register", "schema": SCHEMA}, key="product", proof=Proof.BEARER)

    answer = post({"event": "register", "seats": "many-secrets"})

    assert problem(answer) == Problem.SCHEMA
    assert answer.json()["errors"] == ["seats must be of type integer.", "The event lacks email."]
    assert "many-secrets" not in answer.content.decode() + InboundEvent.objects.get().problem
    assert InboundEvent.objects.get().name == "register"


def test_a_schema_that_fails_loses_no_event():
    make_event_source(
        {"name": "register", "schema": {"$ref": "#/nowhere"}}, key="product", proof=Proof.BEARER
    )

    answer = post()

    assert (answer.status_code, problem(answer)) == (500, Problem.INTERNAL)
    assert json.loads(bytes(InboundEvent.objects.get().body)) == REGISTER


def test_the_name_may_stand_anywhere(source):
    source.name_path = "meta.kind"
    source.save()

    assert post({"meta": {"kind": "update"}}).status_code == 202
    assert InboundEvent.objects.get().name == "update"


class TestRepeats:
    def test_a_repeat_is_answered_like_the_first(self, source):
        first, second = (post(Idempotency_Key="k1") for _ in range(2))

        assert (second.status_code, second.content) == (202, first.content)
        assert InboundEvent.objects.count() == 1

    def test_the_key_may_be_quoted_as_the_draft_standard_has_it(self, source):
        first, second = post(Idempotency_Key='"k1"'), post(Idempotency_Key="k1")

        assert second.json() == first.json()

    def test_a_field_of_the_event_may_be_the_key(self, source):
        source.idempotency_path = "meta.id"
        source.save()

        answers = [post({**REGISTER, "meta": {"id": 7}}) for _ in range(2)]

        assert len({answer.json()["id"] for answer in answers}) == 1

    def test_other_blanks_make_no_other_event(self, source):
        answers = [
            post(body, Idempotency_Key="k") for body in (b'{"event":"register"}', b'{ "event": "register" }')
        ]

        assert len({answer.json()["id"] for answer in answers}) == 1

    def test_a_key_with_another_event_is_refused(self, source):
        post(Idempotency_Key="k1")

        answer = post({"event": "update"}, Idempotency_Key="k1")

        assert (answer.status_code, problem(answer)) == (422, Problem.KEY_REUSED)

    def test_the_key_of_another_source_is_another_key(self, source):
        make_event_source(key="other", proof=Proof.BEARER)

        first, second = (post(to=to, Idempotency_Key="k1") for to in ("product", "other"))

        assert first.json()["id"] != second.json()["id"]

    def test_what_was_refused_may_come_again_corrected_with_its_key(self, source):
        post({"event": "nobody"}, Idempotency_Key="k1")

        assert post(Idempotency_Key="k1").status_code == 202

    @pytest.mark.parametrize("key", ["", '""', "x" * 201, "caf\u00e9"])
    def test_a_key_that_cannot_be_used_is_refused(self, source, key):
        assert problem(post(Idempotency_Key=key)) == Problem.BAD_KEY

    @pytest.mark.parametrize("key", [True, 1.5, [], "", "x" * 201])
    def test_a_field_that_cannot_be_a_key_is_refused(self, source, key):
        source.idempotency_path = "id"
        source.save()

        assert problem(post({**REGISTER, "id": key})) == Problem.BAD_KEY

    def test_without_a_key_each_post_is_an_event(self, source):
        post(), post()

        assert InboundEvent.objects.count() == 2

    def test_a_signed_post_that_is_recorded_and_sent_again_counts_once(self):
        make_event_source(key="signed")
        now = time.time()

        first, second = signed(at=now), signed(at=now)

        assert second.json() == first.json()
        assert InboundEvent.objects.count() == 1

    def test_a_recorded_post_does_not_count_twice_because_of_a_header_that_nobody_signed(self):
        source = make_event_source("register", key="signed", idempotency_path="id")
        now, event = time.time(), {**REGISTER, "id": "e-1"}

        first = signed(event, at=now, Idempotency_Key="first")
        again = signed(event, at=now, Idempotency_Key="second")

        assert again.json() == first.json()
        assert source.events.get().idempotency_key == "e-1"


class TestProof:
    @pytest.mark.parametrize(
        ("authorization", "code"),
        [
            ("", Problem.NO_PROOF),
            ("Basic s3cret", Problem.NO_PROOF),
            ("Bearer", Problem.NO_PROOF),
            ("Bearer wrong", Problem.BAD_TOKEN),
            ("Bearer s3cret2", Problem.BAD_TOKEN),
            ("Bearer caf\u00e9", Problem.BAD_TOKEN),
        ],
    )
    def test_a_bearer_must_be_one_of_the_tokens(self, source, authorization, code):
        answer = post(token="", Authorization=authorization)

        assert (answer.status_code, problem(answer)) == (401, code)
        assert answer["WWW-Authenticate"] == "Bearer"

    def test_while_tokens_change_the_old_and_the_new_one_are_good(self, source):
        event_sources.add_secret(source, "second", "n3w", NOON)

        assert [post(token=token).status_code for token in ("s3cret", "n3w", "other")] == [202, 202, 401]

    def test_an_expired_token_is_refused(self, source):
        source.secrets.update(expires_at=timezone.now() - timedelta(seconds=1))

        assert problem(post()) == Problem.BAD_TOKEN

    def test_a_token_may_stand_in_the_environment(self, source, monkeypatch):
        monkeypatch.setenv("SHOP_TOKEN", "from-outside")
        event_sources.add_secret(source, "env", "env:SHOP_TOKEN", NOON)

        assert post(token="from-outside").status_code == 202

    def test_a_token_that_cannot_be_read_is_no_fault_of_the_sender(self, source):
        event_sources.add_secret(source, "env", "env:NOT_SET_ANYWHERE", NOON)

        answer = post(token="perhaps-that-one")

        assert (answer.status_code, problem(answer)) == (503, Problem.NOT_READY)
        assert answer["Retry-After"] == "60"
        assert post().status_code == 202

    def test_a_revoked_token_is_refused_within_a_second(self, source):
        clock = [100.0]
        before = event_sources.known("product", clock=lambda: clock[0])
        EventSecret.objects.all().delete()

        clock[0] += 1
        after = event_sources.known("product", clock=lambda: clock[0])

        assert (len(before.secrets), len(after.secrets)) == (1, 0)

    def test_a_right_signature_is_taken(self):
        make_event_source(key="signed")

        assert signed().status_code == 202

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"secret": "wrong"}, Problem.BAD_SIGNATURE),
            ({"body": b'{"event":"register","email":"eve@example.test"}'}, Problem.BAD_SIGNATURE),
            ({"X-Hub-Signature": "sha256="}, Problem.BAD_SIGNATURE),
            ({"X-Hub-Signature": "caf\u00e9"}, Problem.BAD_SIGNATURE),
            ({"X-Hub-Signature": ""}, Problem.NO_PROOF),
            ({"X-Hub-Timestamp": ""}, Problem.NO_PROOF),
            ({"X-Hub-Timestamp": "1"}, Problem.BAD_SIGNATURE),
            ({"X-Hub-Timestamp": "-5"}, Problem.BAD_TIME),
            ({"X-Hub-Timestamp": "\u00b2"}, Problem.BAD_TIME),
            ({"X-Hub-Timestamp": "9" * 5000}, Problem.BAD_TIME),
            ({"at": 1}, Problem.BAD_TIME),
            ({"at": time.time() - 3600}, Problem.BAD_TIME),
            ({"at": time.time() + 3600}, Problem.BAD_TIME),
        ],
    )
    def test_a_signature_must_fit_secret_time_and_body(self, changed, code):
        make_event_source(key="signed")

        assert problem(signed(**changed)) == code

    def test_a_bearer_token_is_no_signature(self):
        make_event_source(key="signed")

        assert problem(post(to="signed")) == Problem.NO_PROOF

    def test_a_source_without_secrets_takes_nothing(self):
        make_event_source(key="product", proof=Proof.BEARER, secret="")

        assert [post(token=token).status_code for token in ("", " ", "s3cret")] == [401, 401, 401]


class TestStrangers:
    def test_of_what_does_not_prove_itself_one_row_a_minute_is_kept_without_its_body(
        self, source, monkeypatch
    ):
        monkeypatch.setattr(timezone, "now", lambda: NOON)

        for _ in range(20):
            post(token="guess")
        event_tallies.write()

        kept = InboundEvent.objects.get()
        assert (kept.problem_code, bytes(kept.body), kept.data) == (Problem.BAD_TOKEN, b"", None)
        assert EventTally.objects.get().count == 20

    def test_each_reason_and_each_minute_has_its_own_row(self, source):
        known = event_sources.known("product")
        for minute in range(3):
            for problem_of_it in (Problem.BAD_TOKEN, Problem.NO_PROOF) * 5:
                refusal = RefusedError(problem_of_it, "x")
                inbox.turn_away(known, inbox.Post(b"x"), refusal, NOON + timedelta(minutes=minute))
        event_tallies.write()

        assert InboundEvent.objects.count() == 6
        assert {tally.count for tally in EventTally.objects.all()} == {5}

    def test_another_process_does_not_keep_a_second_example(self, source):
        known, refusal = event_sources.known("product"), RefusedError(Problem.BAD_TOKEN, "x")
        for _ in range(3):
            inbox.turn_away(known, inbox.Post(b"x"), refusal, NOON)
            event_tallies.forget()

        assert (InboundEvent.objects.count(), EventTally.objects.get().count) == (1, 3)

    def test_an_unknown_source_leaves_nothing_behind(self, source):
        answer = post(to="nobody")

        assert (answer.status_code, problem(answer)) == (404, Problem.UNKNOWN_SOURCE)
        assert InboundEvent.objects.count() == EventTally.objects.count() == 0


class TestLimits:
    def test_a_body_that_is_too_large_is_refused_before_it_is_read(self, source):
        source.max_bytes = 100
        source.save()

        answer = post({**REGISTER, "more": "x" * 100})

        assert (answer.status_code, problem(answer)) == (413, Problem.TOO_LARGE)
        assert bytes(InboundEvent.objects.get().body) == b""

    def test_a_body_beyond_djangos_own_limit_is_taken_if_the_source_may_send_it(self, source, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

        assert post({**REGISTER, "more": "x" * 100}).status_code == 202

    def test_a_body_in_chunks_is_refused(self, source):
        answer = post(Transfer_Encoding="chunked")

        assert (answer.status_code, problem(answer)) == (411, Problem.NO_LENGTH)

    def test_a_body_that_ends_early_is_refused(self, source):
        headers = {"Authorization": "Bearer s3cret"}

        answer = Client().generic(
            "POST",
            "/events/product/",
            content_type="application/json",
            headers=headers,
            CONTENT_LENGTH="50",
            **{"wsgi.input": BytesIO(b"{}")},
        )

        assert (answer.status_code, problem(answer)) == (400, Problem.CUT_OFF)

    def test_more_than_a_minutes_events_are_refused_until_the_next_one(self, source, monkeypatch):
        source.per_minute = 3
        source.save()
        monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(seconds=20))

        answers = [post() for _ in range(5)]

        assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429]
        assert answers[-1]["Retry-After"] == "40"
        assert InboundEvent.objects.filter(state=EventState.WAITING).count() == 3
        monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(seconds=60))
        assert post().status_code == 202

    def test_all_processes_together_keep_the_limit(self, source):
        source.per_minute = 1_000
        source.save()
        known, taken = event_sources.read(source), 0
        for _ in range(150):
            event_tallies.forget()
            taken += sum(event_tallies.take(known, NOON) == 0 for _ in range(10))

        assert taken == 1_000

    def test_a_raised_limit_counts_at_once(self, source):
        source.per_minute = 1
        known = event_sources.read(source)
        assert [event_tallies.take(known, NOON) for _ in range(2)] == [0, 60]

        source.per_minute = 2

        assert event_tallies.take(event_sources.read(source), NOON) == 0

    def test_a_source_that_is_off_refuses_and_keeps(self, source):
        source.enabled = False
        source.save()

        answer = post()

        assert (answer.status_code, problem(answer)) == (403, Problem.SOURCE_OFF)
        assert json.loads(bytes(InboundEvent.objects.get().body)) == REGISTER


class TestAnswers:
    @pytest.mark.parametrize(
        "address", ["/events/", "/events/product/1/2", "/events/a.b/", "/events/a b/c/d"]
    )
    def test_other_addresses_answer_in_json_too(self, source, address):
        assert problem(Client().get(address)) == Problem.UNKNOWN_ADDRESS

    @pytest.mark.parametrize(
        ("method", "address"),
        [("GET", "/events/product/"), ("PUT", "/events/product/"), ("POST", "/events/product/x")],
    )
    def test_other_methods_are_refused(self, source, method, address):
        assert problem(Client().generic(method, address)) == Problem.WRONG_METHOD

    def test_a_database_that_is_away_is_told_as_such(self, source, monkeypatch):
        def away(event):
            raise OperationalError("the connection is lost")

        monkeypatch.setattr(inbox, "_inserted", away)

        answer = post()

        assert (answer.status_code, problem(answer)) == (503, Problem.UNAVAILABLE)
        assert answer["Retry-After"] == "5"

    def test_a_connection_that_was_lost_meanwhile_is_opened_anew(self, transactional_db, source):
        known = event_sources.known("product")
        cut_off()

        receipt = inbox.receive(
            known, inbox.Post(json.dumps(REGISTER).encode(), credentials=Credentials("Bearer s3cret")), NOON
        )

        assert str(InboundEvent.objects.get().uid) == receipt.uid

    def test_each_problem_has_a_status_and_its_own_title(self):
        assert set(problems.STATUS) == set(Problem)
        assert len(set(Problem.labels)) == len(Problem)


class TestFate:
    def test_who_may_post_may_ask(self, source):
        answer = ask(post()["Location"])

        told = answer.json()
        assert answer.status_code == 200
        assert (told["event"], told["state"], told["results"]) == ("register", "waiting", [])

    def test_what_was_refused_says_why(self, source):
        uid = post({"event": "nobody"}).json()["id"]

        told = ask(f"/events/product/{uid}").json()

        assert (told["state"], told["problem"]["code"]) == ("refused", Problem.UNKNOWN_EVENT)

    def test_listeners_tell_what_came_of_it(self, source, settings):
        settings.EVENT_LISTENERS = ["tests.syncs.test_inbox.Listener"]
        answer = post()
        inbox.mark_routed(inbox.waiting(10), NOON)

        told = ask(answer["Location"]).json()

        assert told["state"] == "routed"
        assert told["results"] == [
            {"what": "flow:x", "run": "7", "stage": "parked", "step": "company", "reason": "it says no"}
        ]

    @pytest.mark.parametrize("uid", ["x", "00000000-0000-4000-8000-000000000000", "\u00e4"])
    def test_what_is_not_there_is_not_found(self, source, uid):
        assert problem(ask(f"/events/product/{uid}")) == Problem.UNKNOWN_ID

    def test_another_source_does_not_see_it(self, source):
        make_event_source(key="other", proof=Proof.BEARER, secret="0ther")
        uid = post().json()["id"]

        assert problem(ask(f"/events/other/{uid}", "0ther")) == Problem.UNKNOWN_ID

    def test_without_proof_nothing_is_told(self, source):
        assert problem(ask(post()["Location"], "wrong")) == Problem.BAD_TOKEN

    def test_a_signature_is_made_over_the_path(self):
        make_event_source(key="signed")
        address, stamp = signed()["Location"], str(int(time.time()))

        def asked(content):
            made = event_proof.signature(b"s3cret", stamp, content)
            return Client().get(address, headers={"X-Hub-Timestamp": stamp, "X-Hub-Signature": made})

        assert asked(address.encode()).status_code == 200
        assert problem(asked(b"")) == Problem.BAD_SIGNATURE


class TestVerbs:
    def test_what_waits_is_handed_on_in_order_and_once(self, source):
        uids = [post({**REGISTER, "n": n}).json()["id"] for n in range(3)]
        post({"event": "nobody"})

        first = inbox.waiting(2)

        assert [str(one.uid) for one in first] == uids[:2]
        assert (inbox.mark_routed(first, NOON), inbox.mark_routed(first, NOON)) == (2, 0)
        assert [str(one.uid) for one in inbox.waiting(2)] == uids[2:]

    def test_large_events_are_handed_on_fewer_at_once_but_always_one(self, source, monkeypatch):
        uids = [post({**REGISTER, "n": n}).json()["id"] for n in range(4)]
        size = len(InboundEvent.objects.first().body)

        def handed_on(most):
            monkeypatch.setattr(inbox, "MOST_BYTES", most)
            return [str(one.uid) for one in inbox.waiting(10)]

        assert handed_on(2 * size) == uids[:2]
        assert handed_on(2 * size - 1) == uids[:1]
        assert handed_on(1) == uids[:1]

    def test_what_a_flow_emits_under_one_key_is_one_event(self, source):
        post()
        cause = InboundEvent.objects.get()

        first, again = (inbox.emit(source, "update", {"a": 1}, cause, "run:1", NOON) for _ in range(2))

        assert first.pk == again.pk
        assert (first.origin, first.cause, first.state) == (EventOrigin.EMITTED, cause, EventState.WAITING)

    def test_a_replay_is_a_new_event_that_names_its_cause(self, source):
        post(Idempotency_Key="k1")
        event = InboundEvent.objects.get()

        again = inbox.replay(event, NOON)

        again.refresh_from_db()
        assert (again.cause, again.origin, again.state) == (event, EventOrigin.REPLAY, EventState.WAITING)
        assert (again.data, bytes(again.body), again.idempotency_key) == (event.data, bytes(event.body), None)

    def test_what_was_refused_is_replayed_once_it_may_be_taken(self, source):
        post({"event": "upgrade"})
        event = InboundEvent.objects.get()
        with pytest.raises(RefusedError, match="none of this source"):
            inbox.replay(event, NOON)

        source.types.create(name="upgrade")

        assert inbox.replay(event, NOON).data == {"event": "upgrade"}

    def test_of_a_stranger_there_is_nothing_to_replay(self, source):
        post(token="guess")

        with pytest.raises(RefusedError, match="Nothing but the reason"):
            inbox.replay(InboundEvent.objects.get(), NOON)

    def test_a_sample_is_checked_like_a_post(self):
        source = make_event_source(
            {"name": "register", "schema": SCHEMA, "sample": REGISTER},
            {"name": "update", "schema": SCHEMA, "sample": {"event": "update"}},
            {"name": "empty"},
        )

        sent = inbox.send_sample(source.types.get(name="register"), NOON)

        assert (sent.origin, sent.data) == (EventOrigin.SAMPLE, REGISTER)
        for name in ("update", "empty"):
            with pytest.raises(RefusedError):
                inbox.send_sample(source.types.get(name=name), NOON)


class Listener:
    def fate(self, event):
        from syncs.events.listeners import Fate

        yield Fate("flow:x", "7", "parked", "company", "it says no", link="/admin/")


@pytest.fixture
def hub_off():
    from syncs.models import HubSettings

    HubSettings.get()
    HubSettings.objects.update(enabled=False)
