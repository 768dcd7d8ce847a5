"""From a lead in Salesforce to a message in Slack, as a salesperson sees it."""

from datetime import timedelta

from routing.models import Decision
from syncs.models import Change, Incident, SyncRun
from syncs.models.runs import RunState
from tests.factories import NOON, make_working_hours


def test_a_hot_lead_reaches_its_owner_and_nobody_else(company):
    company.rule()
    company.tick()

    lead = company.lead("Priya", "Lee", FirstName="Ann")
    company.pass_time()

    assert company.received("Priya") == ["Ann Lee"]
    assert company.received("Sam") == []
    assert company.fate(lead) == [("deliver", "matched")]


def test_a_cold_lead_leaves_its_reason(company):
    company.rule()

    company.tick()
    lead = company.lead("Priya", Rating="Cold")
    company.pass_time()

    decision = Decision.objects.get(change__record_id=lead)
    assert (decision.verdict, decision.reason) == ("skip", "no_match")
    assert "Cold" in decision.text
    assert company.slack.messages == []


def test_a_lead_outside_working_hours_waits_for_the_opening(company):
    make_working_hours(is_default=True, start="09:00", end="17:00")  # noon in London is 17:30 in Kolkata
    company.rule()
    company.tick()

    company.lead("Priya", "Early")
    company.lead("Sam", "Late")  # and 07:00 in New York
    company.pass_time(60)
    assert company.slack.messages == []

    company.wait(2 * 3600 - 120)
    company.pass_time(120)

    assert company.received("Sam") == ["Late"]
    assert company.received("Priya") == []
    assert "Asia/Kolkata" in Decision.objects.get(change__title="Early").text


def test_a_queue_is_its_members(company):
    company.rule()
    queue = company.salesforce.add_queue("Inbound", [company.owners["Priya"], company.owners["Sam"]])
    company.tick()

    company.lead(queue, "Lee")
    company.pass_time()

    assert company.received("Priya") == company.received("Sam") == ["Lee"]


def test_a_deactivated_owner_is_covered_by_the_fallback(company):
    channel = company.slack.add_channel("sales-ops")
    company.rule(fallback_channel=channel)
    company.tick()
    company.slack.update_member(company.members["Sam"], deleted=True)  # after the directory was read

    company.lead("Sam", "Lee")
    company.pass_time(30)

    assert company.in_channel(channel) == ["Lee"]


def test_a_name_cannot_ping_a_channel(company):
    company.rule()
    company.tick()

    company.lead("Priya", "<!channel> & <@U123>")
    company.pass_time()

    [message] = company.slack.messages
    assert "<!channel>" not in str(message.blocks[1:]) + message.text
    assert "&lt;!channel&gt;" in message.text


def test_a_lead_seen_twice_is_told_once(company):
    company.rule()
    company.tick()

    lead = company.lead("Priya", "Lee")
    company.pass_time(10)
    company.salesforce.update(lead, Email="new@example.test")
    company.pass_time(60)

    assert company.received("Priya") == ["Lee"]
    assert Change.objects.filter(record_id=lead).count() == 2


def test_a_lead_that_warms_up_is_told_when_it_does(company):
    company.rule(trigger="enters")
    company.tick()

    lead = company.lead("Priya", "Lee", Rating="Cold")
    company.pass_time(60)
    assert company.received("Priya") == []
    company.salesforce.update(lead, Rating="Hot")
    company.pass_time(10)
    company.salesforce.update(lead, Email="still@example.test")
    company.pass_time(10)

    assert company.received("Priya") == ["Lee"]


def test_any_number_of_rules_cost_one_read(company):
    for field in ("Email", "Company", "AnnualRevenue", "Phone", "Industry"):
        company.rule((field, "is_not_empty", ""))
    company.tick()
    company.pass_time()
    before = len(company.salesforce.requests)

    company.lead("Priya", Email="a@b.test", AnnualRevenue=1, Phone="1", Industry="Banking")
    company.pass_time(10)

    assert len(company.salesforce.requests) - before == 1
    assert len(company.received("Priya")) == 5


def test_an_alert_costs_slack_one_call(company):
    company.rule()
    company.tick()
    before = len(company.slack.requests)

    for number in range(3):
        company.lead("Priya", f"Lee {number}")
    company.pass_time(10)

    assert [r.path.rpartition("/")[2] for r in company.slack.requests[before:]] == ["chat.postMessage"] * 3


def test_every_run_balances(company):
    company.rule()
    for number in range(20):
        company.lead("Priya", f"Lee {number}", Rating=("Hot", "Cold")[number % 2])
        company.pass_time(10)

    assert {run.state for run in SyncRun.objects.all()} == {RunState.OK}
    assert not Incident.objects.exists()
    assert len(company.received("Priya")) == 10
    assert company.now - NOON >= timedelta(seconds=200)
