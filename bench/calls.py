"""How many calls a poll and an alert cost, whatever the number of rules. `python -m bench.calls`."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from bench import staging
from bench.script import Script
from integration_hub.simulator.server import Simulator
from routing import router
from syncs.engine import poll, push
from tests.factories import make_rule, make_template

RULES = (1, 50)


def add_leads(simulator: Simulator, company: staging.Company) -> None:
    """Add as many as there are sellers: one for each."""
    for number, owner in enumerate(company.owners):
        values = {**staging.lead(number), "Rating": "Hot", "OwnerId": owner}
        del values["Name"]
        simulator.salesforce.add("Lead", **values)


def hub(rules: int) -> dict[str, float]:
    """One rule wants the leads, the others look at them; tokens and people are known already."""
    with staging.scratch("sqlite"), Simulator() as simulator:
        company = staging.company(simulator)
        for number in range(rules):
            rating = "Hot" if number == 0 else f"R{number}"
            make_rule(
                ("Rating", "equals", rating), stream=company.stream, destination=company.chat,
                template=make_template(),
            )  # fmt: skip
        poll.run(company.stream, timezone.now())
        crm, chat = len(simulator.salesforce.requests), len(simulator.slack.requests)
        add_leads(simulator, company)
        now = timezone.now()
        poll.run(company.stream, now)
        router.run(company.stream, now)
        push.run(company.chat, now)
        return _counted(simulator, crm, chat)


def plain(rules: int) -> dict[str, float]:
    """A query for each rule, and a look-up for each message."""
    with staging.scratch("sqlite"), Simulator() as simulator:
        company = staging.company(simulator)
        script = Script(simulator)
        begun = timezone.now() - timedelta(seconds=5)
        crm, chat = len(simulator.salesforce.requests), len(simulator.slack.requests)
        add_leads(simulator, company)
        for number in range(rules):
            rating = "Hot" if number == 0 else f"R{number}"
            script.tell_all(script.leads_since(begun, f" AND Rating = '{rating}'"))
        return _counted(simulator, crm, chat)


def _counted(simulator: Simulator, crm: int, chat: int) -> dict[str, float]:
    messages = len(simulator.slack.messages)
    if messages != staging.SELLERS:
        raise SystemExit(f"{messages} messages for {staging.SELLERS} leads.")
    return {
        "poll": len(simulator.salesforce.requests) - crm,
        "alert": (len(simulator.slack.requests) - chat) / messages,
    }


if __name__ == "__main__":
    staging.say({str(rules): {"hub": hub(rules), "plain": plain(rules)} for rules in RULES})
