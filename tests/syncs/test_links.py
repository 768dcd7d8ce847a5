"""Record links: what was written stays known, and an older version never overwrites a newer one."""

from datetime import timedelta

import pytest

from syncs import links
from syncs.links import Entry
from syncs.models import RecordLink, SyncRun
from syncs.models.runs import RunKind
from tests.factories import NOON, make_sync

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(minutes=1)


@pytest.fixture
def sync():
    return make_sync()


def written(sync, record_id="003A", version_at=NOON, **values):
    return Entry(
        **{"sync_id": sync.pk, "record_id": record_id, "match_value": "a@x.test", "payload_hash": "h1"}
        | {"version_at": version_at, "state": "written", "written_at": NOON}
        | values
    )


def skipped(sync, version_at=LATER, match_value="", **values):
    return Entry(sync.pk, "003A", match_value, "", version_at, "skipped", "No e-mail.", **values)


def test_what_is_settled_is_read_back(sync):
    links.settle([written(sync), written(sync, "003B", match_value="b@x.test")])

    found = links.read(sync.pk, {"003A", "003B", "003C"})

    assert found["003A"] == ("a@x.test", "h1", NOON, "written", NOON, None)
    assert found["003A"].is_same("a@x.test", "h1")
    assert not found["003A"].is_same("a@x.test", "h2")
    assert set(found) == {"003A", "003B"}


@pytest.mark.parametrize(
    ("version_at", "expected"),
    [(NOON - timedelta(seconds=1), "h1"), (NOON, "h2"), (LATER, "h2")],
    ids=["older", "same second", "newer"],
)
def test_an_older_version_never_overwrites_a_newer_one(sync, version_at, expected):
    links.settle([written(sync)])

    links.settle([written(sync, version_at=version_at, payload_hash="h2")])

    assert links.read(sync.pk, ["003A"])["003A"].payload_hash == expected


def test_a_note_keeps_what_was_written_last(sync):
    links.settle([written(sync)])

    links.note([skipped(sync, match_value="other@x.test")])

    link = RecordLink.objects.get()
    assert (link.state, link.reason, link.version_at) == ("skipped", "No e-mail.", LATER)
    assert (link.match_value, link.payload_hash, link.written_at) == ("a@x.test", "h1", NOON)


def test_one_that_was_never_written_is_known_by_the_match_value_it_would_have(sync):
    links.note([skipped(sync, match_value="a@x.test")])
    links.note([skipped(sync, match_value="b@x.test")])

    assert RecordLink.objects.get().match_value == "b@x.test"


def test_a_live_write_leaves_the_backfill_that_met_the_record_last(sync):
    run = SyncRun.objects.create(kind=RunKind.BACKFILL, started_at=NOON)
    links.settle([written(sync, run_id=run.pk)])

    links.settle([written(sync, version_at=LATER)])

    assert RecordLink.objects.get().run == run


def test_of_one_record_twice_in_a_batch_the_last_counts(sync):
    links.settle([written(sync), written(sync, payload_hash="h2")])

    assert RecordLink.objects.get().payload_hash == "h2"


def test_an_older_version_never_displaces_a_newer_one_of_the_same_batch(sync):
    links.settle([written(sync, version_at=LATER, payload_hash="new"), written(sync, payload_hash="old")])

    assert RecordLink.objects.get().payload_hash == "new"


def test_a_batch_is_one_statement(sync, django_assert_num_queries):
    with django_assert_num_queries(1):
        links.settle(written(sync, f"003{n}") for n in range(900))

    assert RecordLink.objects.count() == 900


def test_holders_are_those_that_still_exist(sync):
    other = make_sync(destination=sync.destination)
    links.settle(
        [
            written(sync),
            written(other, "00QB"),
            written(sync, "003C", state="removed", written_at=None),
            written(sync, "003D", match_value="d@x.test"),
        ]
    )
    links.note([skipped(sync, match_value="a@x.test")._replace(record_id="003E")])

    found = links.holders([sync.pk, other.pk], ["a@x.test", ""])

    assert {(one.sync_id, one.record_id, one.state) for one in found} == {
        (sync.pk, "003A", "written"),
        (other.pk, "00QB", "written"),
        (sync.pk, "003E", "skipped"),
    }


def test_long_reasons_and_addresses_are_cut(sync):
    links.note([written(sync, reason="x" * 400, match_value="y" * 400)])

    link = RecordLink.objects.get()
    assert (len(link.reason), len(link.match_value)) == (300, 254)


def test_an_id_once_known_stays_until_the_record_is_gone(sync):
    links.settle([written(sync)._replace(remote_id="501")])
    links.settle([written(sync, payload_hash="h2")])
    kept = links.read(sync.pk, {"003A"})["003A"].remote_id
    links.settle([written(sync)._replace(state="removed", written_at=None)])

    assert (kept, links.read(sync.pk, {"003A"})["003A"].remote_id) == ("501", None)
