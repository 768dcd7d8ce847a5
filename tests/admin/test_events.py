"""Event sources and the inbox in the admin."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from syncs import secrets
from syncs.events import examples as event_examples
from syncs.events import inbox
from syncs.events import sources as event_sources
from syncs.events import tallies as event_tallies
from syncs.events.problems import Problem, RefusedError
from syncs.models import EventSecret, EventSource, EventType, InboundEvent
from syncs.models.events import EventOrigin, EventState, Proof
from tests.factories import NOON, make_event_source

SAMPLE = {"event": "register", "email": "ada@example.test"}
SCHEMA = {"type": "object", "required": ["email"]}
LONG = "a-secret-that-is-long-enough"


@pytest.fixture
def source(db):
    return make_event_source(
        {"name": "register", "sample": SAMPLE, "schema": SCHEMA}, key="shop", name="Shop", proof=Proof.BEARER
    )


def do(source, name):
    return reverse("admin:syncs_eventsource_do", args=[source.pk, name])


def form(source=None, *, secret=None, kind=None, **values):
    """Return what the browser sends: the source, one row of secrets and one of types at most."""
    sent = {
        "name": "Shop", "key": "shop", "enabled": "on", "proof": "bearer", "window_seconds": 300, "name_path": "event",
        "idempotency_path": "", "max_bytes": 262144, "per_minute": 6000, **values,
    }  # fmt: skip
    for prefix, row, rows in (
        ("secrets", secret, source.secrets.all() if source else []),
        ("types", kind, source.types.all() if source else []),
    ):
        sent |= {
            f"{prefix}-TOTAL_FORMS": 1 if row else 0,
            f"{prefix}-INITIAL_FORMS": 1 if row and rows else 0,
        }
        if row:
            known = {"id": rows[0].pk, "source": source.pk} if rows else {}
            sent |= {f"{prefix}-0-{name}": value for name, value in {**known, **row}.items()}
    return sent


def add(page, **more):
    return page.post(reverse("admin:syncs_eventsource_add"), form(**more))


def problems_of(response):
    """Return what the forms on the page complain of."""
    shown = [formset.errors for formset in response.context["inline_admin_formsets"][0].formset.forms]
    return json.dumps(
        [formset.formset.errors for formset in response.context["inline_admin_formsets"]] + shown
    )


def test_a_source_is_set_up_with_its_secret_and_events(page):
    kind = {"name": "register", "schema": json.dumps(SCHEMA), "sample": json.dumps(SAMPLE)}

    response = add(page, secret={"label": "since May", "value": LONG}, kind=kind)

    assert response.status_code == 302
    made = EventSource.objects.get()
    assert secrets.revealed(made.secrets.get().kept) == LONG
    assert (made.types.get().schema, made.types.get().sample) == (SCHEMA, SAMPLE)


def test_a_secret_is_never_shown_and_stays_when_its_box_is_left_empty(page, source):
    EventSecret.objects.update(kept=secrets.stored(LONG))
    url = reverse("admin:syncs_eventsource_change", args=[source.pk])

    shown = page.get(url).content.decode()
    page.post(url, form(source, secret={"label": "renamed", "value": ""}))

    assert LONG not in shown
    kept = EventSecret.objects.get()
    assert (kept.label, secrets.revealed(kept.kept)) == ("renamed", LONG)


@pytest.mark.parametrize(
    ("value", "words"), [("", "Paste a secret"), ("short", "At least 16"), ("env:two words", "After env:")]
)
def test_a_secret_that_cannot_be_used_is_refused(page, db, value, words):
    response = add(page, secret={"label": "x", "value": value})

    assert response.status_code == 200
    assert words.lower() in problems_of(response).lower()
    assert not EventSource.objects.exists()


def test_a_secret_may_name_a_variable(page, db):
    add(page, secret={"label": "x", "value": "env:SHOP_TOKEN"})

    assert EventSecret.objects.get().kept == {"env": "SHOP_TOKEN"}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"schema": "{"}, "This is no JSON, from line 1, column 2 on"),
        ({"schema": "[]"}, "A JSON Schema is an object"),
        ({"schema": '{"type": "strange"}'}, "no valid JSON Schema"),
        ({"schema": '{"$ref": "https://example.test/s.json"}'}, "Only references within"),
        ({"schema": '{"$ref": "#/$defs/x"}'}, "cannot be used"),
        ({"schema": '{"$ref": "#"}'}, "refers to itself"),
        ({"schema": '{"pattern": "("}'}, "no valid JSON Schema: pattern"),
        ({"sample": "[1]"}, "An event is a JSON object"),
        ({"sample": '{"event": "other"}'}, "the name of the event"),
        ({"sample": '{"event": "register"}', "schema": json.dumps(SCHEMA)}, "lacks email"),
    ],
)
def test_schemas_and_samples_are_checked_when_they_are_saved(page, db, kind, words):
    response = add(page, kind={"name": "register", **kind})

    assert response.status_code == 200
    assert words in problems_of(response)
    assert not EventSource.objects.exists()


@pytest.mark.parametrize("path", [".", "a..b", "a."])
def test_a_path_must_be_names_with_dots_between(page, db, path):
    response = add(page, name_path=path)

    assert "names with dots between" in response.content.decode()


def test_a_generated_secret_is_good_at_once_and_shown_once(page, source, said):
    response = page.post(do(source, "generate_secret"))

    told = said(response)
    made = secrets.revealed(source.secrets.latest("id").kept)
    assert made in told
    assert [made in page.get(response["Location"]).content.decode() for _ in range(2)] == [True, False]
    answer = Client().post(
        "/events/shop/", SAMPLE, content_type="application/json", headers={"Authorization": f"Bearer {made}"}
    )
    assert answer.status_code == 202
    assert source.secrets.count() == 2


def test_the_panel_says_what_is_lacking(page, db):
    source = make_event_source(secret="")
    EventType.objects.all().delete()

    content = page.get(reverse("admin:syncs_eventsource_change", args=[source.pk])).content.decode()

    assert "It has no secret that is good now" in content
    assert "It has no events" in content


@pytest.mark.parametrize("proof", Proof.values)
def test_the_page_shows_how_to_post(page, source, settings, proof):
    settings.PUBLIC_URL = "https://hub.example.test"
    EventSource.objects.update(proof=proof)

    content = page.get(do(source, "how_to_post")).content.decode()

    assert "https://hub.example.test/events/shop/" in content
    assert "s3cret" not in content
    assert all(f"<code>{code}</code>" in content for code in Problem.values)


def test_a_sample_is_sent_from_the_page(page, source, said):
    response = page.post(do(source, "how_to_post"), {"type": source.types.get().pk})

    event = InboundEvent.objects.get()
    assert (event.origin, event.data, event.state) == (EventOrigin.SAMPLE, SAMPLE, EventState.WAITING)
    assert response["Location"] == reverse("admin:syncs_inboundevent_change", args=[event.pk])
    assert "was put in" in said(response)


def test_a_sample_that_does_not_fit_is_not_sent(page, source, said):
    EventType.objects.update(sample={"event": "register"})

    response = page.post(do(source, "how_to_post"), {"type": source.types.get().pk})

    assert "lacks email" in said(response)
    assert not InboundEvent.objects.exists()


def test_who_may_not_change_a_source_sends_nothing(visitor, source):
    for name in ("how_to_post", "generate_secret"):
        assert visitor.post(do(source, name), {"type": source.types.get().pk}).status_code == 403

    assert not InboundEvent.objects.exists()
    assert source.secrets.count() == 1


def put(source, body=None, key=None):
    post = inbox.Post(json.dumps(SAMPLE if body is None else body).encode(), key=key)
    known = event_sources.read(source)
    try:
        inbox._store(known, post, inbox._checked(known, post), NOON)
    except RefusedError as refusal:
        inbox._keep(known, post, refusal, NOON)
    return InboundEvent.objects.latest("id")


def test_an_event_is_found_by_its_id_key_and_name(page, source):
    wanted, other = put(source, key="k-1"), put(source, {"event": "strange"})
    listed = reverse("admin:syncs_inboundevent_changelist")

    for term, found in ((str(wanted.uid), wanted), ("k-1", wanted), ("register", wanted), ("strange", other)):
        shown = page.get(listed, {"q": term}).context["cl"].result_list
        assert [one.pk for one in shown] == [found.pk]
    assert list(page.get(listed, {"q": "nothing"}).context["cl"].result_list) == []


def test_an_event_that_was_refused_shows_why_and_what_came(page, source):
    event = put(source, {"event": "strange", "email": "<b>"})

    content = page.get(reverse("admin:syncs_inboundevent_change", args=[event.pk])).content.decode()

    assert "422, unknown_event" in content
    assert "&lt;b&gt;" in content


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"event":"register","n":"\\ud800"}', "&quot;n&quot;: &quot;?&quot;"),
        (b"\xff{", "\ufffd{"),
        (b"{", "{</pre>"),
    ],
    ids=["half a pair", "no UTF-8", "no JSON"],
)
def test_whatever_came_can_be_looked_at(page, source, body, shown):
    event = InboundEvent.objects.create(
        source=source, body=body, state="refused", problem_code="bad_text", problem="x", received_at=NOON
    )

    content = page.get(reverse("admin:syncs_inboundevent_change", args=[event.pk])).content.decode()

    assert shown in content


def test_what_came_of_an_event_leads_to_it(page, source, settings):
    settings.EVENT_LISTENERS = ["tests.syncs.test_inbox.Listener"]
    event = put(source)

    content = page.get(reverse("admin:syncs_inboundevent_change", args=[event.pk])).content.decode()

    assert '<a class="hub-link" href="/admin/">flow:x, run 7</a>: parked at company. it says no' in content


def test_events_are_replayed_by_button_and_from_the_list(page, source, said):
    event = put(source)

    page.post(reverse("admin:syncs_inboundevent_do", args=[event.pk, "replay"]))
    listed = reverse("admin:syncs_inboundevent_changelist")
    refused = put(source, {"event": "strange"})
    response = page.post(listed, {"action": "replay_chosen", "_selected_action": [event.pk, refused.pk]})

    assert InboundEvent.objects.filter(origin=EventOrigin.REPLAY, cause=event).count() == 2
    assert "1 event put in once more" in said(response)
    assert "none of this source" in said(response)


def test_refusals_of_the_last_hour_are_told_on_the_source(page, source):
    now = timezone.now()
    for _ in range(3):
        event_tallies.count(source.pk, Problem.BAD_TOKEN, now - timedelta(minutes=5))
    event_tallies.write()

    content = page.get(reverse("admin:syncs_eventsource_changelist")).content.decode()

    assert "3 × the token is not one of this source&#x27;s (bad_token)" in content


@pytest.mark.parametrize("proof", Proof.values)
def test_the_examples_run_as_they_are(source, proof, live_server, settings, tmp_path):
    settings.PUBLIC_URL = live_server.url
    EventSource.objects.update(proof=proof)
    EventType.objects.update(sample={**SAMPLE, "name": 'O\'Neill $HOME \\ "Ünal"'})
    source.refresh_from_db()
    event_sources.forget()
    shown = event_examples.of(source)
    environment = {"HUB_SECRET": "s3cret", "PATH": "/usr/local/bin:/usr/bin:/bin"}

    def run(*command):
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    by_curl = json.loads(run("bash", "-c", shown.curl))
    by_python = run("python3", "-c", shown.python.replace("made-by-you-1", "made-by-you-2"))
    asked = json.loads(run("bash", "-c", shown.ask.replace("ID", by_curl["id"])))

    assert by_curl["state"] == "accepted"
    assert by_python.startswith("202 ")
    assert (asked["id"], asked["state"]) == (by_curl["id"], "waiting")
    assert {json.dumps(one.data, sort_keys=True) for one in InboundEvent.objects.all()} == {
        json.dumps(source.types.get().sample, sort_keys=True)
    }
