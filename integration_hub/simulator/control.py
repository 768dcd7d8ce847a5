"""The control verbs that every vendor has: time, latency, faults, the request log, reset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from integration_hub.simulator.vendor import Body, Vendor, Verb


def common_verbs(vendor: Vendor, reset: Callable[[], None]) -> dict[str, Verb]:
    """Return the verbs for `vendor`; `reset` empties the whole world."""
    return {
        "clock": Verb(lambda body: _clock(vendor, body), {"at": "2026-11-20T10:00:00Z"}),
        "latency": Verb(lambda body: _latency(vendor, body), {"seconds": 0.2}),
        "requests": Verb(lambda body: _requests(vendor, body), {"last": 20}),
        "reset": Verb(lambda body: reset()),
        "fail_next": Verb(lambda body: vendor.faults.fail_next(**body), {"n": 1, "kind": "drop", "path": ""}),
        "fault_rate": Verb(lambda body: vendor.faults.set(**body), {"kind": "unavailable", "rate": 0.05}),
        "clear_faults": Verb(lambda body: vendor.faults.clear()),
        "outage": Verb(lambda body: _outage(vendor, body), {"on": True, "kind": "drop"}),
    }


def _clock(vendor: Vendor, body: Body) -> str:
    at = body.get("at")
    vendor.clock.set(datetime.fromisoformat(at) if at else None)
    return vendor.clock().isoformat()


def _latency(vendor: Vendor, body: Body) -> float:
    vendor.latency = float(body["seconds"])
    return vendor.latency


def _requests(vendor: Vendor, body: Body) -> list[Body]:
    last = int(body.get("last", 100))
    return [{**asdict(request), "at": request.at.isoformat()} for request in vendor.requests[-last:]]


def _outage(vendor: Vendor, body: Body) -> None:
    if body.get("kind") == "refuse":
        raise ValueError(
            "A refused port could not be opened again over HTTP. Use the kind drop or unavailable."
        )
    vendor.faults.outage(bool(body["on"]), body.get("kind", "drop"))
