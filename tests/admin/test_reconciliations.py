"""The page of a reconciliation: by day, what differs in words, and the repair."""

import pytest
from django.urls import reverse

from syncs.models import Change, RecordLink, Sync
from tests import factories as rows_of
from tests.admin import factories
from tests.admin.factories import change_url, press
from tests.factories import NOON


@pytest.fixture
def lost(simulator, db):
    """A lead in Salesforce that a reconciliation found missing, and one that differs there."""
    simulator.set_clock(NOON)
    stream = rows_of.make_stream(rows_of.make_salesforce(simulator), described_at=None)
    sync = rows_of.make_sync(stream=stream, destination=rows_of.make_iterable(simulator))
    ids = [
        simulator.salesforce.add("Lead", LastName="Lee", Company="Acme", Email=f"l{n}@x.test")
        for n in range(2)
    ]
    RecordLink.objects.create(
        sync=sync, record_id=ids[1], match_value="l1@x.test", payload_hash="x", version_at=NOON, state="written",
        written_at=NOON,
    )  # fmt: skip
    return factories.make_reconciliation(
        sync,
        days={"2026-11-19": {"written": 3}, "2026-11-20": {"missing": 1, "written": 1}},
        counts={"written": 4, "missing": 1, "different": 1, "sampled": 4},
        examples={
            "missing": [{"record": ids[0], "words": "Nothing was ever sent."}],
            "different": [{"record": ids[1], "words": "dataFields.Name has another value there."}],
        },
    )


def test_the_page_says_what_differs(page, lost):
    content = page.get(change_url(lost)).content.decode()

    for words in (
        "1 record is at the source, but nothing was ever decided about it.",
        "1 record is of the sample not as written.",
        "dataFields.Name has another value there.",
        reverse("console:timeline_record", args=[lost.examples["missing"][0]["record"]]),
    ):
        assert words in content
    assert content.index("2026-11-20</td>") < content.index("2026-11-19</td>")


def test_a_repair_queues_what_is_listed_and_can_be_pressed_once(page, lost, said):
    answer = press(page, lost, "repair")
    again = press(page, lost, "repair")

    assert "2 records are queued" in said(answer)
    assert "That cannot be done now" in said(again)
    assert Change.objects.filter(origin="repair", state="waiting").count() == 2
    assert "Queued to be written again." in page.get(change_url(lost)).content.decode()


def test_a_sync_that_is_off_is_not_repaired(page, lost, said):
    Sync.objects.update(enabled=False)

    assert "is switched off" in said(press(page, lost, "repair"))
    assert not Change.objects.exists()


def test_who_may_only_look_cannot_repair(visitor, lost):
    assert press(visitor, lost, "repair").status_code == 403
    assert not Change.objects.exists()


@pytest.mark.parametrize(
    ("state", "counts", "words"),
    [
        (
            "ok",
            {"written": 2, "sampled": 1},
            "No difference was found: 2 records compared, 1 of them with the",
        ),
        ("failed", {"written": 2}, "No difference was found so far"),
        ("running", {"written": 2}, "2 records are compared so far; it goes on."),
        ("ok", {"missing": 100}, "a backfill is the quicker way"),
        ("ok", {"extra": 501}, "The first 500 are listed."),
    ],
)
def test_its_state_is_said_in_words(page, db, state, counts, words):
    one = factories.make_reconciliation(rows_of.make_sync(), counts=counts)
    one.run.state = state
    one.run.save()

    assert words in page.get(change_url(one)).content.decode()


def test_all_records_have_no_first_day(page, db):
    one = factories.make_reconciliation(rows_of.make_sync(), since=None)

    assert "all records modified before 2026-11-20 12:00 UTC" in page.get(change_url(one)).content.decode()
