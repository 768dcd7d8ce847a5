from __future__ import annotations

import json

import pytest

from syncs.mappings import rows as mapping_rows
from syncs.mappings.rows import MappingImportError
from syncs.models import FieldMapping
from tests.factories import make_sync, make_value_map

pytestmark = pytest.mark.django_db

LIQUID = {
    "destination": "dataFields.Greeting",
    "transform": "liquid",
    "expression": "Hi {{ record.Owner.Name }}",
}


def imported(sync, given):
    return mapping_rows.replace(sync, mapping_rows.rows_of(sync, mapping_rows.parsed(json.dumps(given))))


def lines(sync):
    return list(sync.mappings.values_list("source", "destination", "transform"))


def test_rows_become_lines_in_their_order_with_their_value_maps(django_assert_num_queries):
    stages = make_value_map(hot="1")
    sync = make_sync(
        ("Email", "email"),
        {"source": "Rating", "destination": "dataFields.Rating", "value_map": stages, "required": True},
    )

    with django_assert_num_queries(2):
        first, second = mapping_rows.lines_of(sync)

    assert (first.source, first.value_map) == ("Email", None)
    assert (second.destination, second.value_map, second.required) == (
        "dataFields.Rating",
        {"hot": "1"},
        True,
    )


def test_a_sync_maps_by_its_stored_lines():
    mapper = mapping_rows.mapper_of(make_sync())

    found = mapper({"Email": "Ann@acme.test", "Name": "Ann"})

    assert found.payload == {"email": "ann@acme.test", "dataFields": {"Name": "Ann"}}


def test_the_fields_to_read_are_the_sources_and_what_liquid_uses():
    broken = {"destination": "dataFields.x", "transform": "liquid", "expression": "{{ record.Nam"}
    sync = make_sync(("Email", "email"), ("Account.Name", "dataFields.Company"), LIQUID, broken)

    assert mapping_rows.source_fields(sync) == {"Email", "Account.Name", "Owner.Name"}


def test_an_export_is_a_plain_object_and_says_what_is_not_in_it():
    sync = make_sync(("Email", "email"), ("Email", "dataFields.Mail"), ("Name", "dataFields.Name"), LIQUID)

    text, left_out = mapping_rows.exported(sync)

    assert json.loads(text) == {"Email": ["email", "dataFields.Mail"], "Name": "dataFields.Name"}
    assert left_out == ["dataFields.Greeting"]


def test_an_export_can_be_imported_again_and_changes_nothing():
    sync = make_sync(("Email", "email"), ("Email", "dataFields.Mail"), LIQUID)
    before = lines(sync)

    mapping_rows.replace(
        sync, mapping_rows.rows_of(sync, mapping_rows.parsed(mapping_rows.exported(sync)[0]))
    )

    assert lines(sync) == before


def test_an_import_keeps_what_a_line_had_and_removes_what_it_does_not_name():
    name = {"source": "Name", "destination": "dataFields.Name", "transform": "title"}
    sync = make_sync(("Email", "email"), name, ("Id", "dataFields.Id"))

    counts = imported(sync, {"FullName": "dataFields.Name", "Email": "email", "Rating": "dataFields.Rating"})

    assert lines(sync) == [
        ("FullName", "dataFields.Name", "title"),
        ("Email", "email", ""),
        ("Rating", "dataFields.Rating", ""),
    ]
    assert counts == (3, 1)


def test_destinations_may_change_places():
    sync = make_sync(("Email", "email"), ("Name", "dataFields.A"), ("Id", "dataFields.B"))

    imported(sync, {"Email": "email", "Name": "dataFields.B", "Id": "dataFields.A"})

    assert set(lines(sync)) == {
        ("Email", "email", ""),
        ("Name", "dataFields.B", ""),
        ("Id", "dataFields.A", ""),
    }
    assert FieldMapping.objects.count() == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON: line 1"),
        ("[]", "Give one object"),
        ("{}", "Give one object"),
        ('{"Email": 5}', "“Email” must lead to a destination path"),
        ('{"Email": []}', "“Email” must lead to a destination path"),
        ('{"Email": "email", "Email": "x"}', "stands there twice"),
        ('{"Email": "email", "Mail": "email"}', "“email” is filled twice"),
        ('{"": "email"}', "1 to 200 characters"),
        ('{"Email": " "}', "1 to 200 characters"),
        ('{"a": "%s"}' % ("x" * 201), "1 to 200 characters"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_mapping_is_refused_with_the_reason(text, words):
    with pytest.raises(MappingImportError) as refused:
        mapping_rows.parsed(text)

    assert words in str(refused.value)
