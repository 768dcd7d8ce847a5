"""Answer times of flows: what counts, how it is summed up, the page and its CSV."""

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from routing.flows import times
from tests.factories import NOON
from tests.flow_factories import make_event, make_onboarding, make_run


def seconds(count):
    return timedelta(seconds=count)


@pytest.fixture
def flow(db):
    return make_onboarding()


def passed(flow, took, *, at=NOON, stage="done", started_after=1):
    """Make a run of an event that came at `at`, and that ended `took` seconds later."""
    event = make_event(flow.source, received_at=at)
    ended_at = None if took is None else at + seconds(took)
    return make_run(flow, event, stage=stage, started_at=at + seconds(started_after), ended_at=ended_at)


def summed(now=NOON):
    return times.summary(NOON - timedelta(days=2), NOON + timedelta(days=1), now)


def test_a_flow_is_summed_up_from_the_event_to_the_end_of_its_run(flow):
    for took in range(1, 101):
        passed(flow, took)
    passed(flow, 500, stage="canceled")

    [row] = summed().by_flow

    assert (row.flow, row.name, row.done, row.canceled) == ("register", "Register", 100, 1)
    assert (row.p50, row.p95, row.p99, row.oldest) == (50, 95, 99, None)


def test_what_has_not_ended_is_counted_and_the_oldest_named_whenever_it_came(flow):
    passed(flow, None, stage="sending")
    passed(flow, None, stage="parked")
    passed(flow, None, stage="ready", at=NOON - timedelta(days=30))

    found = summed(now=NOON + seconds(60))

    [row] = found.by_flow
    assert (row.open, row.parked, row.p50) == (1, 1, None)
    assert row.oldest == timedelta(days=30).total_seconds() + 60
    assert [(one.day, one.oldest) for one in found.by_day] == [(NOON.date(), None)]


def test_days_are_of_the_beginning_newest_first(flow):
    passed(flow, 10, at=NOON - timedelta(days=1))
    passed(flow, 20)

    assert [(row.day, row.p95) for row in summed().by_day] == [
        (NOON.date(), 20),
        (NOON.date() - timedelta(days=1), 10),
    ]


def test_what_began_outside_the_time_is_left_out(flow):
    passed(flow, 10, at=NOON - timedelta(days=3))

    assert summed().by_flow == []


def test_the_page_shows_flows_with_the_same_choice_of_days(page, flow):
    passed(flow, 12, at=timezone.now() - seconds(60))

    content = page.get(reverse("console:sla"), {"days": 1}).content.decode()

    assert "Register" in content
    assert "12 s" in content
    assert f"{reverse('console:flow_times_by_day')}?days=1" in content


def test_the_csv_tells_each_day(page, flow):
    passed(flow, 12.4, at=timezone.now() - seconds(60))

    response = page.get(reverse("console:flow_times_by_day"), {"days": 7})

    [row] = csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode()))
    assert (row["flow_key"], row["done"], row["p95_seconds"]) == ("register", "1", "12.000")


def test_a_hub_without_flows_shows_none(page):
    assert "Flows by day" not in page.get(reverse("console:sla")).content.decode()
