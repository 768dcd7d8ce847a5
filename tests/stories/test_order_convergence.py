"""Random edits on both sides at once, with trouble and disorder: both sides end up alike, by the rules that are told.

Every number is small; the seeds are fixed, so each run is the same.
"""

import pytest
from django.db.models import Sum

from syncs.models import Change, Conflict, Delivery, RecordPair, SyncRun
from syncs.models.deliveries import DeliveryState
from syncs.models.pairs import Choice
from syncs.outbox import SUPERSEDED
from syncs.twoway import conflicts
from tests.stories.convergence_world import STAGES, Market

CUSTOMERS, ORDERS, EDITS = 10, 10, 45


@pytest.fixture
def market(simulator, db, request):
    market = Market(simulator, request.param)
    market.open_shop(CUSTOMERS, ORDERS)
    market.touched.clear()
    return market


def disturbed(market, *, between):
    """Edit; after every `between` edits the hub goes round in the midst of trouble."""
    market.trouble()
    market.portal.index_lag = 5
    for number in range(EDITS):
        market.edit()
        if number % between == between - 1:
            market.pass_notices_on()
            market.go_round()
    market.come_to_rest()


def answered(market):
    """Answer every conflict with what the order system holds."""
    for asked in Conflict.objects.filter(state="open"):
        conflicts.resolve(asked, Choice.SOURCE, None, market.now)
    market.come_to_rest()


@pytest.mark.parametrize(("market", "between"), [(1, 3), (12, 4), (3, 9)], indirect=["market"])
def test_both_sides_end_up_alike_whatever_happens_meanwhile(market, between):
    disturbed(market, between=between)
    answered(market)

    apart = {where: sides for where, sides in market.alike().items() if sides[0] != sides[1]}
    assert apart == {}
    assert set(market.shop.customers) == market.portal.emails()
    assert len(market.portal.records("contacts")) == len(market.shop.customers) == RecordPair.objects.count()
    check_edits(market)
    check_deals(market)
    check_books(market)


@pytest.mark.parametrize("market", [4, 5], indirect=True)
def test_each_rule_holds_for_fields_that_both_sides_changed(market):
    """What both sides did before the hub looked is decided by the rule of the field, whatever fails afterwards."""
    market.edit_both_sides()
    before = market.alike()
    market.wait()
    market.poll()
    market.trouble()
    for _ in range(5):
        market.go_round()
    market.come_to_rest()

    expected = {where: market.by_rule(where, sides) for where, sides in before.items()}
    assert market.alike() == expected
    asked = {(one.left_value, one.right_value) for one in Conflict.objects.filter(state="open")}
    assert asked == {sides for (_email, field), sides in expected.items() if sides[0] != sides[1]}
    assert asked


@pytest.mark.parametrize("market", [6], indirect=True)
def test_the_order_of_a_customer_that_was_made_from_a_contact_is_tied_to_that_contact(market):
    born = market.portal.add("contacts", email="born@x.test", firstname="Born")
    market.come_to_rest()

    order = market.shop.add_order(market.shop.customers["born@x.test"]["id"])
    market.come_to_rest()

    [deal] = [one for one in market.portal.records("deals") if one["order_id"] == order]
    assert list(market.portal.tied("deals", deal["hs_object_id"], "contacts")) == [born]


def check_edits(market):
    """What stands there is the last edit of either side; of that side, if only one was edited."""
    alike = market.alike()
    strange = {}
    for where, by in market.edits.items():
        last = {values[-1] for values in by.values() if values}
        if alike[where][0] not in last:
            strange[where] = (alike[where], dict(by))
    assert strange == {}


def check_deals(market):
    orders = market.shop.orders
    deals = {deal["order_id"]: deal for deal in market.portal.records("deals")}
    contacts = {row["hs_object_id"]: row["email"] for row in market.portal.records("contacts")}
    emails = {row["id"]: email for email, row in market.shop.customers.items()}
    assert len(market.portal.records("deals")) == len(deals) == len(orders)
    for order_id, order in orders.items():
        deal = deals[order_id]
        tied = market.portal.tied("deals", deal["hs_object_id"], "contacts")
        assert deal["dealstage"] == STAGES[order["state"]]
        assert [contacts[one] for one in tied] == [emails[order["customer_id"]]]


def check_books(market):
    """Every delivery is done, every run balances, and a write came back once at most."""
    undone = Delivery.objects.exclude(state=DeliveryState.DELIVERED)
    assert {(one.state, one.error_code) for one in undone} <= {(DeliveryState.DISMISSED, SUPERSEDED)}
    assert all(run.balances for run in SyncRun.objects.exclude(kind="poll"))
    writes = Delivery.objects.filter(sync=market.forward).aggregate(tries=Sum("attempts"))["tries"]
    versions = Change.objects.filter(stream=market.contacts).count()
    assert versions <= writes + market.touched["right"]
    assert Delivery.objects.filter(attempts__gt=1).exists()  # there was trouble
