"""What a rule says of one version of a record, as tables; no database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.schema import FieldSchema, FieldType
from routing import hours
from routing.conditions import Criterion
from routing.decide import (
    DEDUP_KEY_LENGTH,
    RecordState,
    Unseen,
    decide,
    dedup_key,
    fallback_key,
    unseen,
)
from routing.messages import TemplateTexts
from routing.models.decisions import Reason, Role, Verdict
from routing.models.rules import OutsideHours, QueueHandling, Recipient, Trigger
from routing.rulebook import BookedRule

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""A Friday."""
PRIYA, ANN, BOB = 1, 2, 3
A_MINUTE = timedelta(minutes=1)
ROUND_THE_CLOCK = hours.Schedule(tuple(hours.Span(day, time.min, time.min) for day in range(7)), "UTC")
NEVER = hours.Schedule((), "UTC")
AFTERNOONS_IN_INDIA = hours.Schedule(
    tuple(hours.Span(day, time(18), time(20)) for day in range(5)), "Asia/Kolkata"
)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@dataclass
class Account:
    remote_id: str
    name: str
    person_id: int | None = None
    active: bool = True
    is_group: bool = False
    members: tuple[str, ...] = ()


@dataclass
class Address:
    remote_id: str


@dataclass
class Directory:
    accounts: dict[str, Account] = field(
        default_factory=lambda: {
            "005P": Account("005P", "Priya Nair", PRIYA),
            "005A": Account("005A", "Ann Lee", ANN),
            "005G": Account("005G", "Gone Guy", BOB, active=False),
            "005U": Account("005U", "Una Unmatched"),
            "00GQ": Account("00GQ", "EMEA", is_group=True, members=("005P", "005A", "005U")),
            "00GE": Account("00GE", "Empty", is_group=True),
        }
    )
    addresses: dict[int, str] = field(default_factory=lambda: {PRIYA: "UPRIYA", ANN: "UANN"})
    schedules: dict[int, hours.Schedule] = field(default_factory=dict)

    def account(self, connection_id, remote_id):
        return self.accounts.get(remote_id) if connection_id == 7 else None

    def members(self, connection_id, group_id):
        return [self.accounts[member] for member in self.account(connection_id, group_id).members]

    def address(self, person_id):
        return Address(self.addresses[person_id]) if person_id in self.addresses else None

    def schedule(self, person_id):
        return self.schedules.get(person_id, ROUND_THE_CLOCK)

    def name(self, person_id):
        return {PRIYA: "Priya Nair", ANN: "Ann Lee", BOB: "Bob Ray"}[person_id]


def make_rule(**values) -> BookedRule:
    fields = {
        name: FieldSchema(name, name, kind)
        for name, kind in {"Rating": FieldType.PICKLIST, "Stage": FieldType.PICKLIST}.items()
    }
    rule = BookedRule(
        id=1,
        key="hot",
        name="Hot leads",
        stream_key="leads",
        source_id=7,
        source_name="Salesforce",
        fields=fields,
        zone=UTC,
        trigger=Trigger.CREATED,
        watched_field="",
        criteria=(Criterion(1, "Rating", "equals", "Hot"),),
        filter_logic="",
        max_age=minutes(5),
        active_from=NOON - timedelta(days=1),
        destination_id=8,
        destination_name="Slack",
        recipient=Recipient.OWNER,
        recipient_person_id=None,
        recipient_channel="",
        copy_channel="",
        outside_hours=OutsideHours.HOLD,
        outside_channel="",
        queue_handling=QueueHandling.MEMBERS,
        queue_channel="",
        fallback_person_id=None,
        fallback_channel="",
        texts=TemplateTexts("x"),
        alias="lead",
    )
    return replace(rule, **values)


def make_state(rating: str | None = "Hot", *, created=A_MINUTE, modified=A_MINUTE, **values) -> RecordState:
    """Times are how long ago."""
    values.setdefault("values", {"Rating": rating, "Stage": "Open"})
    values.setdefault("owner_id", "005P")
    values.setdefault("version", "v2")
    return RecordState("00Q1", modified_at=NOON - modified, created_at=NOON - created, **values)


def say(rule=None, state=None, previous=Unseen.NEW, directory=None):
    return decide(rule or make_rule(), state or make_state(), previous, directory or Directory(), now=NOON)


BEFORE = make_state("Cold", created=minutes(4), modified=minutes(4), version="v1")
ENTERS = make_rule(trigger=Trigger.ENTERS)
CHANGED = make_rule(trigger=Trigger.CHANGED, watched_field="Stage")
OLD = timedelta(days=30)
STAGE_WAS_NEW = make_state(values={"Rating": "Hot", "Stage": "New"}, version="v1")


def test_a_new_record_that_matches_is_sent_to_its_owner():
    proposal = say()

    assert (proposal.verdict, proposal.reason) == (Verdict.DELIVER, Reason.MATCHED)
    assert proposal.text == "Matched. Goes to Priya Nair."
    assert proposal.trigger_at == NOON - minutes(1)
    [message] = proposal.messages
    assert (message.role, message.person_id, message.channel) == (Role.RECIPIENT, PRIYA, "UPRIYA")
    assert (message.due_at, message.expires_at) == (NOON, NOON + minutes(4))


@pytest.mark.parametrize(
    ("rule", "state", "previous", "reason"),
    [
        pytest.param(make_rule(), make_state("Cold"), Unseen.NEW, Reason.NO_MATCH, id="criteria not met"),
        pytest.param(
            make_rule(), make_state(), BEFORE, Reason.MATCHED, id="completed soon after its creation"
        ),
        pytest.param(
            make_rule(active_from=None),
            make_state(created=OLD),
            BEFORE,
            Reason.NOT_TRIGGERED,
            id="a later change is no creation",
        ),
        pytest.param(
            make_rule(active_from=None),
            make_state(created=minutes(9)),
            Unseen.NEW,
            Reason.TOO_OLD,
            id="seen for the first time too late",
        ),
        pytest.param(
            make_rule(),
            make_state(created=minutes(9), modified=minutes(8)),
            BEFORE,
            Reason.TOO_OLD,
            id="changed in time, read too late",
        ),
        pytest.param(
            make_rule(active_from=NOON - minutes(0.5)),
            make_state(),
            Unseen.NEW,
            Reason.BEFORE_RULE,
            id="created before the rule was on",
        ),
        pytest.param(
            make_rule(active_from=NOON - minutes(1)), make_state(), Unseen.NEW, Reason.MATCHED, id="just then"
        ),
        pytest.param(
            make_rule(), make_state(created=minutes(5)), Unseen.NEW, Reason.MATCHED, id="just young enough"
        ),
        pytest.param(ENTERS, make_state(), Unseen.NEW, Reason.MATCHED, id="new and matching enters"),
        pytest.param(ENTERS, make_state(), BEFORE, Reason.MATCHED, id="did not match before"),
        pytest.param(
            ENTERS, make_state(created=OLD), BEFORE, Reason.MATCHED, id="age counts from the change"
        ),
        pytest.param(ENTERS, make_state(), make_state(), Reason.NOT_TRIGGERED, id="matched before"),
        pytest.param(ENTERS, make_state("Cold"), make_state(), Reason.NO_MATCH, id="left the criteria"),
        pytest.param(
            ENTERS, make_state(), Unseen.UNKNOWN, Reason.UNKNOWN_BEFORE, id="matching, earlier values unknown"
        ),
        pytest.param(ENTERS, make_state("Cold"), Unseen.UNKNOWN, Reason.NO_MATCH, id="not matching anyway"),
        pytest.param(
            ENTERS,
            make_state(),
            make_state(values={"Stage": "Open"}),
            Reason.UNKNOWN_BEFORE,
            id="the field was not read before",
        ),
        pytest.param(
            ENTERS, make_state(), make_state(None), Reason.MATCHED, id="the field was read and empty before"
        ),
        pytest.param(CHANGED, make_state(), STAGE_WAS_NEW, Reason.MATCHED, id="the watched field changed"),
        pytest.param(CHANGED, make_state(), make_state(), Reason.NOT_TRIGGERED, id="it did not"),
        pytest.param(
            CHANGED, make_state("Cold"), STAGE_WAS_NEW, Reason.NO_MATCH, id="it did, criteria not met"
        ),
        pytest.param(CHANGED, make_state(), Unseen.NEW, Reason.NOT_TRIGGERED, id="new is not changed"),
        pytest.param(CHANGED, make_state(), Unseen.UNKNOWN, Reason.UNKNOWN_BEFORE, id="unknown before"),
        pytest.param(
            CHANGED,
            make_state(),
            make_state(values={"Rating": "Hot"}),
            Reason.UNKNOWN_BEFORE,
            id="a newly watched field is unknown, not different",
        ),
        pytest.param(
            CHANGED,
            make_state(values={"Rating": "Hot", "Stage": None}),
            make_state(values={"Rating": "Hot", "Stage": ""}),
            Reason.NOT_TRIGGERED,
            id="empty and nothing are the same",
        ),
        pytest.param(
            CHANGED,
            make_state(values={"Rating": "Hot", "Stage": 0}),
            make_state(values={"Rating": "Hot", "Stage": None}),
            Reason.MATCHED,
            id="nothing and zero are not",
        ),
        pytest.param(
            CHANGED, make_state(modified=minutes(6)), STAGE_WAS_NEW, Reason.TOO_OLD, id="changed long ago"
        ),
    ],
)
def test_the_trigger_decides(rule, state, previous, reason):
    proposal = say(rule, state, previous)

    assert proposal.reason == reason
    assert proposal.verdict == (Verdict.DELIVER if reason == Reason.MATCHED else Verdict.SKIP)


@pytest.mark.parametrize(
    ("rule", "state", "previous", "text"),
    [
        (make_rule(), make_state("Warm"), Unseen.NEW, 'Rating is "Warm", wanted "Hot".'),
        (
            make_rule(filter_logic="NOT 1"),
            make_state(),
            Unseen.NEW,
            "The filter logic NOT 1 is not met.",
        ),
        (
            make_rule(),
            make_state(created=minutes(12)),
            Unseen.NEW,
            "Too old: it happened 12 min ago, the rule's limit is 5 min.",
        ),
        (
            make_rule(active_from=NOON),
            make_state(),
            Unseen.NEW,
            "It happened at 2026-11-20 11:59:00 UTC, before the rule was switched on at 2026-11-20 12:00:00 UTC.",
        ),
        (
            make_rule(active_from=None),
            make_state(created=timedelta(days=3, minutes=1)),
            BEFORE,
            "This is a later change: the record was created 3 d before it.",
        ),
        (
            ENTERS,
            make_state(),
            Unseen.UNKNOWN,
            (
                "The hub sees this record for the first time, so it is unknown whether that is a change. "
                "It counts from the next change on; to learn all records' present values at once, "
                "run: manage.py baseline leads"
            ),
        ),
    ],
)
def test_the_reason_is_a_sentence(rule, state, previous, text):
    proposal = say(rule, state, previous)

    assert proposal.text == text


@pytest.mark.parametrize(
    ("rule", "state", "previous", "text"),
    [
        (
            make_rule(),
            make_state(values={"Stage": "Open"}),
            Unseen.NEW,
            (
                "Row 1: Rating was not read with this version of the record. "
                "It is read with the record's next change."
            ),
        ),
        (
            make_rule(criteria=(Criterion(1, "Ratings", "equals", "Hot"),)),
            make_state(),
            Unseen.NEW,
            "Row 1 (Ratings): There is no field “Ratings”. Did you mean Rating?",
        ),
        (
            make_rule(filter_logic="1 AND 2"),
            make_state(),
            Unseen.NEW,
            "Filter logic: row 2 does not exist; there is 1 row.",
        ),
        (
            replace(CHANGED, watched_field="Gone"),
            make_state(),
            STAGE_WAS_NEW,
            "The watched field Gone was not read with this version. Check that the field exists.",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_an_error_and_not_a_mismatch(rule, state, previous, text):
    proposal = say(rule, state, previous)

    assert (proposal.verdict, proposal.reason) == (Verdict.ERROR, Reason.CANNOT_EVALUATE)
    assert proposal.text == text
    assert not proposal.messages


def test_a_record_without_a_creation_time_is_an_error_for_the_created_trigger():
    state = replace(make_state(), created_at=None)

    proposal = say(state=state)

    assert (proposal.verdict, proposal.trigger_at) == (Verdict.ERROR, state.modified_at)


def test_every_row_keeps_its_verdict_when_the_change_is_skipped_for_its_age():
    rule = make_rule(
        criteria=(Criterion(1, "Rating", "equals", "Hot"), Criterion(2, "Stage", "equals", "Won")),
        filter_logic="1 OR 2",
    )

    proposal = say(rule, make_state(created=minutes(9)))

    assert proposal.reason == Reason.TOO_OLD
    assert proposal.matched is True
    assert proposal.rows == (
        (1, True, 'Rating is "Hot", as wanted'),
        (2, False, 'Stage is "Open", wanted "Won"'),
    )


@pytest.mark.parametrize(
    ("changes", "state", "sent", "verdict", "text"),
    [
        pytest.param(
            {"fallback_channel": "#leads"},
            make_state(owner_id="005G"),
            [(Role.FALLBACK, None, "#leads")],
            Verdict.DELIVER,
            "Matched. The owner Gone Guy is not active at Salesforce. Goes to the fallback #leads.",
            id="inactive owner",
        ),
        pytest.param(
            {"fallback_person_id": ANN, "fallback_channel": "#leads"},
            make_state(owner_id="005U"),
            [(Role.FALLBACK, ANN, "UANN")],
            Verdict.DELIVER,
            "Matched. The owner Una Unmatched is matched to nobody in the directory. "
            "Goes to the fallback Ann Lee.",
            id="the fallback person before the channel",
        ),
        pytest.param(
            {"fallback_person_id": BOB, "fallback_channel": "#leads"},
            make_state(owner_id="005X"),
            [(Role.FALLBACK, None, "#leads")],
            Verdict.DELIVER,
            "Matched. The owner 005X is not in the directory. Bob Ray has no active account at Slack. "
            "Goes to the fallback #leads.",
            id="the fallback person cannot be reached either",
        ),
        pytest.param(
            {},
            make_state(owner_id=""),
            [],
            Verdict.SKIP,
            "Matched. The record has no owner. No fallback is set.",
            id="nobody at all",
        ),
        pytest.param(
            {"copy_channel": "#wins"},
            make_state(),
            [(Role.RECIPIENT, PRIYA, "UPRIYA"), (Role.COPY, None, "#wins")],
            Verdict.DELIVER,
            "Matched. Goes to Priya Nair and #wins (copy).",
            id="copy",
        ),
        pytest.param(
            {"copy_channel": "#wins"},
            make_state(owner_id=""),
            [(Role.COPY, None, "#wins")],
            Verdict.DELIVER,
            "Matched. The record has no owner. No fallback is set. Goes to #wins (copy).",
            id="only the copy",
        ),
        pytest.param(
            {},
            make_state(owner_id="00GQ"),
            [(Role.RECIPIENT, PRIYA, "UPRIYA"), (Role.RECIPIENT, ANN, "UANN")],
            Verdict.DELIVER,
            "Matched. Queue EMEA: Una Unmatched is matched to nobody in the directory. "
            "Goes to Priya Nair and Ann Lee.",
            id="each member of the queue",
        ),
        pytest.param(
            {"queue_handling": QueueHandling.CHANNEL, "queue_channel": "#emea"},
            make_state(owner_id="00GQ"),
            [(Role.RECIPIENT, None, "#emea")],
            Verdict.DELIVER,
            "Matched. Goes to #emea.",
            id="the queue's channel",
        ),
        pytest.param(
            {"fallback_channel": "#leads"},
            make_state(owner_id="00GE"),
            [(Role.FALLBACK, None, "#leads")],
            Verdict.DELIVER,
            "Matched. The queue Empty has nobody who can be reached. Goes to the fallback #leads.",
            id="a queue without members",
        ),
        pytest.param(
            {"recipient": Recipient.PERSON, "recipient_person_id": ANN},
            make_state(owner_id=""),
            [(Role.RECIPIENT, ANN, "UANN")],
            Verdict.DELIVER,
            "Matched. Goes to Ann Lee.",
            id="a named person",
        ),
        pytest.param(
            {"recipient": Recipient.CHANNEL, "recipient_channel": "#hot", "copy_channel": "#hot"},
            make_state(owner_id=""),
            [(Role.RECIPIENT, None, "#hot")],
            Verdict.DELIVER,
            "Matched. Goes to #hot.",
            id="one channel gets one message",
        ),
    ],
)
def test_who_gets_the_message(changes, state, sent, verdict, text):
    proposal = say(make_rule(**changes), state)

    assert [(m.role, m.person_id, m.channel) for m in proposal.messages] == sent
    assert (proposal.verdict, proposal.text) == (verdict, text)
    assert proposal.reason == (
        Reason.MATCHED if any(role != Role.COPY for role, _, _ in sent) else Reason.NO_RECIPIENT
    )


@pytest.mark.parametrize(
    ("changes", "verdict", "sent", "text"),
    [
        pytest.param(
            {},
            Verdict.HOLD,
            [("UPRIYA", NOON + minutes(30), NOON + minutes(35))],
            "Matched. Priya Nair: 17:30 in Asia/Kolkata, opens 18:00, held 30 min.",
            id="held until they open, fresh from then on",
        ),
        pytest.param(
            {"outside_hours": OutsideHours.SKIP},
            Verdict.SKIP,
            [],
            "Matched. Priya Nair: 17:30 in Asia/Kolkata, opens 18:00.",
            id="skipped",
        ),
        pytest.param(
            {"outside_hours": OutsideHours.CHANNEL, "outside_channel": "#late"},
            Verdict.DELIVER,
            [("#late", NOON, NOON + minutes(4))],
            "Matched. Priya Nair: 17:30 in Asia/Kolkata, opens 18:00. Goes to #late.",
            id="to a channel instead",
        ),
        pytest.param(
            {"copy_channel": "#wins"},
            Verdict.HOLD,
            [
                ("UPRIYA", NOON + minutes(30), NOON + minutes(35)),
                ("#wins", NOON, NOON + minutes(4)),
            ],
            "Matched. Priya Nair: 17:30 in Asia/Kolkata, opens 18:00, held 30 min. Goes to #wins (copy).",
            id="a copy goes out at any hour",
        ),
    ],
)
def test_outside_working_hours(changes, verdict, sent, text):
    directory = Directory(schedules={PRIYA: AFTERNOONS_IN_INDIA})

    proposal = say(make_rule(**changes), directory=directory)

    assert (proposal.verdict, proposal.reason) == (verdict, Reason.OUTSIDE_HOURS)
    assert [(m.channel, m.due_at, m.expires_at) for m in proposal.messages] == sent
    assert proposal.text == text
    assert proposal.hold_until == (NOON + minutes(30) if verdict == Verdict.HOLD else None)


def test_send_anyway_sends_at_any_hour():
    directory = Directory(schedules={PRIYA: AFTERNOONS_IN_INDIA})

    proposal = say(make_rule(outside_hours=OutsideHours.SEND), directory=directory)

    assert (proposal.verdict, proposal.reason) == (Verdict.DELIVER, Reason.MATCHED)


def test_who_does_not_open_in_sight_is_replaced_by_the_fallback():
    directory = Directory(schedules={PRIYA: NEVER})

    proposal = say(make_rule(fallback_channel="#leads"), directory=directory)

    assert [m.channel for m in proposal.messages] == ["#leads"]
    assert "does not open within 60 days" in proposal.text


def test_of_a_queue_those_at_work_are_told_now_and_the_others_later():
    directory = Directory(schedules={PRIYA: AFTERNOONS_IN_INDIA})

    proposal = say(state=make_state(owner_id="00GQ"), directory=directory)

    assert proposal.verdict == Verdict.DELIVER
    assert [(m.channel, m.due_at) for m in proposal.messages] == [
        ("UPRIYA", NOON + minutes(30)),
        ("UANN", NOON),
    ]
    assert proposal.hold_until == NOON + minutes(30)


def test_who_could_not_be_addressed_is_named_for_a_look_up():
    unknown_owner = say(state=make_state(owner_id="005X"))
    no_account = say(make_rule(recipient=Recipient.PERSON, recipient_person_id=BOB))

    assert unknown_owner.missing_owners == {"005X"}
    assert no_account.missing_people == {BOB}


@pytest.mark.parametrize(
    ("created", "started", "baseline", "expected"),
    [
        (NOON, None, None, Unseen.UNKNOWN),
        (NOON, NOON, None, Unseen.NEW),
        (NOON - minutes(1), NOON, None, Unseen.UNKNOWN),
        (NOON, NOON + minutes(1), NOON, Unseen.NEW),
        (NOON, NOON, NOON + minutes(1), Unseen.NEW),
        (NOON - minutes(1), None, NOON, Unseen.UNKNOWN),
        (None, NOON, NOON, Unseen.UNKNOWN),
    ],
)
def test_a_record_without_an_earlier_version_is_new_if_it_was_created_under_our_eyes(
    created, started, baseline, expected
):
    assert unseen(created, started_at=started, baseline_at=baseline) is expected


def test_a_creation_is_announced_once_and_other_events_once_a_version():
    [message] = say().messages
    later = replace(make_state(), version="v3")

    assert dedup_key(make_rule(), make_state(), message) == "rule:hot:00Q1:created:recipient:UPRIYA"
    assert dedup_key(make_rule(), later, message) == dedup_key(make_rule(), make_state(), message)
    assert dedup_key(ENTERS, later, message) != dedup_key(ENTERS, make_state(), message)


@given(st.text(min_size=1, max_size=400), st.text(max_size=400))
def test_dedup_keys_fit_their_column_and_stay_different(version, channel):
    [message] = say().messages
    state = replace(make_state(), version=version)
    key = dedup_key(ENTERS, state, replace(message, channel=channel))

    assert len(key) <= DEDUP_KEY_LENGTH
    assert len(fallback_key(key)) <= DEDUP_KEY_LENGTH
    assert fallback_key(key) != key
    assert key != dedup_key(ENTERS, state, replace(message, channel=f"{channel}x"))
