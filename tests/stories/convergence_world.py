"""Trade on both sides at once, with trouble: customers kept alike both ways, orders that become deals, and an account
of every edit, from which follows what must stand there in the end."""

import random
from collections import Counter, defaultdict

from routing.flows import engine as flows
from syncs.events import inbox
from syncs.models import Change, Connection, Delivery, EventType, RecordTie, SyncTie
from syncs.models.changes import ChangeState
from syncs.models.ties import TieState
from tests.factories import make_event_source, make_stream, make_sync, make_value_map
from tests.stories.two_way_world import OBJECTS, PAIRS, TwoWay

ORDERS = """
orders:
  modified: updated_at
  list: {path: /orders, records: data, since: updated_since, sorted: true,
         paging: cursor, cursor: next_cursor, cursor_parameter: cursor, size_parameter: limit, size: 50}
"""
STAGES = {"accepted": "qualifiedtobuy", "shipped": "closedwon", "cancelled": "closedlost"}
EDITED = ("name", "phone", "city", "company")
THERE = dict(PAIRS)
WINNERS = {"firstname": "source", "phone": "newest", "city": "destination", "company": "ask"}
TROUBLES = {
    "hubspot": ("rate_limited", "bad_gateway", "no_answer", "drop_after", "drop"),
    "order_system": ("rate_limited", "server_error", "server_error_after", "drop_after", "drop"),
}


class Market(TwoWay):
    """Both sides are edited by chance, `chance` being the seed; nothing else is left to it."""

    def __init__(self, simulator, seed):
        super().__init__(simulator, most_writes=1000)
        self.chance = random.Random(seed)
        self.edits = defaultdict(lambda: {"left": [], "right": []})
        self.touched = Counter()
        for path, winner in WINNERS.items():
            self.wins(path, winner)
        self._read_orders()
        self._take_notices()

    def _read_orders(self):
        self.api.settings["objects"] = OBJECTS + ORDERS
        self.api.save()
        self.portal.add_property("deals", "order_id", unique=True)
        self.orders = make_stream(
            self.api,
            key="orders",
            object_type="orders",
            described_at=None,
            started_at=self.customers.started_at,
        )
        stage = {
            "source": "state",
            "destination": "dealstage",
            "value_map": make_value_map(**STAGES),
            "unknown_value": "refuse",
        }
        self.deals = make_sync(
            ("id", "order_id"),
            ("id", "dealname"),
            stage,
            key="deals",
            stream=self.orders,
            destination=self.hubspot,
            object_type="deals",
            match_path="order_id",
        )
        SyncTie.objects.create(sync=self.deals, source_path="customer_id", partner=self.forward)

    def _take_notices(self):
        self.shop_events = make_event_source(key="shop", secret="")
        for kind, stream in (("customer", self.customers), ("order", self.orders)):
            for what in ("created", "updated", "accepted", "cancelled"):
                EventType.objects.create(
                    source=self.shop_events,
                    name=f"{kind}.{what}",
                    stream=stream,
                    record_path=kind,
                    id_path=f"{kind}.id",
                    modified_path=f"{kind}.updated_at",
                )

    def open_shop(self, customers, orders):
        """Have so many customers and orders, and let all of them be carried over."""
        ids = [
            self.shop.add_customer(f"c{n}@x.test", **{field: f"{field} {n}" for field in EDITED})
            for n in range(customers)
        ]
        for _ in range(orders):
            self.shop.add_order(self.chance.choice(ids))
        self.come_to_rest()

    def come_to_rest(self):
        """End the trouble and go round until nothing waits and nothing new is written; return the rounds."""
        for vendor in (self.shop, self.portal):
            vendor.faults.clear()
        for turn in range(60):
            before = Delivery.objects.count(), Change.objects.count()
            self.wait(120)
            self.go_round()
            waiting = (
                Delivery.objects.open().exists()
                or Change.objects.filter(state=ChangeState.WAITING).exists()
                or RecordTie.objects.exclude(state=TieState.TIED).exists()
            )
            if turn > 1 and not waiting and before == (Delivery.objects.count(), Change.objects.count()):
                return turn
        raise AssertionError("It does not come to rest.")

    def go_round(self):
        """Do one of each thing that the hub does, in an order of chance."""
        every = [self.customers, self.contacts, self.orders]
        self.chance.shuffle(every)
        Connection.objects.update(paused_until=None)
        self.poll(*every)
        self.route(*every)
        self.push()

    def trouble(self):
        """Let one call in four fail at both vendors, in all their ways, also after they did what was asked."""
        for vendor in (self.shop, self.portal):
            for kind in TROUBLES[vendor.name]:
                vendor.faults.set(kind, 0.05)

    def pass_notices_on(self):
        """Deliver what both vendors post: some of it lost, some twice, all in disorder."""
        self._notices_of_hubspot()
        self._events_of_the_shop()

    def _disordered(self, waiting):
        kept = [one for one in waiting if self.chance.random() > 0.2]
        kept += [one for one in kept if self.chance.random() < 0.3]
        self.chance.shuffle(kept)
        return kept

    def _notices_of_hubspot(self):
        webhooks = self.portal.webhooks
        events, webhooks.waiting = self._disordered(webhooks.waiting), []
        self.post(events)
        self.wait(2)
        self.read_noticed()

    def _events_of_the_shop(self):
        webhooks = self.shop.webhooks
        events, webhooks.waiting = self._disordered(webhooks.waiting), []
        for event in events:
            if event["event"] != "customer.deleted":
                inbox.emit(self.shop_events, event["event"], event, None, event["id"], self.now)
        flows.run(self.now)

    def edit(self):
        """Let somebody change something, on the one side or the other."""
        self.wait(self.chance.choice((0.01, 1, 3)))
        what = self.chance.random()
        if what < 0.4:
            self._edit_customer()
        elif what < 0.8:
            self._edit_contact()
        elif what < 0.9:
            self._edit_order()
        elif what < 0.95:
            number = len(self.shop.customers)
            self.shop.add_customer(f"new{number}-{self._mark()}@x.test", name="New")
        else:
            self.touched["right"] += 1
            self.portal.add("contacts", email=f"born{self._mark()}@x.test", firstname="Born")

    def _mark(self):
        return self.chance.randrange(10**9)

    def _edit_customer(self):
        customer = self.chance.choice(list(self.shop.shop.rows["customer"].values()))
        field = self.chance.choice(EDITED)
        value = f"left {self._mark()}"
        self.shop.update(customer["id"], {field: value})
        self.edits[customer["email"], field]["left"].append(value)

    def _edit_contact(self):
        contact = self.chance.choice(self.portal.records("contacts"))
        field = self.chance.choice(EDITED)
        value = f"right {self._mark()}"
        self.portal.update("contacts", contact["hs_object_id"], **{THERE[field]: value})
        self.edits[contact["email"], field]["right"].append(value)
        self.touched["right"] += 1

    def edit_both_sides(self):
        """Change fields of every customer here, there, or on both sides, each at a time of its own."""
        self.last_edit = {}
        contacts = {row["email"]: row["hs_object_id"] for row in self.portal.records("contacts")}
        every = [
            (customer, field, side)
            for customer in self.shop.customers.values()
            for field in EDITED
            for side in ("left", "right")
            if self.chance.random() < 0.6
        ]
        self.chance.shuffle(every)
        for customer, field, side in every:
            self.wait(1)
            value, email = f"{side} {self._mark()}", customer["email"]
            self.last_edit[email, side] = self.now
            self.edits[email, field][side].append(value)
            if side == "left":
                self.shop.update(customer["id"], {field: value})
            else:
                self.portal.update("contacts", contacts[email], **{THERE[field]: value})

    def by_rule(self, where, sides):
        """Return what both sides must hold by the field's rule, given what they held before the hub looked.

        The hub sees a record once: of all its fields the newest is that of the side that was edited last.
        """
        email, field = where
        here, there = sides
        by = self.edits.get(where, {"left": [], "right": []})
        if by["left"] and by["right"]:
            rule = WINNERS[THERE[field]]
            if rule == "ask":
                return sides
            if rule == "newest":
                rule = (
                    "source"
                    if self.last_edit[email, "left"] > self.last_edit[email, "right"]
                    else "destination"
                )
            return (here, here) if rule == "source" else (there, there)
        return (there, there) if by["right"] else (here, here)

    def _edit_order(self):
        rows = self.shop.shop.rows
        order = self.chance.choice(list(rows["order"]))
        if self.chance.random() < 0.5:
            self.shop.update(order, {"customer_id": self.chance.choice(list(rows["customer"]))})
        else:
            self.shop.update(order, {"state": self.chance.choice(list(STAGES))})

    def alike(self):
        """Return both sides of every customer by e-mail: (email, field) → (here, there)."""
        there = {row["email"]: row for row in self.portal.records("contacts")}
        return {
            (email, field): (row[field], there.get(email, {}).get(THERE[field], ""))
            for email, row in self.shop.customers.items()
            for field in EDITED
        }
