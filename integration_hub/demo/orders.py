"""The order system's part of the play: customers and orders at HubSpot, and what sales edits there on its way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from integration_hub.demo.script import CURTAIN, RECOVERY, Act, Stage
from syncs import corrections, quality
from syncs.models import Change, Conflict, Correction, Delivery, RecordLink
from syncs.models.changes import ChangeState
from syncs.models.deliveries import DeliveryState
from syncs.models.pairs import ConflictState

COMPANIES, CONTACTS, DEALS, BACK = (
    "customers-to-companies",
    "customers-to-contacts",
    "orders-to-deals",
    "contacts-to-customers",
)
EDIT = RECOVERY + 1
"""Seconds into the play: HubSpot, which failed for another scene, is back."""
QUARREL = EDIT + 8
"""Seconds into the play: HubSpot has been read again since, so that both sides are read at the same time."""
OLD_PHONE, NEW_PHONE = "+4930123456", "+4930987654"
WRONG, RIGHT = "ria..stein@freshmart.test", "ria.stein@freshmart.test"
LINES = [{"sku": "A-1", "quantity": 4, "price": 300}]


class Fact(NamedTuple):
    """Something that must stand in the end; `what` says it for a person."""

    what: str
    found: Any
    wanted: Any


@dataclass(frozen=True, slots=True)
class OrderScene:
    """A customer's story; `facts` looks up what there is, beside what the script wants."""

    key: str
    title: str
    customer: str
    acts: Sequence[Act]
    facts: Callable[[Stage, str], Sequence[Fact]]


@dataclass(slots=True)
class OrderOutcome:
    """One scene's end so far."""

    scene: OrderScene
    facts: Sequence[Fact] = ()
    delivered: Sequence[Delivery] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.scene.customer

    @property
    def happened(self) -> list[str]:
        """What was written, each sync once."""
        written = [f"{one.sync}: written" for one in self.delivered if one.sync]
        return list(dict.fromkeys(written))

    @property
    def why(self) -> list[str]:
        return [f"{fact.what}: {fact.found}" for fact in self.facts] or ["Not read yet."]

    @property
    def took(self) -> timedelta | None:
        """From the last change of the record to the write of it."""
        last = max(self.delivered, key=lambda one: one.pk, default=None)
        if last is None or last.change is None or last.settled_at is None:
            return None
        return last.settled_at - last.change.modified_at

    @property
    def problems(self) -> list[str]:
        """Whatever is not as the script wants it; empty: the scene has ended well."""
        if not self.facts:
            return ["Nothing was read yet."]
        return [
            f"{fact.what}: {fact.found!r}, expected {fact.wanted!r}."
            for fact in self.facts
            if fact.found != fact.wanted
        ]


def outcomes(scenes: Sequence[OrderScene], stage: Stage) -> list[OrderOutcome]:
    return [outcome(scene, stage) for scene in scenes]


def outcome(scene: OrderScene, stage: Stage) -> OrderOutcome:
    record_id = stage.records.get(scene.key)
    if record_id is None:
        return OrderOutcome(scene)
    ids = [
        record_id,
        *_orders(stage, record_id),
        *(one["hs_object_id"] for one in _contacts(stage, record_id)),
    ]
    done = Delivery.objects.filter(
        record_id__in=ids, sync__isnull=False, state=DeliveryState.DELIVERED
    ).select_related("sync", "change")
    return OrderOutcome(scene, scene.facts(stage, record_id), list(done.order_by("pk")))


def scenes() -> tuple[OrderScene, ...]:
    return (*_one_way(), *_both_ways(), _refused())


def _one_way() -> tuple[OrderScene, ...]:
    return (
        OrderScene(
            "customer",
            "Customer and accepted order become contact, company and deal",
            "Zoe Hart, Hartmann",
            [_customer(email="zoe@hartmann.test", name="Zoe Hart", company="Hartmann"), _order("customer")],
            lambda stage, one: _all_there(stage, one, "zoe@hartmann.test", "hartmann.test", "qualifiedtobuy"),
        ),
        OrderScene(
            "shipped",
            "Order is shipped, and its deal changes stage",
            "Uwe Pohl, Pohl Bau",
            [
                _customer(email="uwe@pohl.test", name="Uwe Pohl", company="Pohl Bau"),
                _order("shipped"),
                Act(EDIT, "Order system: the order of Uwe Pohl is shipped", _ship),
            ],
            lambda stage, one: _all_there(stage, one, "uwe@pohl.test", "pohl.test", "closedwon"),
        ),
    )


def _both_ways() -> tuple[OrderScene, ...]:
    return (
        OrderScene(
            "phone",
            "Sales edits a phone number in HubSpot, and it comes back",
            "Vera Lund, Lund AB",
            [
                _customer(email="vera@lund.test", name="Vera Lund", company="Lund AB", phone=OLD_PHONE),
                Act(EDIT, "HubSpot: sales corrects the phone number of Vera Lund", _correct_phone),
            ],
            _phone_came_back,
        ),
        OrderScene(
            "both-edit",
            "Both edit the company's name, and a person is asked",
            "Kai Brandt, Brandt",
            [
                _customer(email="kai@brandt.test", name="Kai Brandt", company="Brandt"),
                Act(
                    QUARREL, "HubSpot and order system: both rename the company of Kai Brandt", _rename_twice
                ),
            ],
            _asked,
        ),
    )


def _refused() -> OrderScene:
    return OrderScene(
        "bad-email",
        "Customer with a bad e-mail is listed, corrected and written",
        "Ria Stein, Freshmart",
        [
            _customer(email=WRONG, name="Ria Stein", company="Freshmart"),
            Act(EDIT, "Data quality: somebody corrects the e-mail of Ria Stein", _correct_email),
        ],
        _corrected,
    )


def _all_there(stage: Stage, one: str, email: str, domain: str, deal_stage: str) -> list[Fact]:
    """Look for contact, company and deal, and for the ties between them."""
    hubspot = stage.world.simulator.hubspot
    contacts = [row for row in hubspot.records("contacts") if row.get("email") == email]
    companies = [row for row in hubspot.records("companies") if row.get("domain") == domain]
    deals = [row for row in hubspot.records("deals") if row.get("order_number") in _orders(stage, one)]
    tied = {"companies": companies, "deals": deals}
    return [
        Fact(f"Contacts with {email}", len(contacts), 1),
        Fact(f"Companies with {domain}", len(companies), 1),
        Fact("Stage of the deal, from the order's state", [row["dealstage"] for row in deals], [deal_stage]),
        Fact("Amount of the deal", [float(row["amount"]) for row in deals], [1200.0]),
        *(
            Fact(
                f"Tied to its {kind}",
                [pk for row in contacts for pk in hubspot.tied("contacts", row["hs_object_id"], kind)],
                [row["hs_object_id"] for row in rows] or ["one"],
            )
            for kind, rows in tied.items()
        ),
    ]


def _phone_came_back(stage: Stage, one: str) -> list[Fact]:
    there = stage.world.simulator.order_system.customers["vera@lund.test"]
    read = Change.objects.filter(stream__key="customers", record_id=one, state=ChangeState.ROUTED)
    echoes = [change for change in read if change.values.get("phone") == NEW_PHONE]
    return [
        Fact("Phone in the order system", there["phone"], NEW_PHONE),
        Fact("Changed there by", there["changed_by"], "api"),
        Fact("Versions of it in the order system", there["version"], 2),
        Fact("Read back after that", bool(echoes), True),
        Fact("Writes to HubSpot", _writes(CONTACTS, [one]), 1),
        Fact("Writes to the order system", _writes(BACK, _remote(one)), 1),
    ]


def _asked(stage: Stage, one: str) -> list[Fact]:
    open_ones = Conflict.objects.filter(left_id=one, state=ConflictState.OPEN)
    there = stage.world.simulator.order_system.customers["kai@brandt.test"]
    return [
        Fact(
            "Waits in the conflict inbox",
            [(row.left_value, row.right_value) for row in open_ones],
            [("Brandt GmbH", "Brandt & Co")],
        ),
        Fact("Company in the order system", there["company"], "Brandt GmbH"),
        Fact("Company in HubSpot", [row["company"] for row in _contacts(stage, one)], ["Brandt & Co"]),
    ]


def _corrected(stage: Stage, one: str) -> list[Fact]:
    there = Correction.objects.filter(record_id=one, sync__key=CONTACTS).values_list("value", flat=True)
    refused = RecordLink.objects.filter(record_id=one, problem__isnull=False)
    return [
        Fact("Listed in data quality, and corrected to", list(there), [RIGHT]),
        Fact("At HubSpot", [row["email"] for row in _contacts(stage, one)], [RIGHT]),
        Fact("Still refused by", [str(link.sync) for link in refused], []),
    ]


def _customer(**values: str) -> Act:
    name = values["name"]
    return Act(
        CURTAIN,
        f"Order system: a new customer, {name}",
        lambda stage: stage.world.simulator.order_system.add_customer(**values),
    )


def _order(key: str) -> Act:
    def add(stage: Stage) -> None:
        stage.world.simulator.order_system.add_order(stage.records[key], lines=LINES)

    return Act(CURTAIN, "Order system: an order of 1,200 is accepted", add)


def _ship(stage: Stage) -> None:
    for order in _orders(stage, stage.records["shipped"]):
        stage.world.simulator.order_system.update(order, {"state": "shipped"})


def _correct_phone(stage: Stage) -> None:
    for contact in _contacts(stage, stage.records["phone"]):
        stage.world.simulator.hubspot.update("contacts", contact["hs_object_id"], phone=NEW_PHONE)


def _rename_twice(stage: Stage) -> None:
    """Edit both sides before either is read: else the later edit would simply follow the earlier one."""
    one = stage.records["both-edit"]
    for contact in _contacts(stage, one):
        stage.world.simulator.hubspot.update("contacts", contact["hs_object_id"], company="Brandt & Co")
    stage.world.simulator.order_system.update(one, {"company": "Brandt GmbH"})
    stage.read_now()


def _correct_email(stage: Stage) -> None:
    """Do what a person does on the page: correct the value of each refused record, and try its group again."""
    one, now = stage.records["bad-email"], stage.world.now()
    for link in RecordLink.objects.filter(record_id=one, problem__isnull=False).select_related("sync"):
        values = quality.read(link.sync, [one], now)[one].values
        corrections.replace_value(link.sync, one, "email", RIGHT, values=values, user="demo", now=now)
        quality.replay(quality.group(link.sync, link.problem or "", link.reason), now)


def _orders(stage: Stage, customer: str) -> list[str]:
    every = stage.world.simulator.order_system.orders
    return [key for key, order in every.items() if order["customer_id"] == customer]


def _contacts(stage: Stage, customer: str) -> list[dict[str, str]]:
    ids = set(_remote(customer))
    return [row for row in stage.world.simulator.hubspot.records("contacts") if row["hs_object_id"] in ids]


def _remote(customer: str) -> list[str]:
    """Return the id of the customer's contact at HubSpot."""
    links = RecordLink.objects.filter(sync__key=CONTACTS, record_id=customer)
    return [link.remote_id for link in links if link.remote_id]


def _writes(sync: str, record_ids: Sequence[str]) -> int:
    return Delivery.objects.filter(
        sync__key=sync, record_id__in=record_ids, state=DeliveryState.DELIVERED
    ).count()
