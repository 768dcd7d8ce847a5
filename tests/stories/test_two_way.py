"""The order system and HubSpot kept alike: edits on either side, echoes, conflicts, loops, deletions, disorder."""

import pytest

from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill.engine import BackfillError
from syncs.engine.backfill.plan import Wanted
from syncs.models import Change, Conflict, Delivery, Incident, RecordPair
from syncs.models.deliveries import DeliveryState
from syncs.models.pairs import Choice, ConflictState
from syncs.models.syncs import WhenDeleted, WhenNew
from syncs.twoway import conflicts, pairs
from tests.stories.two_way_world import TwoWay


@pytest.fixture
def trade(simulator, db):
    return TwoWay(simulator)


def test_an_edit_on_either_side_reaches_the_other_once(trade):
    left, right = trade.customer()
    before = len(trade.writes())

    trade.portal.update("contacts", right, firstname="Anna")
    trade.settle()
    trade.shop.update(left, {"city": "Köln"})
    trade.settle()

    assert trade.sides(left, right) == ("Anna", "Anna")
    assert trade.sides(left, right, "city", "city") == ("Köln", "Köln")
    assert len(trade.writes()) - before == 2
    assert len(trade.shop.customers) == len(trade.portal.records("contacts")) == 1


def test_an_echo_writes_nothing_and_says_so(trade):
    _left, right = trade.customer()
    count = Delivery.objects.count()

    trade.settle()

    assert count == Delivery.objects.count() == 1
    assert trade.fates(right)[-1] == "echo"


def test_a_new_contact_becomes_a_customer_and_no_second_contact(trade):
    right = trade.portal.add("contacts", email="Bob@X.test", firstname="Bob")

    trade.settle()

    [customer] = trade.shop.customers.values()
    assert (customer["email"].lower(), customer["name"]) == ("bob@x.test", "Bob")
    assert [row["hs_object_id"] for row in trade.portal.records("contacts")] == [right]


@pytest.mark.parametrize(
    ("winner", "expected"),
    [("source", "Left"), ("destination", "Right"), ("newest", "Right"), ("keep", None)],
)
@pytest.mark.parametrize("order", ["left first", "right first"])
def test_a_field_edited_on_both_sides_follows_its_winner(trade, winner, expected, order):
    left, right = trade.customer()
    trade.wins("firstname", winner)
    trade.wait()
    trade.shop.update(left, {"name": "Left"})
    trade.wait(1)
    trade.portal.update("contacts", right, firstname="Right")
    streams = [trade.customers, trade.contacts]
    trade.wait()
    trade.poll()
    trade.route(*(streams if order == "left first" else streams[::-1]))
    trade.settle()

    assert trade.sides(left, right) == ((expected, expected) if expected else ("Left", "Right"))
    assert not Conflict.objects.exists()


@pytest.mark.parametrize(
    ("choice", "value", "expected"),
    [(Choice.SOURCE, "", "Left"), (Choice.DESTINATION, "", "Right"), (Choice.VALUE, "Both", "Both")],
)
def test_a_conflict_waits_for_a_person_while_other_fields_go_on(
    trade, choice, value, expected, django_user_model
):
    person = django_user_model.objects.create(username="pat")
    left, right = trade.customer()
    trade.wins("firstname", "ask")
    trade.wait()
    trade.shop.update(left, {"name": "Left", "city": "Köln"})
    trade.portal.update("contacts", right, firstname="Right", phone="+4930999999")
    trade.settle()
    asked = trade.conflict()
    meanwhile = trade.sides(left, right)

    conflicts.resolve(asked, choice, person, trade.now, value)
    trade.settle()

    assert meanwhile == ("Left", "Right")
    assert (asked.left_value, asked.right_value, asked.agreed_value) == ("Left", "Right", "Ann")
    assert asked.left_by == "staff"
    assert trade.sides(left, right) == (expected, expected)
    assert trade.sides(left, right, "city", "city") == ("Köln", "Köln")
    assert trade.sides(left, right, "phone", "phone") == ("+4930999999", "+4930999999")
    assert not Conflict.objects.filter(state=ConflictState.OPEN).exists()


def test_a_conflict_from_the_first_meeting_stays_open_while_other_fields_change(trade):
    left, right = trade.customer(company="Acme")
    trade.wins("company", "ask")
    RecordPair.objects.all().delete()
    Change.objects.all().delete()  # as after a backfill: nothing is known of earlier versions
    trade.wait()
    trade.shop.update(left, {"company": "Left"})
    trade.portal.update("contacts", right, company="Right")
    trade.settle()

    trade.shop.update(left, {"name": "Anna"})
    trade.settle()

    asked = trade.conflict()
    assert (asked.left_value, asked.right_value) == ("Left", "Right")
    assert trade.sides(left, right) == ("Anna", "Anna")
    conflicts.resolve(asked, Choice.SOURCE, None, trade.now)
    trade.settle()
    assert trade.sides(left, right, "company", "company") == ("Left", "Left")


def test_a_conflict_that_the_sides_settle_themselves_closes(trade):
    left, right = trade.customer()
    trade.wins("firstname", "ask")
    trade.wait()
    trade.shop.update(left, {"name": "Left"})
    trade.portal.update("contacts", right, firstname="Right")
    trade.settle()
    trade.portal.update("contacts", right, firstname="Left")

    trade.settle()

    assert Conflict.objects.get().state == ConflictState.OBSOLETE
    assert trade.sides(left, right) == ("Left", "Left")


def test_an_edit_taken_back_lets_the_other_side_through(trade):
    left, right = trade.customer()
    trade.wins("firstname", "ask")
    trade.wait()
    trade.shop.update(left, {"name": "Left"})
    trade.portal.update("contacts", right, firstname="Right")
    trade.settle()
    trade.shop.update(left, {"name": "Ann"})

    trade.settle()

    assert trade.sides(left, right) == ("Right", "Right")


def test_a_record_that_comes_back_before_its_answer_is_not_made_again(trade):
    trade.portal.faults.fail_next(1, "no_answer", path="/crm/v3/objects/contacts/batch/create")
    trade.shop.add_customer("ann@x.test", name="Ann")
    trade.tick()
    waiting = Delivery.objects.get().state
    trade.tick()  # the contact is read while the write that made it is still unsettled

    for _ in range(10):
        trade.tick()
        trade.wait(30)

    assert waiting == DeliveryState.WAITING
    assert len(trade.shop.customers) == len(trade.portal.records("contacts")) == 1
    assert RecordPair.objects.count() == 1
    assert Delivery.objects.filter(sync=trade.back).count() == 0


def test_an_edit_there_before_the_answer_is_stored_is_not_lost(trade):
    trade.portal.faults.fail_next(1, "no_answer", path="/crm/v3/objects/contacts/batch/create")
    left = trade.shop.add_customer("ann@x.test", name="Ann", city="Bonn")
    trade.tick()
    right = trade.portal.records("contacts")[0]["hs_object_id"]
    trade.portal.update("contacts", right, phone="+4930555555")

    for _ in range(10):
        trade.tick()
        trade.wait(30)

    assert trade.sides(left, right, "phone", "phone") == ("+4930555555", "+4930555555")
    assert trade.sides(left, right) == ("Ann", "Ann")


def test_notices_that_come_twice_and_late_change_nothing(trade):
    left, right = trade.customer()
    trade.wait()
    trade.portal.update("contacts", right, firstname="One")
    first = trade.notice()
    trade.wait()
    trade.portal.update("contacts", right, firstname="Two")
    trade.notice()
    late = trade.contacts.changes.order_by("modified_at").filter(values__firstname="One").get()
    late_values = (late.pk, late.state)
    late.__class__.objects.filter(pk=late.pk).update(state="routed")
    trade.settle()
    late.__class__.objects.filter(pk=late.pk).update(state="waiting")

    trade.notice(*first)
    trade.settle()

    assert late_values[1] == "waiting"
    assert trade.sides(left, right) == ("Two", "Two")
    assert trade.fates(right)[trade.fates(right).index("older")] == "older"


def test_a_quarrel_parks_the_record_and_tells_once(trade):
    left, right = trade.customer()
    trade.policy(trade.back, most_writes=4)
    for number in range(8):
        trade.portal.update("contacts", right, firstname=f"Right {number}")
        trade.tick()
    parked = RecordPair.objects.get()
    writes = len(trade.writes())
    trade.settle()
    stays = len(trade.writes())

    pairs.release([parked], trade.now)
    trade.settle()

    assert parked.parked_at
    assert stays == writes
    assert Incident.objects.get().closed_at
    assert trade.sides(left, right) == ("Right 7", "Right 7")


@pytest.mark.parametrize(("policy", "customers"), [(WhenDeleted.IGNORE, 1), (WhenDeleted.REMOVE, 0)])
def test_a_deletion_follows_the_policy_and_nothing_is_made_anew(trade, policy, customers):
    left, right = trade.customer()
    trade.policy(trade.back, when_deleted=policy)
    trade.policy(trade.forward, when_deleted=policy)
    trade.wait()

    trade.portal.archive("contacts", right)
    trade.settle()
    if customers:
        trade.shop.update(left, {"city": "Köln"})
    trade.settle()

    assert len(trade.shop.customers) == customers
    assert trade.portal.records("contacts") == []
    assert RecordPair.objects.get().gone == "right"


def test_a_merge_is_followed_to_the_record_that_stays(trade):
    left, right = trade.customer()
    other = trade.portal.add("contacts", firstname="Ann", lastname="Twin")
    trade.policy(trade.back, when_deleted=WhenDeleted.REMOVE, when_new=WhenNew.IGNORE)
    trade.wait()

    trade.portal.merge("contacts", other, right)
    trade.settle()
    trade.shop.update(left, {"city": "Köln"})
    trade.settle()

    assert len(trade.shop.customers) == 1
    assert trade.portal.record("contacts", other)["city"] == "Köln"


@pytest.mark.parametrize(("choice", "customers"), [(Choice.DESTINATION, 1), (Choice.SOURCE, 0)])
def test_a_new_record_may_be_asked_about(trade, choice, customers):
    trade.policy(trade.back, when_new=WhenNew.ASK)
    trade.portal.add("contacts", email="bob@x.test", firstname="Bob")
    trade.settle()
    before = len(trade.shop.customers)

    conflicts.resolve(trade.conflict(), choice, None, trade.now)
    trade.settle()

    assert before == 0
    assert len(trade.shop.customers) == customers


def test_a_new_record_is_left_alone_if_the_way_back_says_so(trade):
    trade.policy(trade.back, when_new=WhenNew.IGNORE)
    right = trade.portal.add("contacts", email="bob@x.test", firstname="Bob")

    trade.settle()

    assert trade.shop.customers == {}
    assert trade.fates(right) == ["new_ignored"]


def test_a_value_is_never_overwritten_but_an_empty_one_is_filled(trade):
    left, right = trade.customer(city="")
    trade.wins("firstname", "keep")
    trade.wins("city", "keep")
    trade.wait()

    trade.portal.update("contacts", right, firstname="Other", city="Bonn")
    trade.settle()

    assert trade.sides(left, right) == ("Ann", "Other")
    assert trade.sides(left, right, "city", "city") == ("Bonn", "Bonn")


def test_an_edit_that_meets_a_write_on_its_way_is_judged_by_its_winner(trade):
    left, right = trade.customer()
    trade.wins("firstname", "destination")
    trade.wait()
    trade.shop.update(left, {"name": "Left"})
    trade.poll(trade.customers)
    trade.route(trade.customers)  # the write waits
    trade.portal.update("contacts", right, firstname="Right")
    trade.wait()
    trade.poll(trade.contacts)
    trade.route(trade.contacts)

    trade.settle()

    assert trade.sides(left, right) == ("Right", "Right")


def test_a_changed_email_is_an_update_on_the_other_side(trade):
    _left, right = trade.customer()
    trade.wait()

    trade.portal.update("contacts", right, email="anna@x.test")
    trade.settle()

    assert set(trade.shop.customers) == {"anna@x.test"}
    assert trade.portal.emails() == {"anna@x.test"}


def test_a_backfill_does_not_write_over_what_the_way_back_brings(trade):
    with pytest.raises(BackfillError, match="Switch that way back off"):
        backfill.start(Wanted(trade.forward), None, trade.now)


def test_a_pair_that_a_backfill_made_is_taken_as_it_is_and_kept_alike_from_then_on(trade):
    left, right = trade.customer()
    RecordPair.objects.all().delete()  # as after a backfill: there is a link, and nothing is known to be agreed
    trade.wait()

    trade.portal.update("contacts", right, firstname="Anna")
    trade.settle()

    assert trade.sides(left, right) == ("Anna", "Anna")
