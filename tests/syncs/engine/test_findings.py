"""What a reconciliation keeps: within bounds, and the same however the work was cut."""

from datetime import timedelta

from syncs.engine.reconcile.findings import EARLIER, MOST_DAYS, MOST_EXAMPLES, Findings
from syncs.models import Reconciliation
from syncs.models.reconciliations import Kind
from tests.factories import NOON

IDS = [f"003{number:012d}AAA" for number in range(1_000)]


def findings(pk=1, **values):
    return Findings(Reconciliation(pk=pk, sample=20, **values))


def test_the_sample_is_the_same_whatever_the_pages():
    whole, parts = findings(), findings()

    whole.draw(IDS)
    for start in range(0, len(IDS), 70):
        parts.draw(IDS[start : start + 70])

    assert len(whole.sample) == 20
    assert parts.sample == whole.sample


def test_each_reconciliation_draws_others_from_everywhere():
    first, second = findings(1), findings(2)

    first.draw(IDS)
    second.draw(IDS)

    assert len(set(first.sample) & set(second.sample)) < 5
    assert max(first.sample) > IDS[700]


def test_examples_and_days_have_a_bound_and_counts_have_none():
    one = Reconciliation(pk=1)
    found = Findings(one)
    for number in range(1_000):
        found.add(Kind.MISSING, IDS[number], NOON - timedelta(days=number), "Nothing was ever sent.")

    found.store(one)

    assert one.counts == {"missing": 1_000}
    assert len(one.examples["missing"]) == MOST_EXAMPLES
    assert len(one.days) == MOST_DAYS + 1
    assert one.days[EARLIER] == {"missing": 1_000 - MOST_DAYS}
    assert one.days["2026-11-20"] == {"missing": 1}


def test_what_was_stored_is_gone_on_with():
    one = Reconciliation(pk=1)
    for _ in range(2):
        found = Findings(one)
        for number in range(500):
            found.add(Kind.WRITTEN, IDS[number], NOON - timedelta(days=number))
        found.store(one)

    assert one.at_source == 1_000
    assert one.days[EARLIER] == {"written": 2 * (500 - MOST_DAYS)}
