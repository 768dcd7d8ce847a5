"""Answer times: what counts, how it is summed up, and the CSV of it."""

import csv
import io
from collections import Counter
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.console.charts import times_by_day
from routing import sla
from tests.admin.factories import make_alert, make_decision
from tests.factories import NOON, make_change, make_rule


def seconds(count):
    return timedelta(seconds=count)


def sent(rule, took, *, at=NOON, role="recipient", state="delivered", **decision):
    change = make_change(rule.stream, modified_at=at, captured_at=at + seconds(1))
    decided = make_decision(rule, change, trigger_at=at, decided_at=at + seconds(2), **decision)
    return make_alert(rule, change, decision=decided, role=role, state=state, settled_at=at + seconds(took))


def rows(hours=24):
    return sla.by_rule_and_day(NOON - timedelta(hours=hours), NOON + timedelta(hours=hours))


def test_a_day_of_a_rule_is_summed_up(db):
    rule = make_rule(name="Hot leads", max_age_seconds=60)
    for took in range(1, 101):
        sent(rule, took)
    sent(rule, 90, state="expired")
    sent(rule, 5, state="dead")

    [row] = rows()

    assert (row.name, row.day, row.sent, row.expired, row.dead) == ("Hot leads", NOON.date(), 100, 1, 1)
    assert (row.p50, row.p95, row.p99, row.target) == (50, 95, 99, 60)
    assert row.within_target == pytest.approx(60 / 102)


def test_a_held_alert_counts_from_the_opening(db):
    sent(make_rule(), 3605, verdict="hold", reason="outside_hours", hold_until=NOON + timedelta(hours=1))

    assert rows()[0].p50 == 5


@pytest.mark.parametrize(("took", "counted"), [(0.84, 0.8), (9.94, 9.9), (9.96, 10), (12.4, 12), (12.5, 13)])
def test_times_are_counted_as_precisely_as_they_are_shown(db, took, counted):
    sent(make_rule(max_age_seconds=30), took)

    assert rows()[0].p50 == counted


def test_what_is_a_moment_too_late_is_late_however_it_is_rounded(db):
    sent(make_rule(max_age_seconds=60), 60.2)

    assert rows()[0].within_target == 0


def test_copies_and_waiting_alerts_are_nobodys_promise(db):
    rule = make_rule()
    sent(rule, 4, role="copy")
    sent(rule, 4, state="waiting")

    assert rows() == []


def test_nothing_sent_has_no_times_but_a_share(db):
    sent(make_rule(), 400, state="expired")

    [row] = rows()

    assert (row.p50, row.p95, row.within_target, row.total) == (None, None, 0, 1)


def test_days_and_rules_are_apart_newest_day_first(db):
    one, other = make_rule(name="A"), make_rule(name="B")
    sent(one, 1)
    sent(other, 1)
    sent(one, 1, at=NOON - timedelta(days=1))

    assert [(row.name, row.day.day) for row in rows(48)] == [("A", 20), ("B", 20), ("A", 19)]


def test_rules_of_one_name_are_not_thrown_together(db):
    one, other = make_rule(name="Hot", key="hot-de"), make_rule(name="Hot", key="hot-us")
    sent(one, 1)
    sent(other, 9)

    assert [(row.rule, row.name, row.p50) for row in rows()] == [("hot-de", "Hot", 1), ("hot-us", "Hot", 9)]


def test_an_alert_settled_before_its_event_took_no_time(db):
    sent(make_rule(), -5)

    assert rows()[0].p50 == 0


def test_latest_has_one_row_a_rule_for_the_last_hours(db):
    rule = make_rule(name="A")
    sent(rule, 1)
    sent(rule, 1, at=NOON - timedelta(hours=12))
    sent(rule, 1, at=NOON - timedelta(hours=30))

    [row] = sla.latest(24, now=NOON + seconds(1))

    assert (row.name, row.day, row.sent) == ("A", None, 2)


def test_the_way_of_an_alert_is_split_into_its_stretches(db):
    sent(make_rule(), 5)

    [passage] = sla.passages(NOON - timedelta(hours=1), NOON + timedelta(hours=1), 10)

    assert passage.stretches == (1, 1, 3)


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 2), (0.75, 2), (0.76, 4), (0.99, 4), (0.25, 1), (0.26, 2), (0.0, 1), (1.0, 4)]
)
def test_percentiles_are_by_nearest_rank(share, value):
    assert sla.percentile({4: 1, 2: 2, 1: 1}, share) == value


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_not_exceeded_by_its_share(values, share):
    found = sla.percentile(Counter(values), share)

    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert found in values


def test_summing_up_takes_two_queries_however_many_rules(db, django_assert_num_queries):
    for number in range(3):
        rule = make_rule(name=f"Rule {number}")
        for took in range(5):
            sent(rule, took)

    with django_assert_num_queries(2):
        rows()


@pytest.mark.parametrize(("days", "kind"), [(1, "bar"), (10, "bar"), (11, "line")])
def test_few_days_are_bars_and_many_are_lines(days, kind):
    found = [
        sla.Row("hot", "Hot", NOON.date() - timedelta(days=back), 1, 0, 0, 1.0, 2.0, 3.0, 1.0)
        for back in range(days)
    ]

    shown, chart = times_by_day(found)

    assert shown == kind
    assert chart["labels"][-1] == "Nov 20"
    assert chart["datasets"][0]["data"] == [2.0] * days


def test_the_page_shows_the_numbers_and_a_chart(page, db):
    sent(make_rule(name="Hot leads"), 7, at=timezone.now() - timedelta(seconds=60))

    content = page.get(reverse("console:sla"), {"days": "7"}).content.decode()

    assert "Hot leads" in content
    assert "7 s" in content
    assert 'data-type="bar"' in content


def test_a_page_without_alerts_says_where_they_come_from(page, db):
    content = page.get(reverse("console:sla")).content.decode()

    assert "No alert was due in this time" in content
    assert reverse("admin:routing_rule_changelist") in content.split("No alert was due")[1]


def test_nonsense_for_the_days_is_taken_as_a_week(page, db):
    assert page.get(reverse("console:sla"), {"days": "' OR 1=1"}).context["days"] == 7


def table(response):
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))


def test_the_csv_by_day_has_the_same_numbers(page, db):
    rule = make_rule(name="Hot leads", max_age_seconds=300)
    for took in (7, 9):
        sent(rule, took, at=timezone.now() - timedelta(seconds=30))

    response = page.get(reverse("console:sla_by_day"))
    [row] = table(response)

    assert "answer-times-7-days.csv" in response["Content-Disposition"]
    assert (row["rule"], row["rule_key"], row["sent"], row["p50_seconds"], row["p95_seconds"]) == (
        "Hot leads",
        rule.key,
        "2",
        "7.000",
        "9.000",
    )
    assert (row["share_within_target"], row["target_seconds"]) == ("1.0000", "300")


def test_the_csv_by_alert_has_a_row_each(page, db):
    sent(make_rule(), 7, at=timezone.now() - timedelta(seconds=30))

    [row] = table(page.get(reverse("console:sla_alerts")))

    assert (row["state"], row["seconds"], row["in_time"]) == ("delivered", "7.000", "True")


def test_a_name_that_a_spreadsheet_would_run_is_made_harmless(page, db):
    sent(make_rule(name="=cmd()"), 1, at=timezone.now() - timedelta(seconds=30))

    [row] = table(page.get(reverse("console:sla_by_day")))

    assert row["rule"] == "'=cmd()"
