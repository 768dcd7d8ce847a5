"""The timeline: everything that happened to a record, in order, with reasons."""

from datetime import timedelta

import pytest
from django.urls import reverse

from routing import timeline
from tests.admin.factories import make_alert, make_decision, make_tie
from tests.factories import NOON, make_change, make_delivery, make_person, make_rule, make_stream, make_sync

ID = "00Q000000000001AAA"
SECOND = timedelta(seconds=1)


def titles(record_id=ID):
    return [event.title for event in timeline.events(record_id)]


def test_a_sent_alert_is_told_from_capture_to_message(db):
    rule = make_rule(name="Hot leads")
    change = make_change(rule.stream, record_id=ID, captured_at=NOON + 3 * SECOND)
    decision = make_decision(rule, change, decided_at=NOON + 4 * SECOND)
    make_alert(
        rule, change, decision=decision, person=make_person(name="Priya"), now=NOON + 4 * SECOND,
        state="delivered", attempts=2, settled_at=NOON + 6 * SECOND,
    )  # fmt: skip

    events = timeline.events(ID)

    assert [event.title for event in events] == [
        "Seen for the first time",
        "Hot leads: sent on",
        f"Message to Priya by {rule.destination.name} queued",
        f"Message to Priya by {rule.destination.name} sent",
    ]
    assert "read 3 s after it changed there (12:00:00 UTC)" in events[0].text
    assert events[1].lines == ((True, "1. Rating is “Hot”, as wanted"),)
    assert events[3].text == "Delivered after 2 tries, 6 s after the event at the vendor."


def test_a_later_version_tells_what_changed_and_leaves_the_stamps_out(db):
    stream = make_stream()
    make_change(stream, record_id=ID, values={"Rating": "Warm", "Owner": {"Name": "Ann"}, "Stamp": "x"})
    later = NOON + timedelta(hours=1)
    make_change(
        stream, record_id=ID, modified_at=later, captured_at=later,
        values={"Rating": "Hot", "Owner": {"Name": "Bob"}, "Stamp": later.isoformat()},
    )  # fmt: skip

    changed = [event for event in timeline.events(ID) if event.title == "Changed"]

    assert [line for _, line in changed[0].lines] == ["Owner.Name: “Ann” → “Bob”", "Rating: “Warm” → “Hot”"]


def test_amounts_read_as_people_write_them(db):
    make_change(record_id=ID, values={"AnnualRevenue": 20_000_000.0, "Score": 1.5})

    lines = [line for _, line in timeline.events(ID)[0].lines]

    assert lines == ["AnnualRevenue: “20000000”", "Score: “1.5”"]


def test_a_long_way_is_said_in_days_and_hours(db):
    make_change(record_id=ID, modified_at=NOON - timedelta(hours=24), captured_at=NOON)

    assert "read 1 d after it changed there" in timeline.events(ID)[0].text


def test_a_record_that_no_rule_matched_says_which_row_said_no(db):
    rule = make_rule(name="Hot leads")
    change = make_change(rule.stream, record_id=ID)
    make_decision(
        rule,
        change,
        verdict="skip",
        reason="no_match",
        text="Not hot.",
        rows=[[1, False, "Rating is “Warm”"]],
    )

    [_, decided] = timeline.events(ID)

    assert decided.title == "Hot leads: skipped"
    assert decided.lines == ((False, "1. Rating is “Warm”"),)
    assert ("Reason", "Criteria not met") in decided.facts


def test_a_record_that_no_rule_looked_at_says_so(db):
    make_change(record_id=ID, state="routed", routed_at=NOON)

    assert titles() == ["Seen for the first time", "No rule looked at it"]


def test_a_record_that_waits_to_be_routed_says_so(db):
    make_change(record_id=ID)

    assert titles() == ["Seen for the first time", "Not decided yet"]


def test_a_baseline_is_no_news(db):
    make_change(record_id=ID, origin="baseline", state="routed", routed_at=NOON)

    assert titles() == ["Learned as current values (baseline)"]


@pytest.mark.parametrize(
    ("delivery", "title", "text"),
    [
        (
            {"state": "dead", "settled_at": NOON, "error": "No such channel.", "remedy": "Invite the bot."},
            "dead letter",
            "No such channel. Invite the bot.",
        ),
        ({"state": "expired", "settled_at": NOON, "error": "Too late."}, "expired", "Too late."),
        ({"attempts": 2, "attempted_at": NOON, "error": "Slack is down."}, "try 2", "Slack is down."),
    ],
)
def test_the_fate_of_a_message_is_told_with_its_reason(db, delivery, title, text):
    rule = make_rule()
    make_alert(rule, make_change(rule.stream, record_id=ID), **delivery)

    last = timeline.events(ID)[-1]

    assert last.title.endswith(title)
    assert last.text == text


def test_a_held_alert_says_until_when(db):
    rule = make_rule()
    change = make_change(rule.stream, record_id=ID)
    opening = NOON + timedelta(hours=8)
    decision = make_decision(rule, change, verdict="hold", reason="outside_hours", hold_until=opening)
    make_alert(rule, change, decision=decision, due_at=opening, expires_at=opening + timedelta(minutes=5))

    events = timeline.events(ID)

    assert ("Held until", "2026-11-20 20:00 UTC") in events[1].facts
    assert events[2].text == "Due 2026-11-20 20:00:00 UTC. Not sent after 2026-11-20 20:05:00 UTC."


def test_a_message_that_is_no_alert_is_told_too(db):
    change = make_change(record_id=ID)
    make_delivery(change_id=change.pk, origin="test:hot")

    assert "(test:hot)" in titles()[-1]


def test_asking_costs_the_same_however_much_happened(db, django_assert_max_num_queries):
    rule = make_rule()
    for _ in range(6):
        make_alert(rule, make_change(rule.stream, record_id=ID))

    with django_assert_max_num_queries(8):
        events = timeline.events(ID)

    assert len(events) == 18


def test_a_tie_that_waits_is_told_with_its_reason(db):
    sync = make_sync(name="Orders to deals")
    make_change(sync.stream, record_id=ID)
    tie = make_tie(sync, record_id=ID, foreign_id="cus_1", state="waiting", reason="It is not written yet.")

    [told] = [event for event in timeline.events(ID) if "tie to" in event.title]

    partner = tie.tie.partner.name
    assert told.title == f"Orders to deals: tie to cus_1 of {partner}, waits for the other record"
    assert told.text == "It is not written yet."


@pytest.mark.parametrize("term", [ID, ID[:15], "ANN@acme.test", "ann l", "Lee"])
def test_records_are_found_by_id_email_and_name(db, term):
    stream = make_stream()
    for _ in range(2):
        make_change(stream, record_id=ID, title="Ann Lee", email="ann@acme.test")
    make_change(stream, title="Bob Moss")

    hits = timeline.search(term)

    assert [(hit.record_id, hit.title) for hit in hits] == [(ID, "Ann Lee")]


@pytest.mark.parametrize("term", ["", "   ", "nobody", "%", "00Q"])
def test_nothing_is_found_by_what_fits_nothing(db, term):
    make_change(record_id=ID, title="Ann Lee")

    assert timeline.search(term) == []


def test_the_page_of_one_hit_opens_at_once_and_tells_the_story(page, db):
    rule = make_rule(name="Hot leads")
    change = make_change(rule.stream, record_id=ID, title="<i>Ann</i>")
    make_alert(rule, change)

    content = page.get(reverse("console:timeline"), {"q": ID}, follow=True).content.decode()

    assert "Hot leads: sent on" in content
    assert "&lt;i&gt;Ann&lt;/i&gt;" in content
    assert "<i>Ann</i>" not in content


def test_an_unknown_record_is_said_to_be_unknown(page, db):
    found = page.get(reverse("console:timeline"), {"q": "nobody"}).content.decode()
    opened = page.get(reverse("console:timeline_record", args=["nobody/at all"])).content.decode()

    assert "Nothing found for “nobody”" in found
    assert "Nothing is known of “nobody/at all”" in opened


def test_where_nothing_is_found_the_page_says_what_was_searched(page):
    content = page.get(reverse("console:timeline"), {"q": "nobody@example.test"}).content.decode()

    assert "Of events the newest 20,000 are looked through" in content
