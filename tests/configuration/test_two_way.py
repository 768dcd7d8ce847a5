"""Two-way syncs in configuration files."""

from __future__ import annotations

import pytest

from integration_hub.configuration import document
from integration_hub.configuration.errors import ConfigurationError
from syncs.models import Sync
from tests.configuration.documents import imported, small

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in ("HUB_TEST_TOKEN", "SLACK_BOT_TOKEN", "SALESFORCE_CLIENT_SECRET"):
        monkeypatch.setenv(name, "x")


def two_way(**back):
    made = small()
    made["connections"]["orders"] = {
        "name": "Orders", "kind": "http_json", "settings": {"address": "https://orders.example.test"}
    }  # fmt: skip
    made["connections"]["portal"] = {"name": "Portal", "kind": "hubspot"}
    made["streams"] |= {
        "customers": {"connection": "orders", "object_type": "customers"},
        "contacts": {"connection": "portal", "object_type": "contacts"},
    }
    line = {"source": "email", "destination": "email"}
    made["syncs"] = {
        "a-back": {
            "name": "Back", "stream": "contacts", "destination": "orders", "object_type": "customers",
            "counterpart": "forward", "mappings": [line], **back,
        },
        "forward": {
            "name": "Forward", "stream": "customers", "destination": "portal", "object_type": "contacts",
            "mappings": [{**line, "winner": "ask"}],
        },
    }  # fmt: skip
    return made


def test_a_way_back_is_imported_after_its_forward_way_and_exported_as_it_was():
    imported(two_way(when_new="ask", most_writes=4))

    back = Sync.objects.get(key="a-back")
    exported = document.exported()["syncs"]
    assert (back.counterpart.key, back.when_new, back.most_writes) == ("forward", "ask", 4)
    assert back.counterpart.mappings.get().winner == "ask"
    assert exported["a-back"]["counterpart"] == "forward"


def test_a_way_back_of_nothing_is_refused():
    with pytest.raises(ConfigurationError, match="is not among the syncs"):
        imported(two_way(counterpart="nothing"))
