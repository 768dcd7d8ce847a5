"""What every test may use, and what none may do: reach beyond this machine."""

from __future__ import annotations

import socket

import pytest

from integration_hub.simulator.server import Simulator
from syncs.events import sources as event_sources
from syncs.events import tallies as event_tallies

LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(scope="session")
def _simulators():
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(_simulators):
    """A Salesforce and a Slack on local ports, empty at the start of each test."""
    _simulators.reset()
    yield _simulators
    _simulators.reset()


@pytest.fixture(autouse=True)
def _forgotten_sources():
    """Let no test go by the event sources and counts that another one left in this process."""
    event_sources.forget()
    event_tallies.forget()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Fail any connection that would leave this machine, and any look-up of a name, which leaves it too."""

    def guarded(method):
        def call(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6):
                _require_local(address[0])
            return method(self, address)

        return call

    def look_up(host, *args, **kwargs):
        if host is not None:
            _require_local(host.decode() if isinstance(host, bytes) else host)
        return resolve(host, *args, **kwargs)

    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def _require_local(host):
    if host and not host.startswith(LOOPBACK) and host not in ("0.0.0.0", "::"):  # noqa: S104 - to listen, for tests
        raise AssertionError(f"A test tried to reach {host}.")
