"""What a change means for a sync, and what becomes of that until it is sent."""

from datetime import timedelta

import pytest
from django.db import transaction

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.errors import UnknownOutcomeError
from integration_hub.connectors.records import Outcome, Record, RecordResult
from syncs import links, listeners, outbox, writes
from syncs.engine import audience, parents
from syncs.links import Entry
from syncs.models import Change, Delivery, ParentChange, RecordLink
from syncs.models.deliveries import DeliveryState
from tests.factories import (
    NOON,
    make_change,
    make_connection,
    make_delivery,
    make_iterable,
    make_stream,
    make_sync,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(minutes=1)
CONTACT = "003AAA"
LEAD = "00QAAA"


@pytest.fixture
def crm():
    return make_connection()


@pytest.fixture
def project():
    return make_iterable()


@pytest.fixture
def contacts(crm, project):
    stream = make_stream(crm, object_type="Contact")
    return make_sync(stream=stream, destination=project, key="contacts", name="Contacts", precedence=10)


@pytest.fixture
def leads(crm, project):
    return make_sync(stream=make_stream(crm), destination=project, key="leads", name="Leads", precedence=20)


def change(sync, record_id=CONTACT, email="a@x.test", name="Ann", modified_at=NOON, **values):
    more = values.pop("more", {})
    return make_change(
        sync.stream,
        record_id=record_id,
        modified_at=modified_at,
        values={"Email": email, "Name": name, **more},
        **values,
    )


def decide(sync, *changes):
    """What each of the changes came to, by its code."""
    with transaction.atomic():
        fates = audience.decide(audience.load(sync.stream), changes, NOON)
    return [fates[one.pk][0].code or fates[one.pk][0].outcome for one in changes]


def write_link(sync, record_id=CONTACT, match_value="a@x.test", version_at=NOON, **values):
    entry = Entry(sync.pk, record_id, match_value, "h", version_at, "written", written_at=NOON)
    links.settle([entry._replace(**values)])


def claim(sync):
    return outbox.claim(sync.destination, limit=100, now=NOON)


class Project(Destination):
    """Takes everything and remembers what it was asked to write."""

    kind, label, settings = "double", "Double", ()

    def __init__(self, **there):
        self.there = there

    def check(self):
        raise AssertionError

    def write(self, request):
        return [RecordResult(write.ref, Outcome.UPDATED) for write in request.writes]

    def look_up(self, object_type, keys):
        values = {key: self.there[key] for key in keys if key in self.there}
        return {key: Record(key, value, "", NOON) for key, value in values.items()}


def prepare(sync, **there):
    return writes.prepare(claim(sync), Project(**there))


def test_a_change_becomes_a_delivery_in_the_lane_of_its_target(contacts):
    seen = change(contacts)

    assert decide(contacts, seen) == ["waiting"]

    delivery = Delivery.objects.get()
    assert (delivery.lane, delivery.origin, delivery.priority) == ("user:a@x.test", "sync:contacts", 10)
    assert (delivery.sync, delivery.record_id, delivery.version_at) == (contacts, CONTACT, NOON)
    assert delivery.dedup_key == f"sync:contacts:{CONTACT}:{seen.version}"
    assert delivery.payload["values"] == {"email": "a@x.test", "dataFields": {"Name": "Ann"}}
    assert delivery.expires_at is None


def test_a_record_without_a_match_value_is_skipped_and_says_so(contacts):
    seen = change(contacts, email="")

    assert decide(contacts, seen) == ["no_match_value"]

    seen.refresh_from_db()
    assert seen.synced["contacts"][0] == "skipped"
    assert RecordLink.objects.get().reason == seen.synced["contacts"][2]
    assert not Delivery.objects.exists()


def test_of_several_versions_in_one_batch_the_newest_goes(contacts):
    newer = change(contacts, name="New", modified_at=LATER)
    older = change(contacts, name="Old")

    assert decide(contacts, newer, older) == ["waiting", "superseded"]

    assert Delivery.objects.get().payload["values"]["dataFields"] == {"Name": "New"}


@pytest.mark.parametrize(("seconds", "expected"), [(-1, "older"), (0, "waiting"), (1, "waiting")])
def test_a_version_older_than_what_was_decided_is_skipped(contacts, seconds, expected):
    write_link(contacts)

    assert decide(contacts, change(contacts, modified_at=NOON + timedelta(seconds=seconds))) == [expected]


def test_a_version_older_than_what_waits_is_skipped(contacts):
    decide(contacts, change(contacts, modified_at=LATER))

    assert decide(contacts, change(contacts)) == ["older"]


def test_a_newer_version_takes_the_place_of_a_waiting_one(contacts):
    decide(contacts, change(contacts, name="Old"))

    decide(contacts, change(contacts, name="New", modified_at=LATER))

    states = Delivery.objects.order_by("pk").values_list("state", "error_code")
    assert list(states) == [("dismissed", "superseded"), ("waiting", "")]


def test_while_one_is_being_sent_the_next_waits_behind_it_under_another_email_too(contacts):
    decide(contacts, change(contacts))
    claim(contacts)

    decide(contacts, change(contacts, email="b@x.test", modified_at=LATER))

    assert list(Delivery.objects.values_list("lane", flat=True)) == ["user:a@x.test"] * 2
    assert claim(contacts) == []


def test_back_to_what_stands_there_gives_up_what_waits(contacts):
    decide(contacts, change(contacts))
    [sent] = claim(contacts)
    outbox.delivered([sent], now=NOON)
    links.settle([writes.entry_of(sent, NOON)])
    decide(contacts, change(contacts, name="Other", modified_at=LATER))

    assert decide(contacts, change(contacts, modified_at=LATER + timedelta(seconds=1))) == ["unchanged"]

    assert not Delivery.objects.open().exists()
    assert RecordLink.objects.get().version_at == LATER + timedelta(seconds=1)


def test_back_to_what_stands_there_is_sent_while_something_else_is_on_its_way(contacts):
    decide(contacts, change(contacts))
    [sent] = claim(contacts)
    outbox.delivered([sent], now=NOON)
    links.settle([writes.entry_of(sent, NOON)])
    decide(contacts, change(contacts, name="Other", modified_at=LATER))
    claim(contacts)

    assert decide(contacts, change(contacts, modified_at=LATER + timedelta(seconds=1))) == ["waiting"]


def test_what_is_settled_between_two_looks_is_known(contacts, monkeypatch):
    """Another process settles the write of a middle version while this one decides on the newest."""
    write_first(contacts)
    decide(contacts, change(contacts, name="Other", modified_at=LATER))
    [sent] = claim(contacts)
    read = links.read

    def read_and_settle(*args):
        found = read(*args)
        outbox.delivered([sent], now=NOON)
        links.settle([writes.entry_of(sent, NOON)])
        return found

    monkeypatch.setattr(links, "read", read_and_settle)

    assert decide(contacts, change(contacts, modified_at=LATER + timedelta(seconds=1))) == ["waiting"]


def test_a_rival_settled_between_two_looks_is_known(contacts, leads, monkeypatch):
    decide(contacts, change(contacts))
    [sent] = claim(contacts)
    holders = links.holders

    def look_and_settle(*args):
        found = holders(*args)
        outbox.delivered([sent], now=NOON)
        links.settle([writes.entry_of(sent, NOON)])
        return found

    monkeypatch.setattr(links, "holders", look_and_settle)

    assert decide(leads, change(leads, LEAD)) == ["collapsed"]


def test_back_to_what_stands_there_is_sent_while_another_record_is_written_over_it(contacts):
    write_first(contacts)
    decide(contacts, change(contacts, "003BBB", name="Other", modified_at=LATER))
    claim(contacts)

    assert decide(contacts, change(contacts, modified_at=LATER + timedelta(seconds=1))) == ["waiting"]


def test_what_a_lost_worker_may_have_written_over_is_sent_again(contacts):
    write_first(contacts)
    decide(contacts, change(contacts, name="Other", modified_at=LATER))
    claim(contacts)
    an_hour_later = NOON + timedelta(hours=1)
    decide(contacts, change(contacts, modified_at=LATER + timedelta(seconds=1)))

    claimed = outbox.claim(contacts.destination, limit=100, now=an_hour_later)

    assert writes.prepare(claimed, Project()).forgone == {}


def test_of_two_with_one_version_the_one_decided_first_does_not_come_last(contacts):
    """A parent that changes twice leaves the modification time of its children as it was."""
    decide(contacts, change(contacts, name="First"))
    [slow] = claim(contacts)
    decide(contacts, change(contacts, name="Second"))
    outbox.postpone([slow], UnknownOutcomeError("no answer"), until=NOON)
    second = Delivery.objects.order_by("pk").last()
    Delivery.objects.filter(pk=second.pk).update(state=DeliveryState.DELIVERED, settled_at=NOON)
    links.settle([writes.entry_of(second, NOON)])

    prepared = prepare(contacts)

    assert [reason.code for reason in prepared.forgone] == ["older"]


def write_first(sync):
    decide(sync, change(sync))
    [sent] = claim(sync)
    outbox.delivered([sent], now=NOON)
    links.settle([writes.entry_of(sent, NOON)])


def test_a_sync_that_is_led_elsewhere_knows_nothing_of_what_stands_there(contacts):
    write_first(contacts)
    decide(contacts, change(contacts, "003BBB", "b@x.test"))
    contacts.destination = make_iterable(key="other", name="Other")

    contacts.save()

    assert not Delivery.objects.open().exists()
    assert decide(contacts, change(contacts, modified_at=LATER)) == ["waiting"]


def test_a_sync_that_is_only_renamed_knows_what_stands_there(contacts):
    write_first(contacts)
    contacts.name = "People"

    contacts.save()

    assert decide(contacts, change(contacts, modified_at=LATER)) == ["unchanged"]


def test_a_lead_gives_way_to_a_contact_that_is_there_or_on_its_way(contacts, leads):
    decide(contacts, change(contacts))
    assert decide(leads, change(leads, LEAD)) == ["collapsed"]

    Delivery.objects.all().delete()
    write_link(contacts)
    assert decide(leads, change(leads, LEAD, modified_at=LATER)) == ["collapsed"]
    assert (
        RecordLink.objects.get(record_id=LEAD).reason
        == f"Contacts {CONTACT} has the same email and goes first."
    )


def test_a_contact_takes_the_place_of_a_lead_that_waits(contacts, leads):
    decide(leads, change(leads, LEAD))

    assert decide(contacts, change(contacts)) == ["waiting"]

    assert Delivery.objects.open().get().record_id == CONTACT
    assert CONTACT in Delivery.objects.get(state=DeliveryState.DISMISSED).error


@pytest.mark.parametrize("state", ["skipped", "refused"])
def test_who_does_not_write_stands_in_nobodys_way(contacts, leads, state):
    write_link(contacts, state=state)

    assert decide(leads, change(leads, LEAD)) == ["waiting"]


def test_syncs_to_another_destination_are_no_rivals(contacts, crm):
    elsewhere = make_sync(
        stream=make_stream(crm, object_type="Lead"), destination=make_iterable(), precedence=20
    )
    write_link(contacts)

    assert decide(elsewhere, change(elsewhere, LEAD)) == ["waiting"]


def test_a_disabled_sync_is_no_rival_and_decides_nothing(contacts, leads):
    write_link(contacts)
    contacts.enabled = False
    contacts.save()

    assert decide(leads, change(leads, LEAD)) == ["waiting"]
    assert audience.load(contacts.stream) == []
    assert listeners.switched_off() == {"sync:contacts"}


def test_a_converted_lead_is_left_to_its_contact(contacts, leads):
    assert decide(leads, change(leads, LEAD, more={"IsConverted": True})) == ["converted"]


def test_without_a_contact_sync_a_converted_lead_goes_on(leads):
    assert decide(leads, change(leads, LEAD, more={"IsConverted": True})) == ["waiting"]


def test_rivals_decided_at_the_same_time_are_sorted_out_when_they_are_sent(contacts, leads):
    decide(leads, change(leads, LEAD))
    write_link(contacts)  # another process decided for the contact, and was quicker

    prepared = prepare(leads)

    [(reason, [delivery])] = prepared.forgone.items()
    assert (reason.code, delivery.record_id) == ("collapsed", LEAD)
    assert prepared.deliveries == []


def test_what_is_older_or_there_already_when_it_is_sent_is_not_sent(contacts):
    decide(contacts, change(contacts), change(contacts, "003BBB", "b@x.test"))
    same = Delivery.objects.get(record_id="003BBB")
    write_link(contacts, version_at=LATER)
    write_link(contacts, "003BBB", "b@x.test", payload_hash=same.payload["digest"])

    prepared = prepare(contacts)

    found = {reason.code: [one.record_id for one in rows] for reason, rows in prepared.forgone.items()}
    assert found == {"older": [CONTACT], "unchanged": ["003BBB"]}


def test_a_record_moves_from_the_key_it_was_written_under(contacts):
    write_link(contacts, match_value="old@x.test")
    decide(contacts, change(contacts, modified_at=LATER))

    [write] = prepare(contacts).writes

    assert (write.former, write.match.value) == ("old@x.test", "a@x.test")


def test_what_is_anothers_by_now_is_not_moved_away(contacts, leads):
    write_link(contacts, match_value="old@x.test")
    write_link(leads, LEAD, match_value="old@x.test")
    decide(contacts, change(contacts, modified_at=LATER))

    [write] = prepare(contacts).writes

    assert write.former == ""


def test_who_is_outdone_is_told_by_whom(contacts, leads):
    write_link(leads, LEAD)
    decide(contacts, change(contacts))

    prepared = prepare(contacts)
    links.settle(prepared.entries(prepared.deliveries, NOON))

    lead = RecordLink.objects.get(record_id=LEAD)
    assert (lead.state, lead.written_at) == ("skipped", None)
    assert lead.reason == f"Contacts {CONTACT} has the same email and goes first."


def test_a_field_for_new_records_is_not_written_over_one_that_is_there(contacts):
    contacts.mappings.create(source="LeadSource", destination="dataFields.Source", write_mode="on_create")
    decide(
        contacts,
        change(contacts, more={"LeadSource": "Web"}),
        change(contacts, "003BBB", "b@x.test", more={"LeadSource": "Web"}),
    )
    write_link(contacts, "003BBB", "b@x.test")

    values = [write.values["dataFields"] for write in prepare(contacts).writes]

    assert values == [{"Name": "Ann", "Source": "Web"}, {"Name": "Ann"}]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({}, "Web"),
        ({"Source": ""}, "Web"),
        ({"Source": None}, "Web"),
        ({"Source": "Fair"}, None),
        ({"Source": 0}, None),
    ],
)
def test_a_field_is_filled_only_if_it_is_empty_there(contacts, there, expected):
    contacts.mappings.create(source="LeadSource", destination="dataFields.Source", write_mode="if_empty")
    decide(contacts, change(contacts, more={"LeadSource": "Web"}))

    [write] = prepare(contacts, **{"a@x.test": {"dataFields": there}}).writes

    assert write.values["dataFields"].get("Source") == expected


def test_messages_are_prepared_as_they_are():
    delivery = make_delivery()

    [write] = writes.prepare([delivery], Project()).writes

    assert (write.ref, write.values, write.former) == (str(delivery.pk), delivery.payload, "")


def deleted(sync, record_id=CONTACT, at=LATER):
    return change(sync, record_id, modified_at=at, origin="deleted")


@pytest.mark.parametrize(
    ("policy", "operation", "values"),
    [
        ("remove", "delete", {"email": "a@x.test"}),
        ("mark", "upsert", {"email": "a@x.test", "dataFields": {"Gone": True}}),
    ],
)
def test_a_deletion_is_passed_on_by_policy(contacts, policy, operation, values):
    contacts.when_deleted, contacts.deleted_path = policy, "dataFields.Gone"
    contacts.save()
    write_link(contacts)

    assert decide(contacts, deleted(contacts)) == ["waiting"]

    delivery = Delivery.objects.get()
    assert (delivery.operation, delivery.payload["values"]) == (operation, values)
    assert writes.entry_of(delivery, NOON).state == "removed"


@pytest.mark.parametrize(
    ("policy", "linked", "expected"),
    [("ignore", True, "deletion_ignored"), ("remove", False, "not_there"), ("remove", True, "waiting")],
)
def test_a_deletion_that_concerns_nothing_there_is_skipped(contacts, policy, linked, expected):
    contacts.when_deleted = policy
    contacts.save()
    if linked:
        write_link(contacts)

    assert decide(contacts, deleted(contacts)) == [expected]


def test_a_user_that_another_record_has_too_is_not_removed(contacts, leads):
    contacts.when_deleted = "remove"
    contacts.save()
    write_link(contacts)
    assert decide(leads, change(leads, LEAD)) == ["collapsed"]

    assert decide(contacts, deleted(contacts)) == ["shared"]

    assert not Delivery.objects.exists()
    assert RecordLink.objects.get(record_id=CONTACT).state == "removed"


def test_a_removal_that_waits_gives_way_to_a_record_with_the_same_key(contacts, leads):
    contacts.when_deleted = "remove"
    contacts.save()
    write_link(contacts)
    decide(contacts, deleted(contacts))
    RecordLink.objects.update(state="removed")

    assert decide(leads, change(leads, LEAD)) == ["waiting"]

    assert Delivery.objects.open().get().record_id == LEAD


def test_an_unanswered_try_names_the_key_it_may_have_landed_under(contacts):
    decide(contacts, change(contacts))
    [sent] = claim(contacts)
    outbox.postpone([sent], UnknownOutcomeError("no answer"), until=NOON)

    decide(contacts, change(contacts, email="b@x.test", modified_at=LATER))

    [write] = prepare(contacts).writes
    assert write.former == "a@x.test"


def test_a_lane_fits_its_column(contacts):
    long = f"{'a' * 240}@x.test"

    assert len(writes.lane(contacts, long)) <= writes.LANE_LENGTH
    assert writes.lane(contacts, long) != writes.lane(contacts, f"b{long}")


def test_one_read_carries_what_is_mapped_and_what_children_map_of_it(crm, project):
    contacts = make_stream(crm, object_type="Contact")
    make_sync(
        ("Email", "email"), ("Account.Name", "dataFields.Company"), stream=contacts, destination=project
    )
    make_sync(("Owner.Email", "email"), stream=contacts, destination=project, enabled=False)
    accounts = make_stream(crm, object_type="Account")

    assert listeners.fields(contacts) == {"Email", "Account.Name", "IsConverted"}
    assert listeners.fields(accounts) == {"Name"}
    assert listeners.fields(make_stream(object_type="Account")) == set()


def test_a_change_asked_for_again_while_children_are_read_is_not_forgotten(crm, project):
    contacts, accounts = (make_stream(crm, object_type=name) for name in ("Contact", "Account"))
    make_sync(
        ("Email", "email"), ("Account.Name", "dataFields.Company"), stream=contacts, destination=project
    )
    wanted = parents.interests(accounts)
    first = make_change(accounts, record_id="001A", values={"Name": "Acme"})

    assert parents.request(wanted, [first], NOON) == {first.pk}
    assert parents.request(wanted, [first], LATER) == {first.pk}

    [asked] = ParentChange.objects.all()
    assert (asked.stream, asked.field, asked.record_id, asked.requested_at) == (
        contacts,
        "AccountId",
        "001A",
        LATER,
    )


def test_only_a_field_that_is_mapped_asks_for_the_children(crm, project):
    contacts, accounts = (make_stream(crm, object_type=name) for name in ("Contact", "Account"))
    make_sync(
        ("Email", "email"), ("Account.Name", "dataFields.Company"), stream=contacts, destination=project
    )
    make_change(accounts, record_id="001A", values={"Name": "Acme", "Phone": "1"})
    phone = make_change(accounts, record_id="001A", values={"Name": "Acme", "Phone": "2"}, modified_at=LATER)

    assert parents.request(parents.interests(accounts), [phone], LATER) == set()


def test_what_came_of_changes_is_kept_in_few_statements(contacts, django_assert_max_num_queries):
    batch = [change(contacts, f"003{n}", email="") for n in range(200)]
    targets = audience.load(contacts.stream)

    with django_assert_max_num_queries(12), transaction.atomic():
        audience.decide(targets, batch, NOON)

    assert Change.objects.exclude(synced={}).count() == 200
