"""A pretend Salesforce full of leads and a pretend Iterable, in a process of their own: their work is not ours."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PAGE_LATENCY, WRITE_LATENCY = 1.2, 1.0


class World:
    """Salesforce and Iterable in a process of their own: their work is not ours."""

    def __init__(self, records: int, *, slow: bool) -> None:
        command = [sys.executable, __file__, str(records), "slow" if slow else "fast"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
        self.urls: dict[str, str] = self._read()

    def ask(self, what: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def serve(records: int, *, slow: bool) -> None:
    from integration_hub.simulator.server import Simulator

    with Simulator() as simulator:
        owners = [simulator.salesforce.add_user(f"Seller {n}", f"seller{n}@acme.test") for n in range(10)]
        for n in range(records):
            simulator.salesforce.add(
                "Lead", FirstName=f"Ann{n % 997}", LastName=f"Lee{n}", Email=f"ann.lee{n}@example{n % 50}.com",
                Company=f"Company {n % 5000}", Title="Head of Marketing", Status="Open - Not Contacted",
                LeadSource="Web", OwnerId=owners[n % 10],
            )  # fmt: skip
        if slow:
            simulator.salesforce.latency = PAGE_LATENCY
            simulator.iterable.latency = {"users/bulkUpdate": WRITE_LATENCY}
            simulator.iterable.enforce_limits = True
        print(
            json.dumps({"salesforce": simulator.salesforce.url, "iterable": simulator.iterable.url}),
            flush=True,
        )
        for line in sys.stdin:
            if line.strip() == "compare":
                print(json.dumps(_compared(simulator)), flush=True)
                continue
            calls = [simulator.salesforce.requests, simulator.iterable.requests]
            facts = [*(len(one) for one in calls), len(simulator.iterable.users), time.process_time()]
            print(json.dumps(facts), flush=True)


def _compared(simulator: Any) -> dict[str, int]:
    """Say how far the destination differs from the mapped source, and how often a record was sent at most."""
    leads = {row["Email"]: row for row in simulator.salesforce.org.live("Lead")}
    users = simulator.iterable.users
    wrong = sum(
        1
        for email, row in leads.items()
        if email not in users or users[email]["dataFields"]["Salesforce"]["Id"] != row["Id"]
    )
    sent: Counter[str] = Counter()
    for call in simulator.iterable.requests:
        if call.path.endswith("users/bulkUpdate"):
            sent.update(user["email"] for user in call.body["users"])
    return {
        "wrong": wrong, "users": len(users), "leads": len(leads), "sent": sum(sent.values()),
        "most": max(sent.values(), default=0),
    }  # fmt: skip


if __name__ == "__main__":
    serve(int(sys.argv[1]), slow=sys.argv[2] == "slow")
