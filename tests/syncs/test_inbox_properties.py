"""Whatever is posted: no answer is a 500 or a page, and what was accepted or refused for itself stands in the inbox."""

from __future__ import annotations

import json
from contextlib import suppress
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from syncs.events import problems
from syncs.events import reading as event_reading
from syncs.events import schema as event_schema
from syncs.events import sources as event_sources
from syncs.events.problems import RefusedError
from syncs.models import InboundEvent
from syncs.models.events import EventState, Proof
from tests.factories import make_event_source

pytestmark = pytest.mark.django_db

SCHEMA = {
    "type": "object",
    "required": ["event", "email"],
    "properties": {
        "event": {"const": "register"},
        "email": {"type": "string", "format": "email", "maxLength": 50},
        "seats": {"type": "integer", "minimum": 1},
        "born": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"enum": ["trial", "web"]}, "maxItems": 3},
        "more": {"$ref": "#"},
    },
}
quietly = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
texts = st.text(st.characters(codec=None), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
near_misses = st.fixed_dictionaries(
    {"event": st.just("register"), "email": st.emails() | texts},
    optional={
        "seats": st.integers(-1, 3) | values,
        "born": st.dates().map(str) | texts,
        "tags": st.lists(st.sampled_from(["trial", "web", "x"]), max_size=4),
        "more": values,
        "id": values,
    },
)
bodies = (
    st.binary(max_size=60)
    | values.map(lambda value: json.dumps(value).encode())
    | near_misses.map(lambda value: json.dumps(value).encode())
    | near_misses.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
)
headers = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20)


@pytest.fixture
def source():
    made = make_event_source(
        {"name": "register", "schema": SCHEMA}, key="any", proof=Proof.BEARER, idempotency_path="id"
    )
    event_sources.forget()
    return made


def send(body, content_type="application/json", **more):
    return Client().generic(
        "POST",
        "/events/any/",
        body or b" ",
        content_type=content_type,
        headers={"Authorization": "Bearer s3cret", **more},
    )


@quietly
@given(body=bodies)
@example(body=b'{"event":"register","email":"\\ud800"}')
@example(body=b"[" * 2_000)
@example(body=b'{"event":"register","email":"a@b.c","more":' * 60 + b"1" + b"}" * 60)
def test_no_body_makes_a_500_and_none_is_lost(source, body):
    InboundEvent.objects.all().delete()

    answer = send(body)

    told = answer.json()
    event = InboundEvent.objects.get(uid=told["id"])
    assert answer.status_code < 500
    assert bytes(event.body) == (body or b" ")
    if answer.status_code == 202:
        assert event.state == EventState.WAITING
        assert event.data == json.loads(body)
        assert event_schema.complaints(event_schema.compiled(json.dumps(SCHEMA)), event.data) == []
    else:
        assert answer["Content-Type"] == problems.CONTENT_TYPE
        assert (event.state, event.problem_code) == (EventState.REFUSED, told["code"])


@quietly
@given(content_type=headers, key=headers, token=headers, path=st.text(max_size=12))
def test_no_header_and_no_address_makes_a_500_or_a_page(source, content_type, key, token, path):
    answers = [
        send(b'{"event":"register","email":"a@b.c"}', content_type, **{"Idempotency-Key": key}),
        send(b"{}", Authorization=f"Bearer {token}"),
        send(b"{}", **{"X-Hub-Timestamp": key, "X-Hub-Signature": token}),
        Client().get(f"/events/any/{quote(path, safe='')}", headers={"Authorization": "Bearer s3cret"}),
        Client().post(f"/events/{quote(path)}", b"{}", content_type="application/json"),
    ]

    for answer in answers:
        assert answer.status_code < 500
        assert answer.headers.get("Content-Type") in (problems.CONTENT_TYPE, "application/json")


@quietly
@given(data=values)
def test_what_is_read_is_what_json_says(data):
    body = json.dumps(data).encode()

    with suppress(RefusedError):
        assert event_reading.parse(body) == json.loads(body)


@quietly
@given(
    schema=values
    | st.dictionaries(st.sampled_from(["type", "$ref", "pattern", "enum", "not", "$id"]), values)
)
def test_a_schema_is_refused_with_a_sentence_or_can_be_used(schema):
    if event_schema.problem_of(schema):
        return

    event_schema.complaints(
        event_schema.compiled(json.dumps(schema)), {"event": "register", "n": [1, {"a": None}]}
    )
