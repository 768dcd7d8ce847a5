"""Event types that feed streams, and streams that only events feed, in configuration files."""

from __future__ import annotations

import pytest

from integration_hub.configuration import document
from integration_hub.configuration.errors import ConfigurationError
from syncs.models import EventType, Stream
from tests.configuration.documents import imported, small

pytestmark = pytest.mark.django_db
FEEDING = {
    "stream": "leads", "record_path": "order", "id_path": "order.id", "modified_path": "order.at",
    "completed_by_read": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("HUB_TEST_TOKEN", "xoxb-test")


def fed(**values):
    made = small()
    made["streams"]["leads"]["interval_seconds"] = None
    made["event_sources"] = {"shop": {"name": "Shop", "types": {"order.placed": {**FEEDING, **values}}}}
    return made


def test_a_type_that_feeds_a_stream_goes_in_and_comes_out():
    imported(fed())

    kind = EventType.objects.get()
    assert (kind.stream.key, kind.id_path, kind.completed_by_read, kind.is_deletion) == (
        "leads", "order.id", True, False,
    )  # fmt: skip
    assert Stream.objects.get().interval_seconds is None
    exported = document.of_rows()
    assert exported["event_sources"]["shop"]["types"] == {"order.placed": FEEDING}
    assert not imported(fed()).differences


@pytest.mark.parametrize("values", [{"stream": "none"}, {"id_path": ""}, {"id_path": "a..b"}])
def test_what_cannot_feed_a_stream_is_refused(values):
    with pytest.raises(ConfigurationError):
        imported(fed(**values))

    assert not EventType.objects.exists()
