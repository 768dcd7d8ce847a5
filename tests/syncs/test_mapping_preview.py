from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from integration_hub.connectors.errors import ConnectorError
from syncs.mappings import preview as mapping_preview
from syncs.mappings.preview import PreviewError
from tests.factories import (
    NOON,
    make_change,
    make_iterable,
    make_salesforce,
    make_stream,
    make_sync,
    write_user,
)

pytestmark = pytest.mark.django_db

LINES = [
    ("Email", "email"),
    ("FirstName", "dataFields.Name.First"),
    {"source": "Company", "destination": "dataFields.Company", "write_mode": "if_empty"},
    {"source": "LeadSource", "destination": "dataFields.Source", "write_mode": "on_create"},
    ("Owner.Name", "dataFields.Owner"),
]


@pytest.fixture
def sync(simulator):
    simulator.set_clock(NOON)
    stream = make_stream(make_salesforce(simulator), described_at=None)
    return make_sync(*LINES, stream=stream, destination=make_iterable(simulator))


@pytest.fixture
def lead(simulator):
    return simulator.salesforce.add(
        "Lead", FirstName="Ann", LastName="Lee", Email="Ann@Acme.test", Company="Acme", LeadSource="Web"
    )


def changed(found):
    return {step.path: (step.before, step.after) for step in found.steps if step.changes}


def test_a_record_that_is_not_there_yet_would_be_created_with_everything(sync, lead, simulator):
    found = mapping_preview.preview(sync, lead, NOON)

    assert found.there is False
    assert dict(found.sources)["FirstName"] == "Ann"
    assert found.payload["email"] == "ann@acme.test"
    assert changed(found).keys() == {
        "email",
        "dataFields.Name.First",
        "dataFields.Company",
        "dataFields.Source",
        "dataFields.Owner",
    }
    assert simulator.iterable.users == {}


def test_of_a_record_that_is_there_the_difference_is_shown_field_by_field(sync, lead):
    data = {"Name": {"First": "Anne", "Last": "Lee"}, "Company": "Other"}
    write_user(sync.destination, {"email": "ann@acme.test", "dataFields": data})

    found = mapping_preview.preview(sync, lead, NOON)

    steps = {step.path: step for step in found.steps}
    assert found.there is True
    assert changed(found)["dataFields.Name.First"] == ("Anne", "Ann")
    assert (steps["email"].what, steps["email"].changes) == ("the same", False)
    assert (steps["dataFields.Company"].what, steps["dataFields.Company"].before) == (
        "left alone: there is a value",
        "Other",
    )
    assert steps["dataFields.Source"].what == "left alone: only written on create"
    assert "dataFields.Name.Last" not in steps


def test_without_an_id_the_newest_change_is_taken(sync, lead):
    make_change(sync.stream, record_id=lead)

    found = mapping_preview.preview(sync, "", NOON)

    assert found.record.remote_id == lead


def test_a_refused_record_says_every_reason_and_asks_no_destination(sync, simulator):
    sync.mappings.filter(source="FirstName").update(required=True)
    lead = simulator.salesforce.add("Lead", LastName="Lee", Company="Acme", Email="ann@printer.local")

    found = mapping_preview.preview(sync, lead, NOON)

    assert [problem.partition(":")[0] for problem in found.problems] == [
        "Email → email",
        "FirstName → dataFields.Name.First",
    ]
    assert (found.payload, found.steps) == ({}, ())
    assert simulator.iterable.requests == []


def test_a_record_without_a_match_value_says_so(sync, simulator):
    lead = simulator.salesforce.add("Lead", LastName="Lee", Company="Acme")

    found = mapping_preview.preview(sync, lead, NOON)

    assert found.problems[0].startswith("email is empty")


def test_a_destination_that_does_not_answer_leaves_the_mapping_to_be_seen(sync, lead):
    sync.destination.base_url = "http://127.0.0.1:9"

    found = mapping_preview.preview(sync, lead, NOON)

    assert found.there is None
    assert found.payload["email"] == "ann@acme.test"
    assert "could not be asked what is there" in found.warning


def test_without_any_change_an_id_is_asked_for(sync):
    with pytest.raises(PreviewError, match="Enter the id of a record"):
        mapping_preview.preview(sync, "", NOON)


def test_an_id_that_is_not_there_is_said(sync):
    with pytest.raises(PreviewError, match="has no Lead “00Q000000000099AAA”"):
        mapping_preview.preview(sync, "00Q000000000099AAA", NOON)


def test_a_source_that_does_not_answer_is_an_error(sync, lead):
    sync.stream.connection.base_url = "http://127.0.0.1:9"

    with pytest.raises(ConnectorError):
        mapping_preview.preview(sync, lead, NOON)


def told(*arguments):
    out = StringIO()
    call_command("preview_sync", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_tells_it_line_by_line(sync, lead):
    text = told(sync.key, lead)

    assert 'FirstName: "Ann"' in text
    assert "ann@acme.test would be created." in text
    assert 'dataFields.Name.First: empty → "Ann" (new)' in text


def test_the_command_tells_refusals(sync, simulator):
    lead = simulator.salesforce.add("Lead", LastName="Lee", Company="Acme")

    assert "Refused: email is empty" in told(sync.key, lead)


def test_the_command_gives_json_to_programs(sync, lead):
    facts = json.loads(told(sync.key, lead, "--json"))

    assert facts["payload"]["dataFields"]["Name"] == {"First": "Ann"}
    assert facts["exists"] is False
    assert {"path": "email", "before": None, "after": "ann@acme.test", "what": "new"} in facts["changes"]


@pytest.mark.parametrize(
    ("arguments", "words"), [(["nope"], "There is no sync “nope”"), ([None, ""], "Enter the id of a record")]
)
def test_the_command_says_what_is_missing(sync, arguments, words):
    with pytest.raises(CommandError, match=words):
        told(*(sync.key if argument is None else argument for argument in arguments))
