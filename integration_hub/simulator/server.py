"""The simulator: a world of pretend vendors, each served on a local port of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

from integration_hub.simulator.control import common_verbs
from integration_hub.simulator.hubspot import HubSpot
from integration_hub.simulator.iterable import Iterable
from integration_hub.simulator.order_system import OrderSystem
from integration_hub.simulator.salesforce import Salesforce
from integration_hub.simulator.serving import Listener
from integration_hub.simulator.slack import Slack
from integration_hub.simulator.vendor import Vendor
from integration_hub.simulator.world import Clock


class Simulator:
    """All pretend vendors on loopback ports, while the context lasts. They share one clock."""

    def __init__(self, ports: Mapping[str, int] | None = None, host: str = "127.0.0.1") -> None:
        ports = ports or {}
        self.clock = Clock()
        self.salesforce = Salesforce(self.clock)
        self.slack = Slack(self.clock)
        self.iterable = Iterable(self.clock)
        self.hubspot = HubSpot(self.clock)
        self.order_system = OrderSystem(self.clock)
        self.vendors: tuple[Vendor, ...] = (
            self.salesforce, self.slack, self.iterable, self.hubspot, self.order_system
        )  # fmt: skip
        self._listeners = [
            Listener(vendor.answer, host, ports.get(vendor.name, 0)) for vendor in self.vendors
        ]
        for vendor in self.vendors:
            vendor.verbs |= common_verbs(vendor, self.reset)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Open the ports: all of them, or none when one is taken."""
        try:
            self._open()
        except OSError:
            self.stop()
            raise

    def _open(self) -> None:
        for vendor, listener in zip(self.vendors, self._listeners, strict=True):
            listener.start()
            vendor.url = listener.url
            vendor.faults.on_listening = listener.set_listening

    def stop(self) -> None:
        for vendor, listener in zip(self.vendors, self._listeners, strict=True):
            vendor.faults.on_listening = None
            listener.stop()

    def set_clock(self, at: datetime | None) -> None:
        """Freeze the world's time at `at`; None lets the real time run again."""
        self.clock.set(at)

    def reset(self) -> None:
        """Empty the world: records, messages, faults, logs, latency and the clock. Ports and credentials stay."""
        self.clock.set(None)
        for vendor in self.vendors:
            vendor.faults.clear()
            vendor.requests.clear()
            vendor.latency = 0.0
            vendor.reset()
