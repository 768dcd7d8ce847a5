"""One open problem is one incident and one message, however many failures."""

from datetime import timedelta

import pytest

from integration_hub.connectors.errors import AuthError, BudgetError, RateLimitError, RetryableError
from syncs import holds, incidents, outbox
from syncs.models import Connection, Delivery, HubSettings, Incident
from syncs.models.deliveries import DeliveryState
from syncs.models.incidents import IncidentKind
from tests.factories import NOON, make_delivery, make_salesforce, make_slack

pytestmark = pytest.mark.django_db
DOWN = RetryableError("Salesforce does not answer.")


@pytest.fixture
def escalation():
    """Incidents are reported to #ops."""
    slack = make_slack()
    HubSettings.objects.update_or_create(
        pk=1, defaults={"escalation_connection": slack, "escalation_address": "#ops"}
    )
    return slack


def reports():
    return [d.payload["header"] for d in Delivery.objects.filter(origin="incident").order_by("id")]


def raise_one(now=NOON, **values):
    incidents.raise_incident("k", kind=IncidentKind.INTERNAL, title="It broke", now=now, **values)


def test_a_thousand_failures_are_one_incident_and_one_message(escalation):
    for minute in range(5):
        raise_one(NOON + timedelta(minutes=minute), count=200)

    incident = Incident.objects.get()
    assert (incident.count, incident.last_seen_at) == (1000, NOON + timedelta(minutes=4))
    assert reports() == ["It broke"]


def test_the_end_is_told_and_a_new_failure_is_a_new_incident(escalation):
    raise_one()
    incidents.close("k", NOON + timedelta(minutes=1))
    incidents.close("k", NOON + timedelta(minutes=2))
    raise_one(NOON + timedelta(hours=1))

    assert reports() == ["It broke", "Over: It broke", "It broke"]


def test_an_open_incident_is_reminded_of(escalation):
    raise_one()

    for hours in (3, 4, 5, 8):
        incidents.settle(NOON + timedelta(hours=hours))

    assert len(reports()) == 3
    assert "Still open after 4" in reports()[1]


def test_without_a_place_to_report_to_it_is_still_recorded():
    raise_one()

    assert Incident.objects.count() == 1
    assert Delivery.objects.count() == 0


def test_what_a_message_quotes_cannot_mention_anybody(escalation):
    incidents.raise_incident(
        "k", kind=IncidentKind.INTERNAL, title="It broke", detail="<!channel> & co", remedy="Wait", now=NOON
    )

    assert "&lt;!channel&gt; &amp; co" in Delivery.objects.get().payload["body"]


def test_refused_credentials_hold_the_connection_until_it_is_released(escalation):
    salesforce = make_salesforce(name="Production")

    holds.failed(salesforce, AuthError("The client secret was refused."), NOON)
    holds.failed(salesforce, AuthError("The client secret was refused."), NOON)

    salesforce.refresh_from_db()
    assert salesforce.held_reason == "The client secret was refused."
    assert not Connection.objects.usable(NOON).filter(pk=salesforce.pk).exists()
    assert reports() == ["Production is on hold: The client secret was refused."]

    holds.release(salesforce, NOON)

    assert Connection.objects.usable(NOON).filter(pk=salesforce.pk).exists()
    assert reports()[-1].startswith("Over: Production is on hold")


def test_a_vendor_that_says_wait_is_left_alone_for_so_long_and_alarms_nobody():
    salesforce = make_salesforce()

    holds.failed(salesforce, RateLimitError("slow down", retry_after=30), NOON)

    usable = [
        Connection.objects.usable(NOON + timedelta(seconds=s)).filter(pk=salesforce.pk).exists()
        for s in (29, 30)
    ]
    assert usable == [False, True]
    assert not Incident.objects.exists()


def test_a_vendor_that_says_wait_for_long_is_an_incident_until_it_answers():
    salesforce = make_salesforce(name="Production")

    holds.failed(salesforce, RateLimitError("come back tomorrow", retry_after=86_400), NOON)

    incident = Incident.objects.get()
    assert (incident.kind, incident.title) == (
        IncidentKind.BUDGET,
        "Production must not be called before 2026-11-21 12:00 UTC",
    )
    holds.answered(salesforce, NOON + timedelta(days=1))
    incident.refresh_from_db()
    assert incident.closed_at == NOON + timedelta(days=1)


def test_a_used_up_budget_is_an_incident():
    salesforce = make_salesforce()

    holds.failed(salesforce, BudgetError("used up", retry_after=900), NOON)

    assert Incident.objects.get().kind == IncidentKind.BUDGET


def test_what_a_retry_cures_alarms_nobody():
    salesforce = make_salesforce()

    holds.failed(salesforce, DOWN, NOON)
    holds.failed(salesforce, DOWN, NOON + timedelta(seconds=90))
    holds.answered(salesforce, NOON + timedelta(seconds=100))
    holds.failed(salesforce, DOWN, NOON + timedelta(seconds=130))

    assert not Incident.objects.exists()


def test_an_outage_is_one_incident_and_its_end_is_noticed():
    salesforce = make_salesforce()

    for minute in range(10):
        holds.failed(salesforce, DOWN, NOON + timedelta(minutes=minute))
    holds.answered(salesforce, NOON + timedelta(minutes=10))

    incident = Incident.objects.get()
    assert incident.opened_at == NOON + timedelta(minutes=2)
    assert incident.closed_at == NOON + timedelta(minutes=10)


def test_alerts_that_an_outage_let_expire_belong_to_its_incident():
    slack = make_slack()
    for minute in range(4):
        holds.failed(slack, DOWN, NOON + timedelta(minutes=minute))

    incidents.for_origin(
        IncidentKind.EXPIRED, make_delivery(slack), title="late", detail="", remedy="", count=3, now=NOON
    )

    assert Incident.objects.get().count == 5


def test_dead_letters_are_over_when_none_is_left():
    delivery = make_delivery(state=DeliveryState.DEAD, settled_at=NOON)
    incidents.for_origin(
        IncidentKind.DEAD_LETTERS, delivery, title="dead", detail="", remedy="", count=1, now=NOON
    )

    incidents.settle(NOON)
    assert Incident.objects.filter(closed_at=None).exists()

    outbox.dismiss(Delivery.objects.all(), NOON)
    incidents.settle(NOON)
    assert not Incident.objects.filter(closed_at=None).exists()
