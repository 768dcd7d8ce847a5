"""Previews at a pretend Salesforce, and replays over stored changes; nothing is sent by either."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from routing import preview, rulebook
from routing.models import Decision
from routing.models.decisions import Reason
from syncs import streams
from syncs.models import Delivery
from tests.factories import (
    NOON,
    make_change,
    make_person,
    make_rule,
    make_salesforce,
    make_slack,
    make_stream,
)
from tests.routing.factories import make_link

pytestmark = pytest.mark.django_db

HOT = ("Rating", "equals", "Hot")
BIG = ("AnnualRevenue", "greater", "1000000")


def days(count):
    return timedelta(days=count)


class TestPreview:
    @pytest.fixture
    def stream(self, simulator):
        simulator.set_clock(NOON)
        stream = make_stream(make_salesforce(simulator), key="leads")
        streams.describe(stream, NOON)
        return stream

    def show(self, stream, *criteria, limit=50, **values):
        rule = make_rule(*criteria, stream=stream, **values)
        draft = rulebook.draft_of(rule, list(rule.criteria.all()))
        return preview.preview(draft, NOON, limit=limit)

    def add(self, simulator, name, age, **values):
        return simulator.salesforce.add(
            "Lead", LastName=name, Company="Acme", created_at=NOON - age, **values
        )

    def test_recent_matches_are_counted_and_listed_newest_first(self, simulator, stream):
        owner = simulator.salesforce.add_user("Priya Nair", "priya@x.test")
        make_link(stream.connection, owner, None, name="Priya Nair")
        self.add(simulator, "Old", days(9), Rating="Hot")
        self.add(simulator, "Monday", days(4), Rating="Hot", OwnerId=owner)
        self.add(simulator, "Cold", days(2), Rating="Cold")
        newest = self.add(simulator, "Today", days(0.1), Rating="Hot")

        shown = self.show(stream, HOT)

        assert (shown.ok, shown.total, shown.text) == (True, 2, "Matching in the last 7 days: 2.")
        assert [found.title for found in shown.matching] == ["Today", "Monday"]
        assert shown.matching[0].url.endswith(newest)
        assert shown.matching[1].owner == "Priya Nair"
        assert shown.matching[1].when == NOON - days(4)

    def test_who_fails_in_one_row_only_is_shown_with_that_row(self, simulator, stream):
        self.add(simulator, "Small", days(3), Rating="Hot", AnnualRevenue=500)
        self.add(simulator, "Cold", days(0.5), Rating="Cold", AnnualRevenue=2_000_000)
        self.add(simulator, "Neither", days(1), Rating="Cold", AnnualRevenue=500)
        self.add(simulator, "Both", days(1), Rating="Hot", AnnualRevenue=2_000_000)

        shown = self.show(stream, HOT, BIG)

        assert [(found.title, found.said_no) for found in shown.near_misses] == [
            ("Cold", 'Rating is "Cold", wanted "Hot"'),
            ("Small", "AnnualRevenue is 500, wanted more than 1000000"),
        ]

    def test_the_limit_shortens_the_lists_and_not_the_count(self, simulator, stream):
        for number in range(5):
            self.add(simulator, f"Lead {number}", days(1), Rating="Hot")

        shown = self.show(stream, HOT, limit=2)

        assert (shown.total, len(shown.matching)) == (5, 2)

    def test_a_preview_takes_three_calls_at_most(self, simulator, stream):
        self.add(simulator, "One", days(1), Rating="Hot")
        self.show(stream, HOT)  # logs in
        simulator.salesforce.requests.clear()

        self.show(stream, HOT)

        assert len(simulator.salesforce.requests) <= 3

    def test_an_old_record_that_was_changed_counts_for_the_other_triggers_only(self, simulator, stream):
        lead = self.add(simulator, "Old", days(30), Rating="Cold")
        simulator.salesforce.update(lead, Rating="Hot")

        assert self.show(stream, HOT).total == 0
        entering = self.show(stream, HOT, trigger="enters")
        assert entering.total == 1
        assert entering.text == (
            "Changed in the last 7 days and meeting the criteria now: 1. "
            "The rule sends for those that did not meet them before."
        )

    def test_a_field_that_cannot_be_queried_by_is_judged_here(self, simulator, stream):
        self.add(simulator, "Yes", days(1), Description="wants a demo")
        self.add(simulator, "No", days(1), Description="nothing")
        assert not stream.object_schema.fields["Description"].filterable

        shown = self.show(stream, ("Description", "contains", "demo"))

        assert [found.title for found in shown.matching] == ["Yes"]

    def test_more_than_can_be_read_is_said_to_be_so(self, simulator, stream, monkeypatch):
        monkeypatch.setattr(preview, "SAMPLE", 3)
        for number in range(5):
            self.add(simulator, f"Lead {number}", days(1), Rating="Hot")

        assert self.show(stream, HOT).text == "Matching in the last 7 days: 3 or more."

    def test_without_criteria_everything_matches_and_nothing_nearly_does(self, simulator, stream):
        self.add(simulator, "One", days(1))

        shown = self.show(stream)

        assert (shown.total, shown.near_misses) == (1, ())

    @pytest.mark.parametrize(
        ("criteria", "logic", "text"),
        [
            (
                ("Ratings", "equals", "x"),
                "",
                "Row 1 (Ratings): There is no field “Ratings”. Did you mean Rating?",
            ),
            (HOT, "2", "Filter logic: row 2 does not exist; there is 1 row."),
        ],
    )
    def test_a_fault_in_the_rule_is_a_sentence(self, stream, criteria, logic, text):
        shown = self.show(stream, criteria, filter_logic=logic)

        assert (shown.ok, shown.text) == (False, text)

    def test_an_outage_is_a_sentence(self, simulator, stream):
        simulator.salesforce.faults.outage(on=True, kind="unavailable")

        shown = self.show(stream, HOT)

        assert (shown.ok, shown.total) == (False, 0)
        assert shown.text.startswith(f"{stream.connection} could not be asked: ")

    def test_an_empty_form_is_a_sentence(self):
        draft = rulebook.draft_of(rulebook.Rule(), [])

        assert preview.preview(draft, NOON).text == "Choose a stream first."

    def test_nothing_is_sent_or_decided(self, simulator, stream):
        self.add(simulator, "One", days(1), Rating="Hot")

        self.show(stream, HOT)

        assert not Delivery.objects.exists()
        assert not Decision.objects.exists()


class TestReplay:
    @pytest.fixture
    def rule(self):
        stream, slack = make_stream(key="leads", started_at=NOON - days(30)), make_slack()
        priya = make_person(name="Priya Nair")
        make_link(stream.connection, "005P", priya)
        make_link(slack, "UPRIYA", priya)
        return make_rule(
            HOT,
            key="hot",
            stream=stream,
            destination=slack,
            enabled=False,
            active_from=NOON,
            trigger="enters",
        )

    def change(self, rule, rating, age, now=NOON, **values):
        when = now - age
        values.setdefault("record_id", "00Q1")
        return make_change(
            rule.stream,
            owner_id="005P",
            modified_at=when,
            created_at=now - days(20),
            captured_at=when + timedelta(minutes=1),
            values={"Rating": rating},
            **values,
        )

    def replay(self, rule, **values):
        booked = rulebook.booked(rule, rule.stream, list(rule.criteria.all()))
        return list(preview.replay(booked, rule.stream, rule.destination, NOON, **values))

    def test_it_says_what_the_rule_would_have_said_when_each_change_was_read(self, rule):
        self.change(rule, "Cold", days(8))
        entering = self.change(rule, "Hot", days(2))
        self.change(rule, "Hot", days(1))

        said = [(change.pk, proposal.reason) for change, proposal in self.replay(rule)]

        assert said[0] == (entering.pk, Reason.MATCHED)
        assert [reason for _, reason in said] == [Reason.MATCHED, Reason.NOT_TRIGGERED]

    def test_more_changes_than_one_chunk_are_all_replayed(self, rule, monkeypatch):
        monkeypatch.setattr(preview, "CHUNK", 2)
        for number in range(5):
            self.change(rule, "Hot", days(1), record_id=f"00Q{number}")

        assert len(self.replay(rule)) == 5

    def test_nothing_is_sent_or_decided(self, rule):
        self.change(rule, "Hot", days(1))

        self.replay(rule)

        assert not Delivery.objects.exists()
        assert not Decision.objects.exists()

    def test_the_command_tells_what_would_go_out_and_counts_the_rest(self, rule):
        now = timezone.now()
        self.change(rule, "Cold", days(3), now)
        self.change(rule, "Hot", days(2), now, title="Ann Lee")
        out = StringIO()

        call_command("simulate_rule", "hot", stdout=out)

        assert out.getvalue().splitlines() == [
            f"Ann Lee ({now - days(2):%Y-%m-%d %H:%M:%S} UTC): Matched. Goes to Priya Nair.",
            "2 changes in 7 days: 1 Criteria not met, 1 Matched.",
        ]

    def test_the_command_gives_every_change_as_json(self, rule):
        now = timezone.now()
        self.change(rule, "Cold", days(3), now)
        self.change(rule, "Hot", days(2), now)
        out = StringIO()

        call_command("simulate_rule", "hot", "--json", stdout=out)

        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        assert [line["reason"] for line in lines] == ["no_match", "matched"]
        assert lines[1]["channels"] == ["UPRIYA"]

    @pytest.mark.parametrize("arguments", [["cold"], ["hot", "--days", "0"]])
    def test_the_command_refuses_what_makes_no_sense(self, rule, arguments):
        with pytest.raises(CommandError, match=r"There is no rule “cold”|--days"):
            call_command("simulate_rule", *arguments)


def test_the_route_command_routes_what_waits_and_says_so():
    stream, slack = make_stream(key="leads"), make_slack()
    make_rule(HOT, stream=stream, destination=slack, recipient="channel", recipient_channel="#hot")
    make_change(stream)  # long ago by the clock on the wall
    out = StringIO()

    call_command("route", stdout=out)
    call_command("route", "--stream", "leads", stdout=out)

    assert out.getvalue().splitlines() == [
        "leads: OK: 1 read, 1 skipped",
        "leads: nothing to do, or another process is at it",
    ]
