"""The change queue: each version once, in order, routed once."""

from datetime import timedelta

import pytest
from django.db.models import Model

from integration_hub.connectors.records import Record
from syncs import changes
from syncs.models import Change
from syncs.models.changes import ChangeOrigin
from tests.factories import NOON, make_change, make_stream

pytestmark = pytest.mark.django_db


def lead(number, version="1", **values):
    return Record(f"00Q{number}", {"Name": f"Lead {number}"}, version, NOON, **values)


def test_a_version_that_is_known_is_free():
    stream = make_stream()

    assert changes.record(stream, [lead(1), lead(2)], ChangeOrigin.POLL, NOON) == 2
    assert changes.record(stream, [lead(2), lead(1, "2")], ChangeOrigin.POLL, NOON) == 1
    assert Change.objects.count() == 3


def test_a_baseline_is_no_news():
    stream = make_stream()

    changes.record(stream, [lead(1)], ChangeOrigin.BASELINE, NOON)

    assert changes.waiting(stream, 10) == []


def test_names_and_addresses_are_kept_ready_to_be_searched():
    changes.record(
        make_stream(), [lead(1, title="Ann STRASSE", email="Ann@Example.test")], ChangeOrigin.POLL, NOON
    )

    change = Change.objects.get()
    assert (change.title_key, change.email) == ("ann strasse", "ann@example.test")


def test_each_change_is_compared_with_the_version_before_it():
    stream = make_stream()
    first = make_change(stream, record_id="00Q1", modified_at=NOON)
    second = make_change(stream, record_id="00Q1", modified_at=NOON + timedelta(minutes=1))
    third = make_change(stream, record_id="00Q1", modified_at=NOON + timedelta(minutes=2))
    alone = make_change(stream, record_id="00Q2")
    make_change(record_id="00Q2", modified_at=NOON - timedelta(minutes=1))  # the same id in another stream

    found = changes.previous([third, second, alone, first])

    assert found == {first.pk: None, second.pk: first, third.pk: second, alone.pk: None}


def test_of_a_long_history_only_the_version_before_is_read(monkeypatch):
    stream = make_stream()
    versions = [
        make_change(stream, record_id="00Q1", modified_at=NOON + timedelta(seconds=second // 2))
        for second in range(20)
    ]
    loaded = []
    monkeypatch.setattr(
        Change,
        "from_db",
        classmethod(lambda cls, *row: loaded.append(1) or Model.from_db.__func__(cls, *row)),
    )

    found = changes.previous(versions[-1:])

    assert found == {versions[-1].pk: versions[-2]}
    assert len(loaded) == 1


def test_what_another_router_marked_cannot_be_marked_again():
    change = make_change()
    changes.mark_routed([change], NOON)

    with pytest.raises(changes.AlreadyRoutedError):
        changes.mark_routed([change], NOON)
