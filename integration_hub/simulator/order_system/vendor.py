"""The pretend order system as one object: its records, its doors, its events, its troubles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integration_hub.simulator.faults import Fault
from integration_hub.simulator.order_system.control import order_system_verbs
from integration_hub.simulator.order_system.routes import Routes
from integration_hub.simulator.order_system.shop import CUSTOMER, ORDER, Row, Shop
from integration_hub.simulator.order_system.webhooks import Webhooks
from integration_hub.simulator.serving import Call, Response, json_response
from integration_hub.simulator.vendor import Vendor
from integration_hub.simulator.world import Clock

TOKEN = "order-system-demo-token"  # noqa: S105 - of a pretend vendor
WEBHOOK_SECRET = "order-system-demo-webhook-secret"  # noqa: S105 - likewise
STAFF = "staff"


class OrderSystem(Vendor):
    """Customers and orders. Add them in Python or over /_control; read and write them over REST."""

    name = "order_system"
    fault_kinds = frozenset({"rate_limited", "server_error", "server_error_after", "malformed"})
    done_first = frozenset({"server_error_after", "malformed"})

    shop: Shop
    webhooks: Webhooks
    """Sends what happened to an address, when a test says so."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.verbs = order_system_verbs(self)

    def reset(self) -> None:
        with self.lock:
            self.shop = Shop(self.clock)
            self.webhooks = Webhooks(self.clock, WEBHOOK_SECRET)
            self.shop.on_change = self.webhooks.note
            self._routes = Routes(self.shop)
            self._token_refused = False

    @property
    def customers(self) -> dict[str, Row]:
        """All customers, by e-mail."""
        with self.lock:
            return {row["email"]: dict(row) for row in self.shop.rows[CUSTOMER].values()}

    @property
    def orders(self) -> dict[str, Row]:
        """All orders, by id."""
        with self.lock:
            return {row_id: dict(row) for row_id, row in self.shop.rows[ORDER].items()}

    def add_customer(self, email: str, **values: Any) -> str:
        """Add one as the staff does; return its id."""
        with self.lock:
            return str(self.shop.create(CUSTOMER, {"email": email, **values}, STAFF)["id"])

    def add_order(self, customer_id: str, **values: Any) -> str:
        with self.lock:
            return str(self.shop.create(ORDER, {"customer_id": customer_id, **values}, STAFF)["id"])

    def update(self, record_id: str, values: Mapping[str, Any]) -> None:
        """Change a customer or an order as the staff does."""
        with self.lock:
            self.shop.update(_kind(record_id), record_id, values, STAFF)

    def delete(self, record_id: str) -> None:
        with self.lock:
            self.shop.delete(_kind(record_id), record_id)

    def revoke(self, on: bool = True) -> None:
        """Let the token be refused, or be good again."""
        self._token_refused = on

    def handle(self, call: Call) -> Response:
        if self._token_refused or call.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _refusal(401, "token", "The token is not good.")
        with self.lock:
            self._routes.url = self.url
            return self._routes.answer(call)

    def broken(self, fault: Fault) -> Response:
        if fault.kind == "malformed":
            return Response(200, b'{"data":[{"id":')
        if fault.kind == "rate_limited":
            response = _refusal(429, "too_many", "Too many requests.")
            response.headers["Retry-After"] = str(fault.options.get("retry_after", 1))
            return response
        return _refusal(500, "internal", "Something went wrong here.")


def _kind(record_id: str) -> str:
    return ORDER if record_id.startswith("ord") else CUSTOMER


def _refusal(status: int, code: str, message: str) -> Response:
    return json_response({"error": {"code": code, "message": message}}, status)
