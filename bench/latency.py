"""How long a lead takes from Salesforce to Slack, with real clusters. `python -m bench.latency DATABASE…`."""

from __future__ import annotations

import math
import random
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from bench import staging
from bench.script import Script
from integration_hub.simulator.server import Simulator
from syncs import queues
from syncs.models import Stream
from syncs.schedules import ALERTS
from tests.factories import make_rule, make_template
from tests.stories.processes import Cluster, until

LEADS, SECONDS, INTERVAL = 60, 90.0, 10.0
SALESFORCE_TAKES, SLACK_TAKES = 0.2, 0.15
AT_LEAST = 30.0
"""Seconds that the last lead may take."""
WORKERS = {"sqlite": "2", "postgres": "4"}


@dataclass
class Contender:
    """Whoever carries the leads of one pretend Salesforce to one pretend Slack."""

    name: str
    simulator: Simulator
    owners: list[str]
    added: dict[str, datetime] = field(default_factory=dict)

    def add_lead(self, number: int) -> None:
        name = f"Lead {number}"
        values = {**staging.lead(number), "LastName": name, "Rating": "Hot"}
        del values["Name"]
        owner = self.owners[number % staging.SELLERS]
        self.simulator.salesforce.add("Lead", OwnerId=owner, **values)
        self.added[name] = timezone.now()

    @property
    def told(self) -> int:
        return len(self.simulator.slack.messages)

    def figures(self) -> dict[str, float]:
        """Return the percentiles; SystemExit if a lead was lost or told twice."""
        told = {message.text: message.at for message in self.simulator.slack.messages}
        if set(told) != set(self.added) or len(told) != self.told:
            raise SystemExit(f"{self.name}: {self.told} messages for {len(self.added)} leads.")
        waits = sorted((told[name] - at).total_seconds() for name, at in self.added.items())
        return {f"p{share}": waits[math.ceil(len(waits) * share / 100) - 1] for share in (50, 95, 99)}


def simulator(stack: ExitStack) -> Simulator:
    one = stack.enter_context(Simulator())
    one.slack.enforce_limits = True
    return one


def slowed(one: Simulator) -> None:
    one.salesforce.latency, one.slack.latency = SALESFORCE_TAKES, SLACK_TAKES


def hub(kind: str, stack: ExitStack) -> Contender:
    """Start an alerts cluster with its usual number of workers, and let it poll once."""
    one = simulator(stack)
    database = stack.enter_context(staging.scratch(kind))
    company = staging.company(one)
    make_rule(
        ("Rating", "equals", "Hot"), stream=company.stream, destination=company.chat,
        template=make_template(header="{{ record.Name }}"),
    )  # fmt: skip
    cluster = Cluster(database.url, ALERT_WORKERS=WORKERS[kind])
    stack.callback(cluster.destroy)
    cluster.wait_until_ready()
    queues.wake("routing.tasks.pump", queue=ALERTS)
    until(lambda: Stream.objects.filter(polled_at__isnull=False).exists(), 20, "the first poll")
    slowed(one)
    return Contender(f"hub on {kind}", one, company.owners)


def script(stack: ExitStack) -> Contender:
    """Run the script every ten seconds, as cron would if it could."""
    one = simulator(stack)
    owners = []
    for number in range(staging.SELLERS):
        name, email = f"Seller {number}", f"seller{number}@example.test"
        owners.append(one.salesforce.add_user(name, email))
        one.slack.add_member(name, email)
    running = Script(one)
    slowed(one)
    over = threading.Event()
    stack.callback(over.set)
    since = timezone.now()

    def go_on() -> None:
        seen: set[str] = set()
        while not over.is_set():
            begun = time.monotonic()
            leads = [lead for lead in running.leads_since(since) if lead["Id"] not in seen]
            seen.update(lead["Id"] for lead in leads)
            running.tell_all(leads)
            over.wait(max(0.0, INTERVAL - (time.monotonic() - begun)))

    threading.Thread(target=go_on, daemon=True).start()
    return Contender("script", one, owners)


def main(databases: list[str]) -> None:
    chance = random.Random(7)
    moments = sorted(chance.uniform(0, SECONDS) for _ in range(LEADS))
    with ExitStack() as stack:
        contenders = [hub(kind, stack) for kind in databases]
        contenders.append(script(stack))
        begun = time.monotonic()
        for number, moment in enumerate(moments):
            time.sleep(max(0.0, begun + moment - time.monotonic()))
            for contender in contenders:
                contender.add_lead(number)
        until(lambda: all(one.told >= LEADS for one in contenders), AT_LEAST, "the last messages")
        staging.say({one.name: one.figures() for one in contenders})


if __name__ == "__main__":
    main(sys.argv[1:])
