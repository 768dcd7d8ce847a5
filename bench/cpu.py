"""The processor's time for a change, from the vendor's answer to the stored decision. `python -m bench.cpu WHO`."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.utils import timezone

from bench import staging
from bench.script import Script
from integration_hub.simulator.server import Simulator
from routing import router
from routing.models import Decision
from syncs.engine import poll
from syncs.models import Delivery

LEADS = 4000


def add_leads(simulator: Simulator, company: staging.Company) -> None:
    rows: list[dict[str, Any]] = []
    for number in range(LEADS):
        row = {**staging.lead(number), "OwnerId": company.owners[number % staging.SELLERS]}
        del row["Name"]
        rows.append(row)
    simulator.salesforce.add_many("Lead", rows)


def hub() -> dict[str, float]:
    """The simulator's threads are not counted: only this one is."""
    with staging.scratch("sqlite"), Simulator() as simulator:
        company = staging.company(simulator)
        rules = staging.rules(company)
        poll.run(company.stream, timezone.now())
        add_leads(simulator, company)
        begun = time.thread_time()
        poll.run(company.stream, timezone.now())
        captured = time.thread_time()
        router.run(company.stream, timezone.now())
        routed = time.thread_time()
        if Decision.objects.count() != LEADS * len(rules):
            raise SystemExit(f"{Decision.objects.count()} decisions of {LEADS} leads.")
        return {
            "capture": (captured - begun) / LEADS * 1e6,
            "route": (routed - captured) / LEADS * 1e6,
            "messages": Delivery.objects.count(),
        }


def plain() -> dict[str, float]:
    """Read the same records, look whether each is known, store it, compare, note what was decided."""
    with staging.scratch("sqlite"), Simulator() as simulator, TemporaryDirectory() as folder:
        company = staging.company(simulator)
        script = Script(simulator)
        add_leads(simulator, company)
        store = sqlite3.connect(Path(folder) / "seen.sqlite3")
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, lead TEXT, verdicts TEXT)")
        begun = time.thread_time()
        leads = script.leads_since(timezone.now() - timedelta(minutes=5))
        for lead in leads:
            if store.execute("SELECT 1 FROM seen WHERE id = ?", [lead["Id"]]).fetchone():
                continue
            verdicts = [
                lead["Rating"] == "Hot" and lead["LeadSource"] in ("Web", "Phone Inquiry"),
                lead["AnnualRevenue"] > 50_000_000,
                "acme" in lead["Company"].lower(),
                bool(lead["Email"]) and lead["Rating"] == "Warm" and lead["NumberOfEmployees"] > 5000,
                lead["DoNotCall"],
            ]
            store.execute(
                "INSERT INTO seen VALUES (?, ?, ?)", [lead["Id"], json.dumps(lead), json.dumps(verdicts)]
            )
            store.commit()
        routed = time.thread_time()
        store.close()
        return {"both": (routed - begun) / len(leads) * 1e6}


if __name__ == "__main__":
    staging.say(hub() if sys.argv[1] == "hub" else plain())
