"""A whole company for stories: its Salesforce and Slack, the hub, and a clock that only the story moves."""

from datetime import timedelta

from routing import work
from routing.models import Alert, Decision
from syncs.models import Delivery
from tests.factories import NOON, make_rule, make_salesforce, make_slack, make_stream, make_template


class Company:
    def __init__(self, simulator):
        self.simulator = simulator
        self.now = NOON
        simulator.set_clock(NOON)
        self.salesforce = simulator.salesforce
        self.slack = simulator.slack
        self.crm = make_salesforce(simulator, key="salesforce")
        self.chat = make_slack(simulator, key="slack")
        self.stream = make_stream(self.crm, key="leads", described_at=None, started_at=None)
        self.owners = {}
        self.members = {}

    def hire(self, name, **member):
        """Somebody with an account in both systems."""
        email = f"{name.lower()}@example.test"
        self.owners[name] = self.salesforce.add_user(name, email)
        self.members[name] = self.slack.add_member(name, email, **member)

    def rule(self, *criteria, **values):
        values.setdefault(
            "template", make_template(header="{{ record.Name }}", context="{{ record.Company }}")
        )
        return make_rule(
            *(criteria or [("Rating", "equals", "Hot")]), stream=self.stream, destination=self.chat, **values
        )

    def lead(self, owner, name="Lee", **values):
        values.setdefault("Rating", "Hot")
        return self.salesforce.add(
            "Lead", LastName=name, Company="Acme", OwnerId=self.owners.get(owner, owner), **values
        )

    def pass_time(self, seconds=10.0, step=10.0):
        """Let time pass; the hub looks around every `step` seconds."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.wait(step)
            self.tick()

    def tick(self):
        return work.tick(self.now, clock=lambda: self.now, sleep=self.wait)

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.simulator.set_clock(self.now)

    def received(self, name):
        """The headlines that somebody got in Slack."""
        return [message.text for message in self.slack.messages_for(self.members[name])]

    def in_channel(self, channel):
        return [message.text for message in self.slack.messages_for(channel)]

    @staticmethod
    def fate(lead):
        """What the rules said of a lead, newest last."""
        decisions = Decision.objects.filter(change__record_id=lead).order_by("id")
        return [(decision.verdict, decision.reason) for decision in decisions]

    @staticmethod
    def states():
        return sorted(Delivery.objects.filter(alert__in=Alert.objects.all()).values_list("state", flat=True))
