"""Taking a rule away, or switching it off, ends what it still had going."""

from datetime import timedelta

import pytest
from django.urls import reverse

from routing import switch
from routing.models import Rule
from syncs import incidents
from syncs.models import Delivery, Incident
from syncs.models.deliveries import DeliveryState
from syncs.models.incidents import IncidentKind
from tests.factories import NOON, make_delivery, make_rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule():
    rule = make_rule(key="hot")
    incidents.raise_incident(
        "rule:hot:errors", kind=IncidentKind.ERRORS, title="Rule Hot", origin=rule.origin, now=NOON
    )
    return rule


def open_incidents():
    return Incident.objects.filter(closed_at=None).count()


def test_a_rule_taken_away_sends_nothing_any_more(rule):
    held, other = (
        make_delivery(due_at=NOON + timedelta(hours=9), origin=rule.origin),
        make_delivery(origin="x"),
    )
    sent = make_delivery(origin=rule.origin, state=DeliveryState.DELIVERED)

    switch.remove(rule, NOON)

    states = dict(Delivery.objects.values_list("pk", "state"))
    assert states == {held.pk: "dismissed", other.pk: "waiting", sent.pk: "delivered"}
    assert not Rule.objects.exists()
    assert open_incidents() == 0


def test_deleting_in_the_admin_takes_it_away(rule, admin_client):
    held = make_delivery(due_at=NOON + timedelta(hours=9), origin=rule.origin)

    admin_client.post(reverse("admin:routing_rule_delete", args=[rule.pk]), {"post": "yes"})

    held.refresh_from_db()
    assert (held.state, Rule.objects.exists()) == (DeliveryState.DISMISSED, False)


def test_a_rule_that_is_off_reminds_nobody_of_its_errors(rule):
    incidents.settle(NOON)
    assert open_incidents() == 1

    switch.disable(rule)
    incidents.settle(NOON)

    assert open_incidents() == 0
