"""Syncs and value maps in configuration files, and the published mapping that ships as an example."""

from __future__ import annotations

import pytest

from integration_hub.configuration import document, reading, validate
from integration_hub.configuration.errors import ConfigurationError
from syncs import streams
from syncs.mappings import check as mapping_check
from syncs.mappings import preview as mapping_preview
from syncs.mappings import rows as mapping_rows
from syncs.models import Connection, FieldMapping, RecordLink, Stream, Sync, SyncTie, ValueMap
from tests.configuration.documents import imported, small
from tests.configuration.test_examples import given
from tests.factories import LEAD_SCHEMA, NOON, write_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name, value in {
        "HUB_TEST_TOKEN": "xoxb-test",
        "SLACK_BOT_TOKEN": "xoxb-test",
        "SALESFORCE_CLIENT_SECRET": "demo-client-secret",
        "ITERABLE_API_KEY": "iterable-demo-server-key",
    }.items():
        monkeypatch.setenv(name, value)


def audience(*lines, **values):
    """Return the small document with a value map and a sync that has these lines besides the e-mail."""
    made = small()
    made["connections"]["iterable"] = {
        "name": "Iterable",
        "kind": "iterable",
        "settings": {"project_type": "email"},
        "secrets": {"api_key": {"env": "ITERABLE_API_KEY"}},
    }
    made["value_maps"] = {"ratings": {"name": "Ratings", "entries": {"Hot": 1, "Cold": ""}}}
    mappings = [{"source": "Email", "destination": "email"}, *lines]
    sync = {"name": "Leads", "stream": "leads", "destination": "iterable", "mappings": mappings, **values}
    made["syncs"] = {"leads": sync}
    return made


RATING = {
    "source": "Rating",
    "destination": "dataFields.Rating",
    "transform": "integer",
    "value_map": "ratings",
    "unknown_value": "empty",
    "required": True,
}


def test_an_import_makes_the_sync_its_lines_and_its_value_map():
    imported(audience(RATING))

    sync = Sync.objects.get()
    assert (sync.key, sync.stream.key, sync.destination.key, sync.enabled) == (
        "leads",
        "leads",
        "iterable",
        False,
    )
    assert list(sync.mappings.values_list("position", "destination", "required")) == [
        (1, "email", False),
        (2, "dataFields.Rating", True),
    ]
    assert mapping_rows.lines_of(sync)[1].value_map == {"Hot": "1", "Cold": ""}


def test_the_same_again_changes_nothing_and_an_export_is_the_same():
    imported(audience(RATING))

    assert imported(audience(RATING)).differences == ()
    exported = document.exported()
    assert validate.sentences(exported) == []
    assert exported["syncs"]["leads"]["mappings"] == [{"source": "Email", "destination": "email"}, RATING]
    assert imported(exported).differences == ()


def test_the_plan_says_which_lines_change():
    imported(audience(RATING))
    changed = audience(
        {"source": "Rating", "destination": "dataFields.Rating"},
        {"destination": "x", "transform": "liquid", "expression": "y"},
    )
    changed["value_maps"]["ratings"]["entries"]["Hot"] = 2

    entries, rating, liquid = imported(changed).lines()

    assert entries == "~ value_maps[ratings].entries.Hot: 1 → 2"
    assert rating.startswith(
        "~ syncs[leads].mappings[2]: Rating → dataFields.Rating, transform integer, value_map"
    )
    assert rating.endswith(" → Rating → dataFields.Rating")
    assert liquid == "~ syncs[leads].mappings[3]: empty → Liquid → x, transform liquid, expression y"


@pytest.mark.parametrize(
    ("lines", "values", "sentence"),
    [
        ([{**RATING, "value_map": "rating"}], {}, "syncs[leads].mappings[2].value_map: “rating” is not among"),
        ([{"source": "x"}], {}, "syncs[leads].mappings[2] lacks destination."),
        ([{**RATING, "transform": "intger"}], {}, "syncs[leads].mappings[2].transform must be one of"),
        ([RATING, RATING], {}, "syncs[leads].mappings[3]"),
        ([], {"stream": "nope"}, "syncs[leads].stream: “nope” is not among the streams."),
        ([], {"match_path": "userId"}, "syncs[leads].match_path: No line writes to “userId”"),
        ([], {"destination": "slack"}, "syncs[leads].destination: Slack takes no records."),
        ([{"source": "Name", "destination": "email.x"}], {}, "syncs[leads].mappings[2].destination: “email”"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_work_is_refused_with_its_path(lines, values, sentence):
    with pytest.raises(ConfigurationError) as refused:
        imported(audience(*lines, **values))

    assert any(one.startswith(sentence) for one in refused.value.sentences), refused.value.sentences
    assert not FieldMapping.objects.exists()


def test_field_names_are_checked_once_the_stream_is_described():
    first = imported(audience(RATING))
    stream = Stream.objects.get()
    stream.object_schema = LEAD_SCHEMA
    stream.save()

    assert any(
        one.startswith("syncs[leads].stream: The stream's fields are not known yet") for one in first.warnings
    )
    with pytest.raises(ConfigurationError, match="Did you mean “Rating”"):
        imported(audience({**RATING, "source": "Ratng"}))


def test_two_entries_that_differ_in_case_only_are_refused():
    made = audience()
    made["value_maps"]["ratings"]["entries"] = {"Hot": "1", "hot ": "2"}

    with pytest.raises(ConfigurationError, match="differ in case or outer blanks only"):
        imported(made)


def test_what_a_sync_still_needs_is_not_removed():
    imported(audience(RATING))

    with pytest.raises(ConfigurationError, match=r"line\(s\) of mappings use it"):
        imported({"value_maps": {}}, prune=True)
    with pytest.raises(ConfigurationError, match=r"sync\(s\) write to it"):
        imported({"connections": {"salesforce": {}, "slack": {}}}, prune=True)


def test_a_sync_without_history_is_removed_and_then_its_value_map():
    imported(audience(RATING))

    imported({"syncs": {}, "value_maps": {}}, prune=True)

    assert not Sync.objects.exists()
    assert not ValueMap.objects.exists()


def test_a_sync_with_history_is_switched_off_not_removed():
    imported(audience(RATING))
    RecordLink.objects.create(sync=Sync.objects.get(), record_id="1", version_at=NOON, state="written")

    with pytest.raises(ConfigurationError, match="Switch it off instead"):
        imported({"syncs": {}}, prune=True)


@pytest.fixture
def example(simulator):
    """The example in a hub whose Salesforce and Iterable are simulated."""
    simulator.set_clock(NOON)
    imported(given("lead-alerts.yaml"))
    imported(given("iterable-audience.yaml"))
    Connection.objects.filter(key="salesforce").update(base_url=simulator.salesforce.url)
    Connection.objects.filter(key="iterable").update(base_url=simulator.iterable.url)
    for stream in Stream.objects.all():
        streams.describe(stream, NOON)
    return {sync.key: sync for sync in Sync.objects.select_related("stream__connection", "destination")}


def test_the_example_leaves_the_stream_of_the_alerts_as_it_was(example):
    assert Stream.objects.get(key="leads").interval_seconds == 10
    assert imported(given("iterable-audience.yaml")).differences == ()


@pytest.mark.parametrize("key", ["contacts-to-iterable", "leads-to-iterable"])
def test_the_mapping_of_the_example_fits_both_sides(example, key):
    rows = list(example[key].mappings.all())

    assert mapping_check.problems(example[key], rows, NOON) == []


def owned_contact(simulator):
    owner = simulator.salesforce.add_user("Omar Diaz", "omar@hub.test")
    account = simulator.salesforce.add("Account", Name="Acme")
    contact = simulator.salesforce.add(
        "Contact", FirstName="Ann", LastName="Lee", Email="Ann.Lee@Acme.test", LeadSource="Web",
        AccountId=account, OwnerId=owner,
    )  # fmt: skip
    return contact, account, owner


def test_a_contact_becomes_the_published_user(example, simulator):
    contact, account, owner = owned_contact(simulator)

    found = mapping_preview.preview(example["contacts-to-iterable"], contact, NOON)

    assert found.payload == {
        "email": "ann.lee@acme.test",
        "dataFields": {
            "Name": {"First": "Ann", "Last": "Lee"},
            "Salesforce": {"Id": contact},
            "Source": "Web",
            "Company": {"Name": "Acme", "Salesforce": {"Id": account}},
            "Owner": {
                "Email": "omar@hub.test",
                "Name": "Omar Diaz",
                "IsActive": True,
                "Salesforce": {"Id": owner},
            },
        },
    }


def test_a_lead_becomes_the_published_user(example, simulator):
    owner = simulator.salesforce.add_user("Omar Diaz", "omar@hub.test", active=False)
    lead = simulator.salesforce.add(
        "Lead", FirstName="Ben", LastName="Ray", Email="ben@acme.test", Company="Acme", LeadSource="Event",
        Status="Working - Contacted", OwnerId=owner,
    )  # fmt: skip

    found = mapping_preview.preview(example["leads-to-iterable"], lead, NOON)

    assert found.payload == {
        "email": "ben@acme.test",
        "dataFields": {
            "Name": {"First": "Ben", "Last": "Ray"},
            "Salesforce": {"Id": lead},
            "Status": "Working - Contacted",
            "Source": "Event",
            "Company": {"Name": "Acme"},
            "Owner": {
                "Email": "omar@hub.test",
                "Name": "Omar Diaz",
                "IsActive": False,
                "Salesforce": {"Id": owner},
            },
        },
    }


def test_before_and_after_what_others_wrote_stays_beside_the_mapped_fields(example, simulator):
    sync = example["contacts-to-iterable"]
    contact, account, owner = owned_contact(simulator)
    write_user(
        sync.destination,
        {"email": "ann.lee@acme.test", "dataFields": {"Plan": "Pro", "Name": {"First": "A", "Middle": "M"}}},
    )

    write_user(sync.destination, mapping_preview.preview(sync, contact, NOON).payload)

    after = simulator.iterable.users["ann.lee@acme.test"]["dataFields"]
    assert after["Plan"] == "Pro"
    assert after["Name"] == {"First": "Ann", "Middle": "M", "Last": "Lee"}
    assert after["Company"] == {"Name": "Acme", "Salesforce": {"Id": account}}
    assert after["Owner"]["Salesforce"] == {"Id": owner}


def test_the_example_says_the_mapping_as_the_team_wrote_it(example):
    text, left_out = mapping_rows.exported(example["contacts-to-iterable"])

    assert reading.parse(text.encode())["Account.Id"] == "dataFields.Company.Salesforce.Id"
    assert left_out == []


def tied(**tie):
    """Return the small document with two syncs to HubSpot, the first of which is tied to the second."""
    made = audience()
    made["connections"]["crm"] = {
        "name": "CRM",
        "kind": "hubspot",
        "settings": {"credential": "token"},
        "secrets": {"access_token": {"env": "HUB_TEST_TOKEN"}},
    }
    lines = [{"source": "Email", "destination": "email"}]
    usual = {"stream": "leads", "destination": "crm", "mappings": lines}
    made["syncs"] = {
        "a-deals": {
            "name": "Deals",
            **usual,
            "ties": [{"source_path": "AccountId", "partner": "contacts", **tie}],
        },
        "contacts": {"name": "Contacts", **usual, "policy": "update", "external_id_path": "lead_id"},
    }
    return made


def test_ties_come_after_the_sync_they_name_and_stay_when_imported_again():
    imported(tied(label="Primary"))
    first = SyncTie.objects.get()

    again = imported(tied(label="Primary"))

    assert (first.partner.key, first.label, SyncTie.objects.get().pk) == ("contacts", "Primary", first.pk)
    assert not [one for one in again.differences if one.section == "syncs" and one.action.value != "same"]


def test_a_tie_that_cannot_be_is_refused_with_its_path():
    made = tied()
    made["syncs"]["contacts"]["destination"] = "iterable"
    made["syncs"]["contacts"].pop("policy")

    with pytest.raises(ConfigurationError, match="Choose a sync that writes to CRM"):
        imported(made)
