"""An order system, a HubSpot, and people who edit both, in a process of their own: their work is not ours."""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
LATENCY, LAG = 0.1, 5.0
ORDERS_EACH = 2
COMPANY_OF = 5
"""So many customers are of one company."""
FIELDS = {"name": "firstname", "phone": "phone", "city": "city", "company": "company"}
"""What both sides have and people edit: its name here, and there."""
STAGES = {"accepted": "qualifiedtobuy", "shipped": "closedwon", "cancelled": "closedlost"}
TROUBLE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rate_limited", {}), ("status", {"status": 500}), ("drop_after", {}),
)  # fmt: skip
FAILING = 0.05
LOST, TWICE = 0.1, 0.2
"""Of the notices so many never come, and so many come twice; all come in disorder."""
POST_EVERY = 2.0
SIGNED_FOR = "http://127.0.0.1"
"""What the hub takes for its address."""


class Town:
    """Both systems, the people who edit them, and the sender of notices. Everything is decided by one seed."""

    def __init__(self, simulator: Any, customers: int) -> None:
        self.shop, self.portal = simulator.order_system, simulator.hubspot
        self.chance = random.Random(7)
        self.customers = customers
        self.edits: Counter[str] = Counter()
        self.notices: Counter[str] = Counter()
        self.editing = False
        self.calls_before = (0, 0)
        self.portal.add_property("deals", "order_number", unique=True)
        for number in range(customers):
            domain = f"d{number // COMPANY_OF}.test"
            one = self.shop.add_customer(
                f"c{number}@{domain}", name=f"Name {number}", phone=f"+49 30 {number:07d}", city="Bonn",
                company=f"Company {number // COMPANY_OF}",
            )  # fmt: skip
            for _ in range(ORDERS_EACH):
                self.shop.add_order(one, lines=[{"sku": "A-1", "quantity": 2, "price": 9.5}])
        self.shop.webhooks.waiting.clear()
        self.shop.latency = self.portal.latency = LATENCY
        self.portal.enforce_limits, self.portal.index_lag = True, LAG

    def as_tables(self, path: str) -> None:
        from integration_hub.simulator.order_system import tables

        tables.write(self.shop.shop, sa.create_engine(f"sqlite:///{path}"))

    def begin(self, port: int, edits: int, seconds: float) -> None:
        """Edit on both sides for so long, in trouble, and tell the hub at `port` of it."""
        self.portal.webhooks.waiting.clear()
        self.calls_before = len(self.shop.requests), len(self.portal.requests)
        self.editing = True
        for vendor in (self.shop, self.portal):
            for kind, options in TROUBLE:
                vendor.faults.set(kind, FAILING / len(TROUBLE), **options)
        threading.Thread(target=self._edit_all, args=(edits, seconds), daemon=True).start()
        threading.Thread(target=self._post_on, args=(port,), daemon=True).start()

    def calm(self) -> None:
        for vendor in (self.shop, self.portal):
            vendor.faults.clear()

    def _edit_all(self, edits: int, seconds: float) -> None:
        for _ in range(edits):
            self._edit()
            time.sleep(seconds / edits)
        self.editing = False

    def _edit(self) -> None:
        what = self.chance.random()
        if what < 0.4:
            self._edit_customer()
        elif what < 0.8:
            self._edit_contact()
        elif what < 0.94:
            self._edit_order()
        elif what < 0.97:
            self.edits["customers"] += 1
            self.shop.add_customer(f"left{self._mark()}@new.test", name="New")
        else:
            self.edits["contacts"] += 1
            self.portal.add("contacts", email=f"right{self._mark()}@new.test", firstname="New")

    def _mark(self) -> int:
        return self.chance.randrange(10**9)

    def _edit_customer(self) -> None:
        with self.shop.lock:
            customer = self.chance.choice(list(self.shop.shop.rows["customer"]))
            self.shop.update(customer, {self.chance.choice(list(FIELDS)): f"left {self._mark()}"})
        self.edits["customers"] += 1

    def _edit_contact(self) -> None:
        contact = self.chance.choice(self.portal.records("contacts"))["hs_object_id"]
        self.portal.update(
            "contacts", contact, **{self.chance.choice(list(FIELDS.values())): f"right {self._mark()}"}
        )
        self.edits["contacts"] += 1

    def _edit_order(self) -> None:
        with self.shop.lock:
            rows = self.shop.shop.rows
            order = self.chance.choice(list(rows["order"]))
            if self.chance.random() < 0.5:
                self.shop.update(order, {"customer_id": self.chance.choice(list(rows["customer"]))})
            else:
                self.shop.update(order, {"state": self.chance.choice(list(STAGES))})
        self.edits["orders"] += 1

    def _post_on(self, port: int) -> None:
        """Post what happened at HubSpot: some of it never, some twice, all in disorder."""
        while True:
            time.sleep(POST_EVERY)
            with self.portal.lock:
                waiting, self.portal.webhooks.waiting = self.portal.webhooks.waiting, []
            events = [one for one in waiting if self.chance.random() > LOST]
            events += [one for one in events if self.chance.random() < TWICE]
            self.chance.shuffle(events)
            for start in range(0, len(events), 100):
                self.notices[str(self._post(port, events[start : start + 100]))] += 1

    def _post(self, port: int, events: list[Any]) -> int:
        from integration_hub.simulator.hubspot.webhooks import Manner

        path, body = "/hooks/hubspot/hubspot/", json.dumps(events).encode()
        headers = self.portal.webhooks.headers(SIGNED_FOR + path, body, Manner())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    # What stands there

    def facts(self) -> dict[str, Any]:
        """Say how far both sides are apart, what is there twice, and what was called."""
        contacts, deals = self.portal.records("contacts"), self.portal.records("deals")
        companies, apart = self.portal.records("companies"), self._apart(contacts)
        calls = len(self.shop.requests), len(self.portal.requests)
        hubspot = list(self.portal.requests)
        return {
            "apart": len(apart),
            "such_as": apart[:3],
            "deals_apart": self._deals_apart(contacts, deals),
            "untied": self._untied(contacts, companies),
            "doubled": _doubled(contacts, "email")
            + _doubled(deals, "order_number")
            + _doubled(companies, "domain")
            + _doubled(self.shop.customers.values(), "email"),
            "by_limit": Counter(_limit_of(call.path) for call in hubspot),
            "calls": calls,
            "calls_since": [now - before for now, before in zip(calls, self.calls_before, strict=True)],
            "written_since": [_written(list(self.shop.requests)[self.calls_before[0] :], "/customers"),
                              _written(hubspot[self.calls_before[1] :], "/objects/contacts")],
            "failed": sum(
                call.status is None or call.status >= 429
                for call in [*list(self.shop.requests)[self.calls_before[0] :], *hubspot[self.calls_before[1] :]]
            ),
            "edits": dict(self.edits),
            "notices": dict(self.notices),
        }  # fmt: skip

    def _apart(self, contacts: list[dict[str, str]]) -> list[tuple[str, ...]]:
        """Return (e-mail, field, value here, value there) of what differs."""
        there = {one["email"]: one for one in contacts}
        here = dict(self.shop.customers)
        found: list[tuple[str, ...]] = [(email,) for email in sorted(there.keys() ^ here.keys())]
        for email in sorted(there.keys() & here.keys()):
            for own, other in FIELDS.items():
                sides = here[email][own], there[email].get(other, "")
                if sides[0] != sides[1]:
                    found.append((email, own, *sides))
        return found

    def _deals_apart(self, contacts: list[dict[str, str]], deals: list[dict[str, str]]) -> int:
        emails = {one["hs_object_id"]: one["email"] for one in contacts}
        owners = {row["id"]: email for email, row in self.shop.customers.items()}
        found = {one["order_number"]: one for one in deals}
        apart = 0
        for number, order in self.shop.orders.items():
            deal = found.get(number)
            tied = self.portal.tied("deals", deal["hs_object_id"], "contacts") if deal else {}
            right = [emails.get(one) for one in tied] == [owners.get(order["customer_id"])]
            apart += not (deal and right and deal["dealstage"] == STAGES[order["state"]])
        return apart

    def _untied(self, contacts: list[dict[str, str]], companies: list[dict[str, str]]) -> int:
        """Count the contacts that are not tied to the company of their domain."""
        domains = {one["hs_object_id"]: one["domain"] for one in companies}
        by_email = {one["email"]: one["hs_object_id"] for one in contacts}
        return sum(
            {domains[pk] for pk in self.portal.tied("contacts", by_email[email], "companies")}
            != {email.partition("@")[2]}
            for email in self.shop.customers
            if email in by_email
        )


def _limit_of(path: str) -> str:
    return "search" if path.endswith("/search") else "ties" if "/associations/" in path else "other"


def _doubled(rows: Any, name: str) -> int:
    return sum(number - 1 for number in Counter(row.get(name, "") for row in rows).values())


def _written(calls: list[Any], path: str) -> int:
    """Count the records that calls have written, also those whose answer was lost."""
    found = 0
    for call in calls:
        is_write = call.method in ("POST", "PATCH", "PUT") and not call.path.endswith(("/search", "/read"))
        if is_write and path in call.path and (call.status is None or call.status < 300):
            found += len(call.body["inputs"]) if isinstance(call.body, dict) and "inputs" in call.body else 1
    return found


def serve(customers: int) -> None:
    from integration_hub.simulator.server import Simulator

    with Simulator() as simulator:
        town = Town(simulator, customers)
        say({"hubspot": town.portal.url, "orders": town.shop.url})
        for line in sys.stdin:
            what, *arguments = line.split()
            if what == "tables":
                say(town.as_tables(arguments[0]))
            elif what == "begin":
                say(town.begin(int(arguments[0]), int(arguments[1]), float(arguments[2])))
            elif what == "calm":
                say(town.calm())
            elif what == "editing":
                say(town.editing)
            else:
                say(town.facts())


def say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
