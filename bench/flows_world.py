"""A pretend HubSpot with limits, a lagging search and trouble, in a process of its own: its work is not ours."""

from __future__ import annotations

import json
import sys
from bisect import bisect_left
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
LATENCY, LAG = 0.1, 10.0
THERE_ALREADY = 20
"""Of so many contacts one is at HubSpot before."""
TROUBLE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rate_limited", {}), ("status", {"status": 500}), ("bad_gateway", {}), ("no_answer", {}), ("drop_after", {}),
    ("drop", {}),
)  # fmt: skip
FAILING = 0.05


def email_of(number: int) -> str:
    return f"c{number}@example.test"


def domain_of(number: int) -> str:
    """Five customers of a company, who come one long after the other."""
    return f"d{number % 2_000}.test"


def serve(records: int) -> None:
    from integration_hub.simulator.server import Simulator

    with Simulator() as simulator:
        hubspot = simulator.hubspot
        hubspot.add_many("contacts", [{"email": email_of(n)} for n in range(0, records, THERE_ALREADY)])
        hubspot.enforce_limits, hubspot.index_lag, hubspot.latency = True, LAG, LATENCY
        for kind, options in TROUBLE:
            hubspot.faults.set(kind, FAILING / len(TROUBLE), **options)
        print(json.dumps({"hubspot": hubspot.url}), flush=True)
        for line in sys.stdin:
            if line.strip() in ("down", "up"):
                hubspot.faults.outage(line.strip() == "down", kind="unavailable")
                print(json.dumps(None), flush=True)
            else:
                print(json.dumps(_facts(hubspot, records)), flush=True)


def _facts(hubspot: Any, records: int) -> dict[str, int]:
    """Say what stands there, how far that is from what should, and how hard it was called."""
    domains = {one["hs_object_id"]: one["domain"] for one in hubspot.records("companies")}
    contacts = hubspot.records("contacts")
    tied = {
        one["email"]: {domains[pk] for pk in hubspot.tied("contacts", one["hs_object_id"], "companies")}
        for one in contacts
    }
    searches = [call.at for call in hubspot.requests if call.path.endswith("/search")]
    others = [call.at for call in hubspot.requests if not call.path.endswith("/search")]
    return {
        "doubled": sum(n - 1 for n in Counter(domains.values()).values()) + len(contacts) - len(tied),
        "untied": sum(tied.get(email_of(n)) != {domain_of(n)} for n in range(records)),
        "calls": len(hubspot.requests),
        "failed": sum(call.status is None or call.status >= 429 for call in hubspot.requests),
        "in_ten_seconds": _busiest(others, 10),
        "searches_a_second": _busiest(searches, 1),
    }


def _busiest(times: list[Any], seconds: int) -> int:
    times = sorted(times)
    span = timedelta(seconds=seconds * 0.999)
    return max((at + 1 - bisect_left(times, times[at] - span) for at in range(len(times))), default=0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
