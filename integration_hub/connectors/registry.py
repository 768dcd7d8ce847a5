"""Kinds of connections: the one line a new connector adds."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from integration_hub.connectors.contract import Connector

CONNECTORS = {
    "salesforce": "integration_hub.connectors.salesforce.connector.Salesforce",
    "slack": "integration_hub.connectors.slack.connector.Slack",
    "email": "integration_hub.connectors.email.Email",
    "iterable": "integration_hub.connectors.iterable.connector.Iterable",
    "hubspot": "integration_hub.connectors.hubspot.connector.HubSpot",
    "http_json": "integration_hub.connectors.http_json.connector.HttpJson",
    "sql": "integration_hub.connectors.sql.connector.Sql",
}


@cache
def connector_class(kind: str) -> type[Connector]:
    """Return the class for `kind`. KeyError: no such kind."""
    module, _, name = CONNECTORS[kind].rpartition(".")
    found: type[Connector] = getattr(import_module(module), name)
    return found


def kinds() -> list[tuple[str, str]]:
    """Return (kind, label) of all connectors, for a form's choices."""
    return [(kind, connector_class(kind).label) for kind in CONNECTORS]
