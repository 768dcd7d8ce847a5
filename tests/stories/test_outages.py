"""Ten bad minutes of each kind: nothing is lost, nothing is doubled, what came too late says so, one incident each."""

import pytest

from routing.models import Decision
from syncs import holds
from syncs.models import Change, Connection, Delivery, Incident

TEN_MINUTES = 600


@pytest.fixture
def hub(company):
    """The company with a rule, polling since a while."""
    company.rule()
    company.tick()
    company.pass_time(20)
    return company


def lead_every_minute(hub, minutes=10):
    leads = []
    for number in range(minutes):
        leads.append(hub.lead("Priya", f"Lee {number}"))
        hub.pass_time(60, step=20)
    return leads


def test_salesforce_down_for_ten_minutes(hub):
    hub.salesforce.faults.outage(True, kind="unavailable")
    leads = lead_every_minute(hub)
    assert hub.slack.messages == []

    hub.salesforce.faults.outage(False)
    hub.pass_time(60)

    assert set(Change.objects.values_list("record_id", flat=True)) == set(leads)
    fresh, late = leads[-4:], leads[:4]
    assert {hub.fate(lead)[0] for lead in fresh} == {("deliver", "matched")}
    assert {hub.fate(lead)[0] for lead in late} == {("skip", "too_old")}
    sent = hub.received("Priya")
    assert len(sent) == len(set(sent)) == Decision.objects.filter(verdict="deliver").count()
    incident = Incident.objects.get()
    assert (incident.kind, incident.closed_at is not None) == ("unreachable", True)


@pytest.mark.parametrize("kind", ["unavailable", "drop", "refuse"])
def test_slack_down_for_ten_minutes(hub, kind):
    hub.slack.faults.outage(True, kind=kind)
    leads = lead_every_minute(hub)

    hub.slack.faults.outage(False)
    hub.pass_time(400, step=20)

    states = dict(Delivery.objects.values_list("change__record_id", "state"))
    assert set(states) == set(leads)
    assert set(states.values()) == {"delivered", "expired"}
    assert [states[lead] for lead in leads[:4]] == ["expired"] * 4
    assert states[leads[-1]] == "delivered"
    sent = hub.received("Priya")
    assert len(sent) == len(set(sent)) == list(states.values()).count("delivered")
    incident = Incident.objects.get()
    assert (incident.kind, incident.closed_at is not None) == ("unreachable", True)


def test_a_revoked_token_waits_for_a_person(hub):
    hub.slack.faults.set("error", 1.0, code="token_revoked")
    hub.lead("Priya", "Lost in time")
    hub.pass_time(TEN_MINUTES, step=30)
    hub.lead("Priya", "Just in time")
    hub.pass_time(60)
    assert Connection.objects.get(key="slack").held_at is not None

    hub.slack.faults.clear()
    holds.release(Connection.objects.get(key="slack"), hub.now)
    hub.pass_time(20)

    assert hub.received("Priya") == ["Just in time"]
    assert hub.states() == ["delivered", "expired"]
    incident = Incident.objects.get()
    assert (incident.kind, incident.closed_at is not None) == ("held", True)


def test_a_storm_of_faults(hub):
    hub.slack.faults.set("rate_limited", 0.1, retry_after=2)
    hub.slack.faults.set("server_error", 0.1)
    hub.slack.faults.set("drop_after", 0.2, path="chat.postMessage")
    hub.salesforce.faults.set("unavailable", 0.2)

    leads = []
    for number in range(15):
        leads.append(hub.lead(("Priya", "Sam")[number % 2], f"Lee {number}"))
        hub.pass_time(20)
    hub.slack.faults.clear()
    hub.salesforce.faults.clear()
    hub.pass_time(400, step=20)

    states = dict(Delivery.objects.values_list("change__record_id", "state"))
    sent = hub.received("Priya") + hub.received("Sam")
    assert set(Change.objects.values_list("record_id", flat=True)) == set(leads)
    assert len(sent) == len(set(sent)), "nobody is told twice"
    assert len(sent) == list(states.values()).count("delivered")
    assert set(states.values()) <= {"delivered", "expired"}


def test_the_hub_switched_off_takes_nothing_in_and_sends_nothing(hub):
    from syncs.models import HubSettings

    HubSettings.objects.update_or_create(pk=1, defaults={"enabled": False})
    lead = hub.lead("Priya", "Lee")
    hub.pass_time(60)
    assert not Change.objects.exists()

    HubSettings.objects.update(enabled=True)
    hub.pass_time(20)

    assert hub.fate(lead) == [("deliver", "matched")]
    assert hub.received("Priya") == ["Lee"]
