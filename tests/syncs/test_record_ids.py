"""Ids out of a file, sorted by object type."""

import pytest

from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.salesforce.ids import STANDARD
from syncs.models import Connection
from syncs.record_ids import RecordIdsError, read_ids, sort_ids
from tests.factories import make_iterable, make_salesforce

LEAD, CONTACT = "00QgK0000000001", "003gK0000000001"


@pytest.fixture
def crm(simulator, db):
    return make_salesforce(simulator)


def asked(simulator):
    return [one.path for one in simulator.salesforce.requests if one.path.rstrip("/").endswith("/sobjects")]


def test_a_file_is_read_by_object_type_each_id_once(crm, simulator, tmp_path):
    lead, contact = (simulator.salesforce.add(name, LastName="Lee") for name in ("Lead", "Contact"))
    file = tmp_path / "ids.csv"
    file.write_text(
        f'"Lead ID","Name"\n{lead[:15]},Lee\n\n# more\n"{contact}";x\n{lead}\n', encoding="utf-8-sig"
    )

    found = read_ids(file, crm)

    assert found == {"Lead": [lead], "Contact": [contact]}
    assert asked(simulator) == []


def test_a_first_line_that_is_an_id_is_no_heading(crm):
    record_id = "00QgK00000000id"

    assert next(iter(sort_ids([record_id], crm)["Lead"])).startswith(record_id)


def test_bad_lines_are_told_with_their_numbers_and_nothing_is_returned(crm):
    with pytest.raises(RecordIdsError) as refused:
        sort_ids([LEAD, "ann@x.test", CONTACT, "00Q"], crm)

    assert [problem.split(":")[0] for problem in refused.value.problems] == ["Line 2", "Line 4"]
    assert "15 or 18 letters and digits" in str(refused.value)


def test_of_very_many_bad_lines_some_are_told(crm):
    with pytest.raises(RecordIdsError) as refused:
        sort_ids(["nonsense"] * 100, crm)

    assert len(str(refused.value).splitlines()) == 21
    assert "80 more lines are wrong." in str(refused.value)


def test_an_unknown_prefix_costs_one_call_and_is_remembered(crm, simulator, monkeypatch):
    monkeypatch.setattr(
        "integration_hub.connectors.salesforce.ids.STANDARD",
        {prefix: name for prefix, name in STANDARD.items() if name not in ("Lead", "Contact")},
    )

    first = sort_ids([LEAD, CONTACT, LEAD], crm)
    again = sort_ids([LEAD], Connection.objects.get(pk=crm.pk))

    assert set(first) == {"Lead", "Contact"}
    assert set(again) == {"Lead"}
    assert len(asked(simulator)) == 1


def test_a_prefix_that_the_org_does_not_have_is_said(crm, simulator):
    with pytest.raises(RecordIdsError, match="is of no object type that") as refused:
        sort_ids(["a99gK0000000001", "a98gK0000000001"], crm)

    assert len(refused.value.problems) == 2
    assert len(asked(simulator)) == 1


def test_ids_of_a_vendor_that_does_not_type_them_are_refused(simulator, db):
    with pytest.raises(ConfigError, match="do not tell their object type"):
        sort_ids([LEAD], make_iterable(simulator))
