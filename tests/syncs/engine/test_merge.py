from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncs.twoway.merge import Move, Question, Seen, Side, State, Winner, canonical, judge
from tests.factories import NOON

LATER = NOON + timedelta(minutes=1)
LEFT, RIGHT = Side.LEFT, Side.RIGHT


def seen(value, at=NOON, **more):
    return Seen(value, value, at, **more)


def asked(side, state, mine, theirs, winner=Winner.SOURCE, **more):
    mine = seen(mine) if isinstance(mine, str) else mine
    theirs = seen(theirs) if isinstance(theirs, str) else theirs
    return judge(Question(side, winner, state, mine, theirs, **more), LATER)


AGREED = State("a", "a")
COMING = State("b", "b", RIGHT, "a", NOON)
"""The left changed to b, which is being written to the right."""


@pytest.mark.parametrize(
    ("case", "move"),
    [
        pytest.param((LEFT, AGREED, "a", "a"), Move.SAME, id="nothing changed"),
        pytest.param((LEFT, AGREED, "b", "a"), Move.WRITE, id="one side changed"),
        pytest.param((RIGHT, AGREED, "b", "a"), Move.WRITE, id="the other side changed"),
        pytest.param((LEFT, AGREED, "b", None), Move.WRITE, id="the other side was never read"),
        pytest.param((LEFT, AGREED, "b", "b"), Move.AGREED, id="both changed to the same"),
        pytest.param((RIGHT, COMING, "b", "b"), Move.ECHO, id="what was written comes back"),
        pytest.param((RIGHT, None, "a", "a"), Move.AGREED, id="met for the first time, alike"),
        pytest.param((RIGHT, None, "a", None), Move.LEARNED, id="met for the first time, the other unknown"),
    ],
)
def test_what_one_side_says_follows_from_what_both_held(case, move):
    assert asked(*case).move is move


@pytest.mark.parametrize(
    ("landed", "is_after", "move"),
    [(False, False, Move.STALE), (True, False, Move.STALE), (True, True, Move.WRITE)],
)
def test_a_value_read_before_our_write_landed_is_no_news_and_one_read_after_is(landed, is_after, move):
    assert asked(RIGHT, COMING, "a", "b", landed=landed, is_after=is_after).move is move


@pytest.mark.parametrize(
    ("winner", "left", "right"),
    [
        (Winner.SOURCE, Move.WRITE, Move.YIELD),
        (Winner.DESTINATION, Move.YIELD, Move.WRITE),
        (Winner.KEEP, Move.KEPT, Move.KEPT),
        (Winner.ASK, Move.CONFLICT, Move.CONFLICT),
    ],
)
def test_both_sides_come_to_the_same_winner(winner, left, right):
    assert asked(LEFT, AGREED, "b", "c", winner).move is left
    assert asked(RIGHT, AGREED, "c", "b", winner).move is right


@pytest.mark.parametrize(
    ("left_at", "right_at", "wins"), [(NOON, LATER, RIGHT), (LATER, NOON, LEFT), (NOON, NOON, LEFT)]
)
def test_the_newest_wins_and_of_equally_new_ones_the_source(left_at, right_at, wins):
    left, right = seen("b", left_at), seen("c", right_at)

    assert (asked(LEFT, AGREED, left, right, Winner.NEWEST).move is Move.WRITE) == (wins is LEFT)
    assert (asked(RIGHT, AGREED, right, left, Winner.NEWEST).move is Move.WRITE) == (wins is RIGHT)


@pytest.mark.parametrize(
    ("theirs", "move"), [("", Move.WRITE), ("a", Move.KEPT)], ids=["empty is filled", "a value stays"]
)
def test_what_is_never_overwritten(theirs, move):
    assert asked(LEFT, State("", theirs), "b", theirs, Winner.KEEP).move is move


def test_what_the_mapping_leaves_out_is_not_written():
    assert asked(LEFT, AGREED, Seen("", "", NOON, is_sent=False), "a").move is Move.KEPT


def test_several_to_one_is_no_difference():
    mine, theirs = Seen("shipped", "won", NOON), Seen("won", "delivered", NOON)

    assert asked(LEFT, State("paid", "won"), mine, theirs).move is Move.AGREED


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("  Ann   Lee ", "Ann Lee"), ("Ann@X.Test", "ann@x.test"), ("ACME.com", "acme.com"), ("1500", "1500.00"),
        (1500.0, "1500"), (Decimal("2.50"), 2.5), (True, "TRUE"), (None, ""), ([], ""), ("b;a", "a; b"),
        ("+49 (30) 123-4567", "+49301234567"), ("2026-11-20", "2026-11-20T00:00:00.000Z"),
        ("2026-11-20T13:00:00+01:00", "2026-11-20T12:00:00Z"), (date(2026, 11, 20), "2026-11-20"),
        (datetime(2026, 11, 20, 12, tzinfo=NOON.tzinfo), "2026-11-20T12:00:00.000Z"), (-0.0, "0"),
    ],
)  # fmt: skip
def test_what_vendors_write_differently_is_the_same(one, other):
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("007", "7"), ("Ann", "ann"), ("", "0"), (False, ""), ("1e3", "1000"), ("192.168.1.10", "192168110")],
)
def test_what_may_mean_another_thing_differs(one, other):
    assert canonical(one) != canonical(other)


@given(
    st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.datetimes()
    | st.integers()
)
def test_the_canonical_form_is_its_own(value):
    assert canonical(canonical(value)) == canonical(value)


@dataclass
class World:
    """Two records, what was read of them and not decided yet, and writes on their way; perfect vendors."""

    winner: Winner
    now: datetime = NOON
    state: State | None = AGREED
    there: dict = field(default_factory=lambda: {LEFT: seen("a"), RIGHT: seen("a")})
    known: dict = field(default_factory=lambda: {LEFT: seen("a"), RIGHT: seen("a")})
    queue: list = field(default_factory=list)
    writes: list = field(default_factory=list)
    landed_at: dict = field(default_factory=lambda: {LEFT: None, RIGHT: None})
    written: int = 0

    def edit(self, side, value):
        self.now += timedelta(seconds=1)
        self.there[side] = seen(value, self.now)

    def read(self, side):
        self.now += timedelta(seconds=1)
        if self.there[side].value != self.known[side].value:
            self.known[side] = self.there[side]
            self.queue.append((side, self.now))

    def decide(self, last=False):
        if not self.queue:
            return
        side, read_at = self.queue.pop(-1 if last else 0)
        self.now += timedelta(seconds=1)
        landed = self.landed_at[side]
        question = Question(
            side, self.winner, self.state, self.known[side], self.known[side.other],
            landed=bool(self.state.since and landed and landed >= self.state.since),
            is_after=bool(landed and read_at > landed),
        )  # fmt: skip
        answer = judge(question, self.now)
        racing = self.state.to is side and not question.landed
        self.state = answer.state or self.state
        if answer.move is Move.WRITE:
            if racing:
                self.writes = [one for one in self.writes if one[0] is not side]
            self.writes = [one for one in self.writes if one[0] is not side.other]
            self.writes.append((side.other, self.known[side].value))
        elif answer.move is Move.YIELD:
            self.queue.append((side.other, read_at))

    def land(self):
        self.now += timedelta(seconds=1)
        if self.writes:
            side, value = self.writes.pop(0)
            self.there[side] = seen(value, self.now)
            self.landed_at[side] = self.now
            self.written += 1

    def rest(self):
        for _ in range(40):
            before = (self.written, self.there[LEFT].value, self.there[RIGHT].value)
            for side in (LEFT, RIGHT):
                self.read(side)
            while self.queue and len(self.queue) < 50:
                self.decide()
            while self.writes:
                self.land()
            if before == (self.written, self.there[LEFT].value, self.there[RIGHT].value):
                return
        raise AssertionError("It does not come to rest.")


DECIDED = st.sampled_from([Winner.SOURCE, Winner.DESTINATION, Winner.NEWEST])
STEPS = st.lists(
    st.tuples(st.just("edit"), st.sampled_from([LEFT, RIGHT]), st.sampled_from("abcd"))
    | st.tuples(st.just("read"), st.sampled_from([LEFT, RIGHT]))
    | st.tuples(st.just("decide"), st.booleans())
    | st.tuples(st.just("land")),
    max_size=25,
)


@given(DECIDED, STEPS)
def test_whatever_happens_both_sides_become_alike_and_stay_so(winner, steps):
    world = World(winner)
    for name, *values in steps:
        getattr(world, name)(*values)

    world.rest()
    written = world.written
    world.rest()

    assert world.there[LEFT].value == world.there[RIGHT].value
    assert world.written == written


@given(
    st.sampled_from([Winner.SOURCE, Winner.DESTINATION, Winner.NEWEST]),
    st.sampled_from("bc"),
    st.sampled_from("bc"),
)
def test_the_order_in_which_changes_are_decided_does_not_matter(winner, left, right):
    ends = []
    for first in (LEFT, RIGHT):
        world = World(winner)
        world.edit(LEFT, left)
        world.edit(RIGHT, right)
        world.read(first)
        world.read(first.other)
        world.rest()
        ends.append(world.there[LEFT].value)

    assert ends[0] == ends[1]
