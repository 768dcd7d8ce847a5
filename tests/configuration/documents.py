"""Small documents for the tests of this package."""

from __future__ import annotations

import copy
from typing import Any

import yaml

from integration_hub.configuration import apply
from tests.factories import NOON

SMALL = """
connections:
  salesforce: {name: Salesforce, kind: salesforce, settings: {client_id: abc}}
  slack: {name: Slack, kind: slack, secrets: {bot_token: {env: HUB_TEST_TOKEN}}}
working_hours:
  office: {name: Office, is_default: true, spans: mon-fri 09:00-17:00, holidays: {"2026-12-25": Christmas}}
people:
  ann@acme.test: {name: Ann Lee, time_zone: Europe/Berlin, working_hours: office}
templates:
  lead:
    name: Lead
    header: "{{ lead.Name }}"
    fields: [{label: Company, value: "{{ lead.Company }}"}]
streams:
  leads: {connection: salesforce, object_type: Lead, interval_seconds: 10}
rules:
  hot:
    name: Hot leads
    stream: leads
    destination: slack
    template: lead
    recipient: person
    recipient_person: ann@acme.test
    criteria:
      - {field: Rating, operator: equals, value: Hot}
      - {field: LeadSource, operator: one_of, value: [Web, "Food, Beverage"]}
      - {field: NumberOfEmployees, operator: greater, value: 10}
    filter_logic: 1 AND (2 OR 3)
hub:
  escalation_connection: slack
  escalation_address: "#alerts"
"""


def small() -> dict[str, Any]:
    """Return a document with an entry in every section; the caller may change it."""
    return copy.deepcopy(yaml.safe_load(SMALL))


def imported(document: dict[str, Any], **options: Any) -> apply.Plan:
    return apply.run(document, now=options.pop("now", NOON), **options)


def changed(**values: Any) -> dict[str, Any]:
    """Return the small document with one rule's values replaced; None takes a key away."""
    document = small()
    rule = document["rules"]["hot"]
    for name, value in values.items():
        if value is None:
            rule.pop(name, None)
        else:
            rule[name] = value
    return document
