"""Records come and change as in a real org, late ones included."""

from datetime import UTC, datetime, timedelta

import pytest

from integration_hub.simulator.salesforce.org import Org
from integration_hub.simulator.salesforce.records import Table
from integration_hub.simulator.world import Clock

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock():
    clock = Clock()
    clock.set(NOON)
    return clock


@pytest.fixture
def org(clock):
    return Org(clock)


def last_names(org):
    return [row["LastName"] for row in org.live("Lead")]


def test_a_late_row_keeps_its_old_stamp_and_appears_later(org, clock):
    lead = org.add("Lead", {"LastName": "Late"}, visible_after=30)

    before = last_names(org)
    clock.set(NOON + timedelta(seconds=30))
    after = last_names(org)

    assert (before, after) == ([], ["Late"])
    assert org.row(lead)["SystemModstamp"] == "2026-11-20T12:00:00.000+0000"


def test_until_a_late_change_is_committed_the_old_values_are_seen(org, clock):
    lead = org.add("Lead", {"LastName": "Old"})
    org.update(lead, {"LastName": "New"}, visible_after=10)

    before = last_names(org)
    clock.set(NOON + timedelta(seconds=10))

    assert (before, last_names(org)) == (["Old"], ["New"])


def test_an_update_moves_the_stamps_and_keeps_the_creation(org, clock):
    lead = org.add("Lead", {"LastName": "Ann"})
    clock.set(NOON + timedelta(minutes=1))

    org.update(lead, {"Status": "Working - Contacted"})

    row = org.row(lead)
    assert row["CreatedDate"] == "2026-11-20T12:00:00.000+0000"
    assert row["SystemModstamp"] == row["LastModifiedDate"] == "2026-11-20T12:01:00.000+0000"


def test_a_change_of_the_owner_leaves_the_lead_untouched(org, clock):
    lead = org.add("Lead", {"LastName": "Ann"})
    clock.set(NOON + timedelta(minutes=1))

    org.update(org.admin_id, {"Email": "new@example.test"})

    assert org.row(lead)["SystemModstamp"] == "2026-11-20T12:00:00.000+0000"


@pytest.mark.parametrize("fields", [{"Nope": 1}, {"Name": "Ann Lee"}])
def test_a_field_that_cannot_be_written_is_named(org, fields):
    with pytest.raises(ValueError, match=f"Lead has no field '{next(iter(fields))}' that can be written"):
        org.add("Lead", fields)


def test_conversion_makes_a_contact_and_marks_the_lead(org):
    lead = org.add("Lead", {"FirstName": "Ann", "LastName": "Lee", "Company": "Acme", "Email": "a@acme.test"})

    contact = org.convert(lead)

    assert org.row(lead)["IsConverted"] is True
    assert org.row(lead)["ConvertedContactId"] == contact
    assert org.row(contact)["Email"] == "a@acme.test"
    assert org.row(org.row(contact)["AccountId"])["Name"] == "Acme"


def test_the_loser_of_a_merge_is_deleted_and_points_to_the_master(org):
    master, loser = org.add("Lead", {}), org.add("Lead", {})

    org.merge(master, loser)

    assert org.row(loser)["IsDeleted"] is True
    assert org.row(loser)["MasterRecordId"] == master


def test_a_queue_has_member_rows(org):
    queue = org.add_queue("Inbound", [org.admin_id])

    members = [(row["GroupId"], row["UserOrGroupId"]) for row in org.live("GroupMember")]

    assert queue.startswith("00G")
    assert members == [(queue, org.admin_id)]


@pytest.mark.parametrize("count", [3, 500])
def test_rows_put_in_any_order_are_read_in_the_order_of_their_stamps(count):
    table = Table()
    rows = [{"Id": f"{n:05d}", "SystemModstamp": f"{(n * 7919) % 1000:05d}"} for n in range(count)]
    for row in rows[:2]:
        table.put(row)
    list(table.by_stamp("", "~"))

    for row in [*rows[2:], {"Id": "00000", "SystemModstamp": "99999"}]:
        table.put(row)

    current = [*rows[1:], {"Id": "00000", "SystemModstamp": "99999"}]
    assert list(table.by_stamp("", "~")) == sorted(
        current, key=lambda row: (row["SystemModstamp"], row["Id"])
    )
    assert [row["Id"] for row in table.by_id("", "~")] == [row["Id"] for row in rows]


def test_many_changes_to_few_rows_do_not_pile_up():
    table = Table()
    for n in range(1000):
        table.put({"Id": str(n % 3), "SystemModstamp": f"{n:05d}"})
        list(table.by_stamp("", "~"))

    assert len(table._stamped) <= 100
    assert len(list(table.by_stamp("", "~"))) == 3
