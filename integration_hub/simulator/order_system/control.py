"""What `POST /_control/<verb>` does to the pretend order system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integration_hub.simulator.order_system.webhooks import Manner
from integration_hub.simulator.vendor import Body, Verb

if TYPE_CHECKING:
    from integration_hub.simulator.order_system.vendor import OrderSystem

PERSON = {"email": "ann@example.test", "name": "Ann Lee", "company": "Acme"}
LINES = [{"sku": "A-1", "quantity": 2, "price": 9.5}]


def order_system_verbs(orders: OrderSystem) -> dict[str, Verb]:
    """Return the verbs about customers, orders, events and the token."""

    def send_events(body: Body) -> list[dict[str, Any]]:
        manner = Manner(**{name: value for name, value in body.items() if name != "url"})
        sent = orders.webhooks.deliver(body["url"], manner)
        return [{"event": one.event["event"], "id": one.event["id"], "status": one.status} for one in sent]

    return {
        "add_customer": Verb(lambda body: orders.add_customer(**body), PERSON),
        "add_order": Verb(lambda body: orders.add_order(**body), {"customer_id": "cus_1001", "lines": LINES}),
        "update": Verb.calling(orders.update, record_id="cus_1001", values={"city": "Bonn"}),
        "delete": Verb.calling(orders.delete, record_id="cus_1001"),
        "customers": Verb(lambda body: orders.customers),
        "orders": Verb(lambda body: orders.orders),
        "revoke": Verb.calling(orders.revoke, on=True),
        "events": Verb(lambda body: {"waiting": orders.webhooks.waiting, "lost": orders.webhooks.lost}),
        "send_events": Verb(
            send_events,
            {
                "url": "http://127.0.0.1:8000/events/orders/",
                "duplicates": False,
                "shuffled": False,
                "attempts": 1,
            },
        ),
    }
