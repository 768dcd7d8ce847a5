"""The way to a first alert, step by step, for a hub that has sent none."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from integration_hub.connectors.contract import Source
from routing.models import MessageTemplate, Rule, WorkingHours
from syncs.models import Connection, Stream


@dataclass(frozen=True, slots=True)
class Step:
    """`url` leads to where it is done, or where what is half done goes on."""

    title: str
    text: str
    url: str
    done: bool


def steps() -> list[Step]:
    """Return all steps in their order, done or not; [] once a rule has ever been switched on."""
    if Rule.objects.exclude(active_from=None).exists():
        return []
    connections = list(Connection.objects.order_by("pk"))
    sources = [one for one in connections if issubclass(one.connector_class, Source)]
    senders = [one for one in connections if one.sends_messages]
    return [
        _connect("Salesforce", "where leads come from", "salesforce", sources),
        _connect("Slack", "where messages go", "slack", senders),
        Step(
            "Add a stream",
            "Which records are read, and how often: such as Lead at Salesforce, each 60 seconds.",
            reverse("admin:syncs_stream_add"),
            Stream.objects.exists(),
        ),
        Step(
            "Enter working hours",
            "When people may be disturbed. Without any, everybody is taken to be at work at all times.",
            reverse("admin:routing_workinghours_add"),
            WorkingHours.objects.exists(),
        ),
        Step(
            "Write a message template",
            "How the message reads, with fields of the record in it.",
            reverse("admin:routing_messagetemplate_add"),
            MessageTemplate.objects.exists(),
        ),
        _rule(),
    ]


def _connect(name: str, what: str, kind: str, existing: list[Connection]) -> Step:
    works = next((one for one in existing if one.check_ok), None)
    if works:
        return Step(f"Connect {name}", f"{works} works.", _page_of(works), done=True)
    if existing:
        text = f"{existing[0]} is there. Fill in its settings, save, and press “Check connection”."
        return Step(f"Connect {name}", text, _page_of(existing[0]), done=False)
    known = urlencode({"kind": kind, "name": name, "key": kind})
    address = f"{reverse('admin:syncs_connection_add')}?{known}"
    return Step(f"Connect {name}", f"It is {what}.", address, done=False)


def _rule() -> Step:
    rule = Rule.objects.first()
    if rule is None:
        text = (
            "Which records become a message, and to whom. Preview it, send yourself a test, then enable it."
        )
        return Step("Write a rule and enable it", text, reverse("admin:routing_rule_add"), done=False)
    text = f"{rule} is written. Preview it, send yourself a test, then enable it."
    return Step(
        "Write a rule and enable it", text, reverse("admin:routing_rule_change", args=[rule.pk]), done=False
    )


def _page_of(connection: Connection) -> str:
    return reverse("admin:syncs_connection_change", args=[connection.pk])
