"""A pretend order system: customers and orders over REST, its webhooks, and its tables."""

from integration_hub.simulator.order_system.vendor import TOKEN, WEBHOOK_SECRET, OrderSystem

__all__ = ["TOKEN", "WEBHOOK_SECRET", "OrderSystem"]
