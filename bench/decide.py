"""How long deciding takes: many leads, five rules, all stored. `python -m bench.decide DATABASE LEADS WHO`."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta

from django.utils import timezone

from bench import staging
from routing import router
from routing.models import Alert, Decision, Rule
from syncs.models import Change, Connection, Delivery, Stream
from syncs.models.changes import ChangeState
from tests.factories import make_message


def add_changes(company: staging.Company, count: int, now: datetime) -> None:
    at = now - timedelta(seconds=20)
    for start in range(0, count, 500):
        Change.objects.bulk_create(
            Change(
                stream=company.stream, record_id=f"00QB{n:011d}AAA", version=str(n), modified_at=at, created_at=at,
                captured_at=now, title=f"Lead {n}", title_key=f"lead {n}", owner_id=company.owners[n % staging.SELLERS],
                values=staging.lead(n),
            )
            for n in range(start, min(count, start + 500))
        )  # fmt: skip


def hub(stream: Stream, now: datetime) -> None:
    while Change.objects.filter(state=ChangeState.WAITING).exists():
        router.run(stream, now)


def plain(rules: list[Rule], chat: Connection, now: datetime) -> None:
    """As a first script would: one record at a time, look, compare, store."""
    tests = (
        lambda v: v["Rating"] == "Hot" and v["LeadSource"] in ("Web", "Phone Inquiry"),
        lambda v: v["AnnualRevenue"] > 50_000_000,
        lambda v: "acme" in v["Company"].lower() and v["Status"] != "Closed",
        lambda v: v["Email"] and v["Rating"] == "Warm" and v["NumberOfEmployees"] > 5000,
        lambda v: v["DoNotCall"],
    )
    for change in Change.objects.filter(state=ChangeState.WAITING).order_by("pk"):
        for rule, test in zip(rules, tests, strict=True):
            matched = bool(test(change.values))
            decision = Decision.objects.create(
                change=change, rule=rule, verdict="deliver" if matched else "skip", matched=matched,
                reason="matched" if matched else "no_match", text="", trigger_at=now, decided_at=now,
            )  # fmt: skip
            key = f"{rule.key}:{change.record_id}"
            if matched and not Delivery.objects.filter(dedup_key=key).exists():
                delivery = Delivery.objects.create(
                    connection=chat, origin=rule.key, change=change, object_type="message", operation="send",
                    lane=change.owner_id, dedup_key=key, payload=make_message(change.owner_id), due_at=now,
                    created_at=now,
                )  # fmt: skip
                Alert.objects.create(decision=decision, delivery=delivery, role="recipient")
        Change.objects.filter(pk=change.pk).update(state=ChangeState.ROUTED, routed_at=now)


def main(database: str, count: int, who: str) -> None:
    now = timezone.now()
    with staging.scratch(database):
        company = staging.company()
        rules = staging.rules(company)
        add_changes(company, count, now)
        before = staging.peak_megabytes()
        begun = time.perf_counter()
        if who == "hub":
            hub(company.stream, now)
        else:
            plain(rules, company.chat, now)
        seconds = time.perf_counter() - begun
        decided = Decision.objects.count()
        if decided != count * len(rules):
            raise SystemExit(f"{decided} decisions of {count} leads under {len(rules)} rules.")
        staging.say(
            {
                "seconds": seconds,
                "microseconds": seconds / decided * 1e6,
                "messages": Delivery.objects.count(),
                "megabytes": staging.peak_megabytes(),
                "megabytes_before": before,
            }
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
