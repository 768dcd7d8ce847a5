"""`manage.py events`, the incident of refused events, and the documentation of their problems."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from syncs import incidents, secrets
from syncs.events import inbox
from syncs.events import sources as event_sources
from syncs.events import tallies as event_tallies
from syncs.events import watch as event_watch
from syncs.events.problems import Problem
from syncs.models import EventSecret, InboundEvent, Incident
from syncs.models.events import EventOrigin
from tests.factories import NOON, make_event_source

pytestmark = pytest.mark.django_db

SAMPLE = {"event": "register"}
PAGE = Path(__file__).parents[2] / "docs" / "onboarding-flows.md"


@pytest.fixture
def source():
    return make_event_source({"name": "register", "sample": SAMPLE}, key="shop", name="Shop")


def run(*arguments):
    out = StringIO()
    call_command("events", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def refuse(source, problem, times, now):
    for _ in range(times):
        event_tallies.count(source.pk, problem, now)
    event_tallies.write()


class TestCommand:
    def test_it_lists_sources_with_what_waits_and_what_was_refused(self, source):
        inbox.send_sample(source.types.get(), NOON)

        printed, [facts] = run("list"), json.loads(run("list", "--json"))

        assert printed.startswith("/events/shop/ (hmac, on): register; 1 secrets, 1 waiting.")
        assert (facts["key"], facts["waiting"]) == ("shop", 1)

    def test_it_says_when_there_is_no_source(self):
        assert "There is no event source" in run("list")

    def test_it_puts_a_sample_in_tells_its_fate_and_replays_it(self, source, settings):
        settings.EVENT_LISTENERS = ["tests.syncs.test_inbox.Listener"]
        uid = run("sample", "shop", "register").split()[-1].rstrip(".")

        told, replayed = run("fate", uid), run("replay", uid)

        assert "waiting, received" in told
        assert "flow:x 7: parked company it says no" in told
        assert replayed == "1 put in once more.\n"
        assert InboundEvent.objects.get(origin=EventOrigin.REPLAY).cause.uid.hex == uid.replace("-", "")

    def test_it_makes_a_secret_and_prints_it_once(self, source):
        printed = run("secret", "shop").strip()

        assert secrets.revealed(EventSecret.objects.latest("id").kept) == printed
        assert len(printed) >= 40

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("sample", "nobody", "register"), "There are: shop"),
            (("sample", "shop", "update"), "There are: register"),
            (("fate", "x"), "There is no event"),
            (("replay", "00000000-0000-4000-8000-000000000000"), "There is no event"),
        ],
    )
    def test_it_says_what_is_not_there(self, source, arguments, words):
        with pytest.raises(CommandError, match=words):
            run(*arguments)

    def test_a_sample_that_is_missing_is_an_error(self, source):
        source.types.update(sample=None)

        with pytest.raises(CommandError, match="has no sample"):
            run("sample", "shop", "register")


class TestIncident:
    def test_repeated_refusals_are_one_incident_that_closes_by_itself(self, source):
        refuse(source, Problem.BAD_SIGNATURE, 9, NOON)
        event_watch.look(NOON)
        assert not Incident.objects.exists()

        refuse(source, Problem.SCHEMA, 2, NOON + timedelta(minutes=1))
        for minute in (1, 2):
            event_watch.look(NOON + timedelta(minutes=minute))
        incident = Incident.objects.get()
        assert incident.title == "Events of Shop are refused"
        assert "9 × the signature does not fit (bad_signature), 2 ×" in incident.detail
        assert "Compare the sender's secret" in incident.remedy

        for minute in (5, 12):
            event_watch.look(NOON + timedelta(minutes=minute))
            incidents.settle(NOON + timedelta(minutes=minute))
        assert Incident.objects.get().closed_at is not None

    def test_what_is_taken_within_the_limit_is_no_refusal(self, source):
        source.per_minute = 100
        for _ in range(50):
            event_tallies.take(event_sources.read(source), NOON)

        event_watch.look(NOON)

        assert event_tallies.refused(NOON) == []
        assert not Incident.objects.exists()


def test_secrets_of_sources_are_rotated_with_the_others(source, settings):
    former, new = settings.HUB_SECRET_KEYS[0], "bmV3LWtleS0zMi1ieXRlcy1sb25nLTAwMDAwMDAwMDE="
    event_sources.add_secret(source, "env", "env:SHOP", NOON)
    settings.HUB_SECRET_KEYS = [new, former]

    touched = event_sources.rotate_secrets()

    settings.HUB_SECRET_KEYS = [new]
    assert touched == 1
    assert secrets.revealed(source.secrets.get(label="first").kept) == "s3cret"


def test_the_table_of_problems_names_each_with_its_status_and_whether_it_is_kept():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| .* \| (.*) \|$", PAGE.read_text(), re.MULTILINE)

    assert {(code, int(status)) for code, status, _kept in rows} == {
        (one.value, one.status) for one in Problem
    }
    assert {code for code, _status, kept in rows if kept.startswith("whole")} == {
        one.value for one in Problem if one.body_is_kept
    }
