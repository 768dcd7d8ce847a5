"""What `POST /_control/<verb>` does to the pretend portal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integration_hub.simulator.hubspot.webhooks import Manner
from integration_hub.simulator.vendor import Body, Verb

if TYPE_CHECKING:
    from integration_hub.simulator.hubspot.vendor import HubSpot

CONTACT = {"object_type": "contacts", "email": "ann@example.test", "firstname": "Ann"}
PROPERTY = {"object_type": "companies", "name": "hub_external_id", "unique": True}


def hubspot_verbs(hubspot: HubSpot) -> dict[str, Verb]:
    """Return the verbs about records, definitions, rights, limits and webhooks."""
    return _record_verbs(hubspot) | _account_verbs(hubspot)


def _record_verbs(hubspot: HubSpot) -> dict[str, Verb]:
    return {
        "add": Verb.calling(hubspot.add, **CONTACT),
        "update": Verb.calling(hubspot.update, object_type="contacts", record_id="2385…", lastname="Lee"),
        "archive": Verb.calling(hubspot.archive, object_type="contacts", record_id="2385…"),
        "merge": Verb.calling(hubspot.merge, object_type="contacts", primary_id="2385…", loser_id="2385…"),
        "records": Verb.calling(hubspot.records, object_type="contacts"),
        "tied": Verb.calling(hubspot.tied, object_type="contacts", record_id="2385…", other_type="companies"),
        "add_property": Verb.calling(hubspot.add_property, **PROPERTY),
        "add_object_type": Verb.calling(hubspot.add_object_type, name="subscriptions", plan="string"),
        "add_owner": Verb.calling(hubspot.add_owner, name="Ann Lee", email="ann@example.test", active=True),
    }


def _account_verbs(hubspot: HubSpot) -> dict[str, Verb]:
    def scopes(body: Body) -> list[str]:
        hubspot.scopes.update(body.get("add", []))
        hubspot.scopes.difference_update(body.get("remove", []))
        return sorted(hubspot.scopes)

    def index_lag(body: Body) -> None:
        hubspot.index_lag = float(body["seconds"])

    def enforce_limits(body: Body) -> None:
        hubspot.enforce_limits = bool(body["on"])

    def auto_companies(body: Body) -> None:
        hubspot.auto_companies = bool(body["on"])

    def deliver_webhooks(body: Body) -> list[dict[str, Any]]:
        given = dict(body)
        sent = hubspot.webhooks.deliver(given.pop("url"), Manner(**given))
        return [{"status": one.status, "events": list(one.events)} for one in sent]

    return {
        "scopes": Verb(scopes, {"add": [], "remove": ["crm.objects.deals.read"]}),
        "revoke": Verb.calling(hubspot.revoke, on=True),
        "expire_tokens": Verb.calling(hubspot.expire_tokens),
        "index_lag": Verb(index_lag, {"seconds": 10}),
        "enforce_limits": Verb(enforce_limits, {"on": True}),
        "auto_companies": Verb(auto_companies, {"on": True}),
        "deliver_webhooks": Verb(
            deliver_webhooks, {"url": "http://127.0.0.1:8000/hooks/hubspot/", "duplicates": False}
        ),
    }
