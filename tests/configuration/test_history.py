from __future__ import annotations

from datetime import timedelta

import pytest

from integration_hub.configuration import history, restoring
from integration_hub.configuration.errors import ConfigurationError
from integration_hub.configuration.history import Author
from routing import tasks
from routing.models import Rule
from syncs.models import Connection, FieldMapping, Stream, Sync, ValueMap, Version
from syncs.models.versions import Cause
from tests.configuration.documents import changed, imported, small
from tests.factories import NOON, make_connection, make_sync, make_value_map

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)
ANN = Author(Cause.ADMIN, "ann")


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("HUB_TEST_TOKEN", "xoxb-test")


def versions(section, key=None):
    """Newest first."""
    found = Version.objects.filter(section=section, **({"key": key} if key else {})).order_by("-pk")
    return [(one.cause, one.actor) for one in found]


def test_a_changed_line_makes_one_version_of_the_whole_sync():
    sync = make_sync(key="leads")
    history.record(["syncs"], NOON)
    FieldMapping.objects.filter(sync=sync, destination="dataFields.Name").update(transform="trim")

    assert history.record(["syncs"], LATER, ANN) == 1

    newest = history.of("syncs", "leads").first()
    assert versions("syncs") == [("admin", "ann"), ("noticed", "")]
    assert newest.document["mappings"][1] == {
        "source": "Name", "destination": "dataFields.Name", "transform": "trim",
    }  # fmt: skip
    assert history.between(history.newest_before(newest), newest) == [
        "~ syncs[leads].mappings[2]: Name → dataFields.Name → Name → dataFields.Name, transform trim"
    ]


def test_what_did_not_change_gets_no_version():
    make_sync()
    history.record(history.SECTION_NAMES, NOON)

    assert history.record(history.SECTION_NAMES, LATER, ANN) == 0


def test_a_removal_is_a_version_too_and_what_was_there_can_come_back():
    make_value_map("stages", open="appointmentscheduled")
    history.record(["value_maps"], NOON)
    ValueMap.objects.all().delete()
    history.record(["value_maps"], LATER, ANN)
    removed, made = history.of("value_maps", "stages")

    assert history.between(made, removed) == ["- value_maps[stages]: remove “Stages”"]
    with pytest.raises(ConfigurationError, match="removed then"):
        restoring.restore(removed, LATER, actor="ann")
    restoring.restore(made, LATER, actor="ann")
    assert ValueMap.objects.get(key="stages").entries.get().destination == "appointmentscheduled"
    assert versions("value_maps")[0] == ("restore", "ann")


def test_a_restore_goes_through_the_checks_of_an_import_and_switches_nothing_on():
    imported(small())
    was = history.of("rules", "hot").first()
    imported(changed(max_age_seconds=60, enabled=True))
    assert Rule.objects.get().enabled

    planned = restoring.restore(was, LATER, actor="ann")

    assert list(planned.lines()) == ["~ rules[hot].max_age_seconds: 60 → 300"]
    assert Rule.objects.get().enabled
    assert versions("rules")[0] == ("restore", "ann")


def test_a_restore_that_refers_to_what_is_gone_says_so_and_changes_nothing():
    sync = make_sync(key="leads")
    history.record(["syncs"], NOON)
    was = history.of("syncs", "leads").get()
    stream = sync.stream
    sync.delete()
    Stream.objects.filter(pk=stream.pk).delete()

    with pytest.raises(ConfigurationError) as caught:
        restoring.restore(was, LATER, actor="ann")

    assert any("is not among the streams" in one for one in caught.value.sentences)
    assert not Sync.objects.exists()


def test_settings_come_back_as_a_whole_and_secrets_are_never_in_a_version():
    connection = make_connection(
        key="crm", settings={"client_id": "old"}, secrets={"client_secret": "very-secret"}
    )
    history.record(["connections"], NOON)
    was = history.of("connections", "crm").get()
    connection.settings = {"client_id": "new", "api_version": "v62.0"}
    connection.save()

    restoring.restore(was, LATER, actor="ann")

    connection.refresh_from_db()
    assert connection.settings == {"client_id": "old"}
    assert connection.secrets
    assert "secret" not in str(list(Version.objects.values_list("document", flat=True)))


def test_an_import_names_itself_and_a_dry_run_leaves_no_version():
    imported(small(), dry_run=True)
    assert not Version.objects.exists()

    imported(small())

    assert versions("rules", "hot") == [("import", "")]
    assert versions("people") == []


def test_what_was_there_before_an_import_is_kept_as_it_was_found():
    imported(small())
    Rule.objects.update(max_age_seconds=90)

    imported(changed(max_age_seconds=60))

    assert [cause for cause, _ in versions("rules", "hot")] == ["import", "noticed", "import"]


def test_only_the_newest_versions_of_a_thing_are_kept(monkeypatch):
    monkeypatch.setattr(history, "KEEP", 3)
    make_connection(key="other")
    history.record(["connections"], NOON)
    connection = make_connection(key="crm")
    for number in range(6):
        Connection.objects.filter(pk=connection.pk).update(name=f"CRM {number}")
        history.record(["connections"], NOON, ANN)

    assert [one.name for one in history.of("connections", "crm")] == ["CRM 5", "CRM 4", "CRM 3"]
    assert history.of("connections", "other").count() == 1


def test_what_was_changed_by_a_way_that_tells_nobody_is_kept_within_the_hour():
    make_value_map("stages", open="new")

    tasks.keep_versions()

    assert versions("value_maps", "stages") == [("noticed", "")]
