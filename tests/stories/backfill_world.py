"""What stories of backfills have in common: leads, a run and its resuming, and a kill in the midst of it."""

from django.utils import timezone

from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill.ledger import Ledger
from syncs.engine.backfill.plan import Wanted
from syncs.models import Backfill, Partition

PAGE = 20
"""Records a page of the pretend Salesforce."""


class Killed(BaseException):
    """As kill -9: nobody gets to tidy up."""


def add_leads(simulator, count, **values):
    return [
        simulator.salesforce.add(
            "Lead", **{"LastName": f"Lee {n}", "Email": f"lee{n}@example.com", "Company": "Acme", **values}
        )
        for n in range(count)
    ]


def run(sync, **options):
    work = {name: options.pop(name) for name in ("writers", "most", "seconds") if name in options}
    wanted = Wanted(sync, **options)
    quote = backfill_plan.quote(wanted, timezone.now())
    started = backfill.start(wanted, quote, timezone.now())
    return backfill.work(started, first=quote.first, **work)


def again(done):
    """Go on with it, as the command does with --resume: its partitions are free."""
    Partition.objects.update(lease_owner="", lease_until=None)
    found = Backfill.objects.select_related("sync__stream__connection", "sync__destination", "run").get(
        pk=done.pk
    )
    backfill.resume(found, timezone.now())
    return backfill.work(found)


def names(simulator):
    return {email: user["dataFields"]["Name"] for email, user in simulator.iterable.users.items()}


def wanted_names(count):
    return {f"lee{n}@example.com": f"Lee {n}" for n in range(count)}


def counts(done):
    return {name: getattr(done.run, name) for name in ("read", "delivered", "unchanged", "skipped", "dead")}


def bulk_calls(simulator):
    return [one for one in simulator.iterable.requests if one.path.endswith("users/bulkUpdate")]


def kill_at(monkeypatch, point, moment):
    """Kill the process at its so-manieth settled batch, before or after that is stored."""
    settle, calls = Ledger.answered, []

    def dying(self, *args):
        calls.append(1)
        if len(calls) == point and moment == "before":
            raise Killed
        found = settle(self, *args)
        if len(calls) == point:
            raise Killed
        return found

    monkeypatch.setattr(Ledger, "answered", dying)
    monkeypatch.setattr(Ledger, "release", lambda self: None)
