"""The plain script: one customer after the other with its company, then the orders. It remembers nothing.

It has only requests: what is there already it finds out by asking, each time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import requests

from bench.orders_world import STAGES
from integration_hub.simulator.hubspot import ACCESS_TOKEN
from integration_hub.simulator.order_system import TOKEN

TRIES, WAIT = 5, 10.0
"""HubSpot says to come back when its ten seconds are over."""
ID = re.compile(r"Existing ID: (\d+)")
PAGE = 200


class Script:
    def __init__(self, orders: str, hubspot: str) -> None:
        self.orders, self.hubspot = orders, hubspot
        self.session = requests.Session()

    def run(self) -> int:
        """Bring all over; return how many customers and orders that were."""
        emails: dict[str, str] = {}
        count = 0
        for customer in self._listed("customers"):
            emails[customer["id"]] = customer["email"]
            contact = self._contact(customer)
            domain = customer["email"].partition("@")[2]
            company = self._found("companies", "domain", domain) or self._made(
                "companies", {"domain": domain, "name": customer["company"]}
            )
            self._tie(("contacts", contact), ("companies", company))
            count += 1
        for order in self._listed("orders"):
            values = {"order_number": order["id"], "dealname": order["id"], "amount": order["total"]}
            path = f"/crm/v3/objects/deals/{order['id']}?idProperty=order_number"
            known = self._call("GET", self.hubspot + path)
            stage = {"dealstage": STAGES[order["state"]]}
            deal = known.json()["id"] if known.ok else self._made("deals", values | stage)
            address = (
                f"{self.hubspot}/crm/v3/objects/contacts/{emails[order['customer_id']]}?idProperty=email"
            )
            self._tie(("deals", deal), ("contacts", self._call("GET", address).json()["id"]))
            count += 1
        return count

    def _listed(self, kind: str) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            address = f"{self.orders}/{kind}?limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
            page = self.session.get(address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30).json()
            yield from page["data"]
            cursor = page["next_cursor"]
            if not cursor:
                return

    def _contact(self, customer: dict[str, Any]) -> str:
        values = {name: customer[name] for name in ("email", "phone", "city", "company")}
        values["firstname"] = customer["name"]
        made = self._call("POST", f"{self.hubspot}/crm/v3/objects/contacts", {"properties": values})
        found = ID.search(made.text) if made.status_code == 409 else None
        return found[1] if found else str(made.json()["id"])

    def _found(self, kind: str, name: str, value: str) -> str:
        wanted = {"filterGroups": [{"filters": [{"propertyName": name, "operator": "EQ", "value": value}]}]}
        found = self._call("POST", f"{self.hubspot}/crm/v3/objects/{kind}/search", wanted).json()["results"]
        return str(found[0]["id"]) if found else ""

    def _made(self, kind: str, values: dict[str, Any]) -> str:
        made = self._call("POST", f"{self.hubspot}/crm/v3/objects/{kind}", {"properties": values})
        return str(made.json()["id"])

    def _tie(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        path = f"/crm/v4/objects/{one[0]}/{one[1]}/associations/default/{other[0]}/{other[1]}"
        self._call("PUT", self.hubspot + path)

    def _call(self, method: str, address: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
        for _ in range(TRIES):
            answer = self.session.request(method, address, json=body, headers=headers, timeout=30)
            if answer.status_code != 429:
                break
            time.sleep(WAIT)
        return answer
