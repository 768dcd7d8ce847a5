"""What calls were spent on, and when the day's budget will be used up."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from integration_hub.connectors.transport import Callout
from syncs import backfill_words, callouts, usage
from syncs.engine.backfill.plan import Cost, Quote
from syncs.models import ConnectionUsage, Priority
from tests.factories import NOON, make_connection

AT_HALF = NOON.replace(minute=30)  # half past twelve


@pytest.mark.parametrize(
    ("used", "by_hour", "line", "wanted"),
    [
        (1_300, [0] * 9 + [400, 400, 400, 100], 1_300, "12:30"),
        (1_050, [0] * 9 + [300, 300, 300, 150], 2_350, "16:50"),
        (1_050, [0] * 9 + [300, 300, 300, 150], 9_000, None),
        (700, [500, 200, *[0] * 11], 800, None),
        (0, [0] * 13, 100, None),
        (5_000, [0] * 9 + [300, 300, 300, 150], 5_150, "13:00"),
    ],
)
def test_the_line_is_reached_at_the_pace_of_the_last_hours(used, by_hour, line, wanted):
    found = usage.forecast(used, by_hour, line, AT_HALF)

    assert (f"{found:%H:%M}" if found else None) == wanted


def test_in_the_first_second_of_a_day_nothing_is_foretold():
    assert usage.forecast(0, [5], 100, NOON.replace(hour=0)) is None


def calls(buffer, at, number):
    for _ in range(number):
        buffer(Callout(method="GET", url="https://x.test/", purpose="", status=200, seconds=0.1, bytes_out=0,
                       bytes_in=0, error="", at=at))  # fmt: skip


@pytest.fixture
def connection(db):
    return make_connection(key="crm", daily_budget=100, reserve_live=20, reserve_flows=10)


def test_calls_are_counted_by_hour_and_by_who_they_were_for(connection):
    buffer = callouts.CalloutBuffer(connection, Priority.LIVE, "stream:leads")
    calls(buffer, NOON, 2)
    buffer.user = "rule:hot"
    calls(buffer, NOON, 1)
    calls(buffer, NOON + timedelta(hours=1), 1)
    buffer.flush()

    rows = ConnectionUsage.objects.order_by("hour", "user").values_list("hour", "user", "calls")
    assert list(rows) == [(12, "rule:hot", 1), (12, "stream:leads", 2), (13, "rule:hot", 1)]


def test_the_day_is_told_with_its_lines_and_the_forecast(connection):
    for hour in (10, 11, 12):
        callouts.count_calls(connection, NOON.date(), Priority.LIVE, 20, hour=hour, user="sync:leads")

    found = usage.today(connection, AT_HALF)

    assert [line.calls for line in found.lines] == [100, 80, 70]
    assert found.sentences[0] == "At this pace it reaches the line for backfills (70 calls) at 13:05 UTC."


def test_the_smaller_users_are_told_together(connection):
    for number in range(12):
        callouts.count_calls(connection, NOON.date(), Priority.LIVE, 100 - number, user=f"rule:{number}")

    _, users = usage.by_day(connection, NOON, 30)

    assert len(users) == usage.SHOWN_USERS + 1
    assert sum(users[usage.OTHERS]) == 92 + 91 + 90 + 89


def test_the_page_opens_with_and_without_calls(connection, client):
    client.force_login(User.objects.create_superuser("boss", "boss@acme.test", "secret"))
    address = reverse("console:usage", args=["crm"])

    assert "No calls were made yet" in client.get(address).content.decode()
    callouts.count_calls(connection, NOON.date(), Priority.LIVE, 3, user="rule:hot")

    assert client.get(address).status_code == 200


@pytest.mark.parametrize(
    ("left", "daily", "wanted"),
    [
        (None, None, [10_000]),
        (500, 1_000, [10_000]),
        (40, 40, [4_000, 4_000, 2_000]),
        (0, 50, [0, 5_000, 5_000]),
    ],
)
def test_the_plan_of_a_backfill_says_how_many_records_each_day(left, daily, wanted):
    quote = Quote(10_000, Cost("CRM", 100, left, daily), None, 1.0, "One reader")

    assert quote.plan == wanted
    assert len(wanted) == quote.days


def test_the_plan_is_told_in_words():
    assert (
        backfill_words.of_plan([4_000, 4_000, 2_000])
        == "today 4,000 records, day 2 4,000 records, day 3 2,000 records"
    )
    assert backfill_words.of_plan([1] * 9).endswith("day 7 1 record, the last 2 by day 9")
