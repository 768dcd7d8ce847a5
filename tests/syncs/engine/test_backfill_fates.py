"""What becomes of a record that a backfill met."""

from datetime import timedelta

import pytest

from syncs.engine.backfill.fates import Known, Live, PageMark, Rival, Row, Setting, decide
from syncs.engine.mapping import Mapped
from tests.factories import NOON

EARLIER, LATER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
RUN, FORMER_RUN = 7, 6
SETTING = Setting(
    run_id=RUN, sync_id=1, match_path="email", precedences={1: 20, 2: 10, 3: 20, 4: 30},
    lane=lambda value: f"user:{value}", follows_contact=True, name=lambda sync_id: f"Sync {sync_id}",
)  # fmt: skip


def row(problem="", converted=False):
    mapped = Mapped({"email": "a@x.test"}, "a@x.test", "digest", {}, {}, problem, "bad" if problem else "")
    found = Row("record", NOON, mapped, PageMark(1, "record", 1))
    found.converted = converted
    return found


def link(
    version_at=NOON, payload_hash="digest", match="a@x.test", state="written", run=FORMER_RUN, there=True
):
    return Known(match, payload_hash, version_at, state, run, there)


def outcome(found):
    if found.to_send:
        return "sent"
    if found.tally.unchanged:
        return "unchanged"
    return next(iter(found.tally.reasons), "counted before")


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (None, "sent"),
        (link(), "unchanged"),
        (link(EARLIER), "unchanged"),
        (link(payload_hash="other"), "sent"),
        (link(match="former@x.test"), "sent"),
        (link(state="skipped"), "sent"),
        (link(state="refused"), "sent"),
        (link(state="removed"), "sent"),
        (link(LATER), "older"),
        (link(LATER, payload_hash=""), "older"),
        (link(run=RUN), "counted before"),
        (link(EARLIER, run=RUN), "unchanged"),
        (link(EARLIER, payload_hash="other", run=RUN), "sent"),
        (link(payload_hash="", run=RUN), "sent"),
        (link(state="refused", payload_hash="", run=RUN), "counted before"),
    ],
)
def test_the_record_link_decides_first(known, expected):
    one = row()

    found = decide([one], {"record": known} if known else {}, {}, Live(), SETTING)

    assert outcome(found) == expected
    assert found.tally.read == (0 if expected in ("sent", "counted before") else 1)


@pytest.mark.parametrize(
    ("rival", "expected"),
    [
        (Rival(2, "contact", EARLIER), "collapsed"),
        (Rival(4, "partner", LATER), "sent"),
        (Rival(3, "twin", LATER), "collapsed"),
        (Rival(3, "twin", EARLIER), "sent"),
        (Rival(1, "a-record", NOON), "sent"),
        (Rival(1, "z-record", NOON), "collapsed"),
        (Rival(1, "record", LATER), "sent"),
    ],
)
def test_of_records_with_one_match_value_the_first_by_rank_writes(rival, expected):
    one = row()

    found = decide([one], {}, {"a@x.test": [rival]}, Live(), SETTING)

    assert outcome(found) == expected
    if expected == "collapsed":
        assert (
            found.fates[0].reason
            == f"Sync {rival.sync_id} {rival.record_id} has the same email and goes first."
        )


@pytest.mark.parametrize(
    "live", [Live(frozenset({"user:a@x.test"})), Live(frozenset({"user:old@x.test"}), frozenset({"record"}))]
)
def test_what_a_live_delivery_is_about_to_write_is_left_to_it(live):
    found = decide([row()], {}, {}, live, SETTING)

    assert outcome(found) == "live"


def test_a_note_that_live_writes_it_never_blocks_the_live_version():
    found = decide([row()], {}, {}, Live(frozenset({"user:a@x.test"})), SETTING)

    assert found.fates[0].version_at < EARLIER


@pytest.mark.parametrize(
    ("one", "known", "expected"),
    [
        (row("No e-mail."), None, "bad"),
        (row("No e-mail."), link(EARLIER), "bad"),
        (row(converted=True), None, "converted"),
    ],
)
def test_what_cannot_or_need_not_be_sent_is_skipped_with_its_reason(one, known, expected):
    found = decide([one], {"record": known} if known else {}, {}, Live(), SETTING)

    assert outcome(found) == expected
    assert found.fates[0].state == "skipped"
    assert found.fates[0].reason


def test_the_write_knows_whether_it_creates_and_under_which_key_the_record_was():
    one = row()

    decide([one], {"record": link(EARLIER, match="former@x.test")}, {}, Live(), SETTING)

    assert (one.is_new, one.former) == (False, "former@x.test")
