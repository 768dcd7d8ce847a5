"""A pretend Iterable project: the API as the real one answers it."""

from integration_hub.simulator.iterable.vendor import API_KEY, MOBILE_KEY, Iterable

__all__ = ["API_KEY", "MOBILE_KEY", "Iterable"]
