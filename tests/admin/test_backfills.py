"""The pages of backfills: quoted, started, watched, stopped and resumed; and each record's fate."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from syncs.models import Backfill, Heartbeat, RecordLink
from tests.admin.factories import change_url, make_backfill, press
from tests.factories import NOON, make_iterable, make_salesforce, make_stream, make_sync

ADD = "/admin/syncs/backfill/add/"


@pytest.fixture
def sync(simulator, db):
    stream = make_stream(make_salesforce(simulator), described_at=None)
    return make_sync(
        ("Email", "email"), ("LastName", "dataFields.Name"), stream=stream,
        destination=make_iterable(simulator),
    )  # fmt: skip


def test_the_quote_comes_before_anything_is_started(page, simulator, sync):
    simulator.salesforce.add("Lead", LastName="Lee", Email="lee@example.com", Company="Acme")

    shown = page.post(ADD, {"sync": sync.pk, "quote": ""}).content.decode()

    assert "1 record. REST: one reader, page by page." in shown
    assert 'name="start"' in shown
    assert not Backfill.objects.exists()


def test_start_hands_the_parts_to_the_workers(page, simulator, sync, said):
    Heartbeat.objects.create(queue="sync", beaten_at=timezone.now())
    simulator.salesforce.add("Lead", LastName="Lee", Email="lee@example.com", Company="Acme")

    response = page.post(ADD, {"sync": sync.pk, "start": ""})

    started = Backfill.objects.get()
    assert response.url == change_url(started)
    assert "1 part handed to the workers." in said(response)


def test_a_condition_that_the_vendor_refuses_is_said_beside_the_field(page, simulator, sync):
    shown = page.post(ADD, {"sync": sync.pk, "where": "Rating = 'Hot", "start": ""}).content.decode()

    assert "a quote that is not closed" in shown
    assert not Backfill.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"since": "yesterday"}, "This is no time. Write it like 2026-11-01 00:00."),
        ({"since": "2026-11-20 00:00", "until": "2026-11-01 00:00"}, "Nothing lies between the two times."),
    ],
)
def test_what_is_wrong_with_the_times_is_said_and_what_was_typed_stays(page, sync, wrong, words):
    shown = page.post(ADD, {"sync": sync.pk, "quote": "", **wrong}).content.decode()

    assert words in shown
    assert all(f'value="{typed}"' in shown for typed in wrong.values())
    assert 'name="start"' not in shown


def test_a_dry_run_is_done_at_once_and_shows_samples(page, simulator, sync):
    simulator.salesforce.add("Lead", LastName="Lee", Email="lee@example.com", Company="Acme")

    page.post(ADD, {"sync": sync.pk, "dry_run": "on", "start": ""})

    shown = page.get(change_url(Backfill.objects.get())).content.decode()
    assert "would be created" in shown
    assert "lee@example.com" in shown
    assert not simulator.iterable.users


def test_the_page_is_told_how_far_it_is(page, sync):
    backfill = make_backfill(sync)

    told = page.get(reverse("admin:syncs_backfill_progress", args=[backfill.pk])).json()

    assert told == {
        "open": True, "percent": 25, "read": 30, "expected": 120, "calls": 0,
        "words": "Running: 30 read, of these 30 delivered.",
    }  # fmt: skip


def test_one_that_is_cancelled_stays_so(page, sync, said):
    backfill = make_backfill(sync)

    response = press(page, backfill, "cancel")

    backfill.refresh_from_db()
    assert backfill.state == "cancelled"
    assert "Cancelled" in said(response)


def test_one_that_pauses_goes_on_when_somebody_says_so(page, sync):
    backfill = make_backfill(sync, state="paused", resume_at=NOON + timedelta(days=1), reason="Budget.")

    press(page, backfill, "resume")

    backfill.refresh_from_db()
    assert (backfill.state, backfill.reason, backfill.resume_at) == ("running", "", None)


def test_who_may_only_look_can_start_nothing(visitor, sync):
    assert visitor.get(ADD).status_code == 403
    assert (
        visitor.get(reverse("admin:syncs_backfill_progress", args=[make_backfill(sync).pk])).status_code
        == 403
    )


@pytest.mark.parametrize("term", ["00Q000000000001AAA", "lee@example.com"])
def test_a_records_fate_is_found_by_its_id_or_its_key_there(page, sync, term):
    RecordLink.objects.create(
        sync=sync, record_id="00Q000000000001AAA", match_value="lee@example.com", version_at=NOON,
        state="refused", reason="Iterable refused the e-mail.",
    )  # fmt: skip
    RecordLink.objects.create(sync=sync, record_id="00Q000000000002AAA", version_at=NOON, state="written")

    shown = page.get(reverse("admin:syncs_recordlink_changelist"), {"q": term}).content.decode()

    assert "Iterable refused the e-mail." in shown
    assert "00Q000000000002AAA" not in shown


def test_the_records_of_one_backfill_are_listed(page, sync):
    backfill = make_backfill(sync)
    met = RecordLink.objects.get(run=backfill.run).record_id
    RecordLink.objects.create(sync=sync, record_id="other", version_at=NOON, state="written")

    shown = page.get(press_url(backfill, "records"), follow=True).content.decode()

    assert f">{met}<" in shown
    assert ">other<" not in shown


def press_url(row, name):
    return f"{change_url(row).removesuffix('change/')}do/{name}/"


def test_ids_may_be_pasted(page, simulator, sync):
    leads = [
        simulator.salesforce.add("Lead", LastName="Lee", Email=f"lee{n}@example.com", Company="Acme")
        for n in range(3)
    ]
    contact = simulator.salesforce.add("Contact", LastName="Lee")
    pasted = "\r\n".join(["Id", *leads[:2], contact])

    quoted = page.post(ADD, {"sync": sync.pk, "ids": pasted, "quote": ""}).content.decode()
    page.post(ADD, {"sync": sync.pk, "ids": pasted, "start": ""})

    shown = page.get(change_url(Backfill.objects.get())).content.decode()
    assert "2 records. REST: by their ids" in quoted
    assert "1 id of Contact left out: no sync reads them." in quoted
    assert "of a list of 2" in shown


def test_what_is_pasted_and_no_id_is_said_beside_the_field(page, simulator, sync):
    shown = page.post(ADD, {"sync": sync.pk, "ids": "ann@example.com", "start": ""}).content.decode()

    assert "is not a Salesforce id" in shown
    assert not Backfill.objects.exists()
