"""Whose account is it: addresses, aliases, doubts, and links set by hand."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.matching import (
    Account,
    KnownPerson,
    Newcomer,
    State,
    match,
    without_alias,
)

CRM, CHAT = 1, 2
ANN = KnownPerson(10, "ann@x.test")
BOB = KnownPerson(11, "bob@x.test")


def user(remote_id="005A", email="ann@x.test", **more):
    return Account(CRM, remote_id, email=email, **more)


def member(remote_id="U1", email="ann@x.test", **more):
    return Account(CHAT, remote_id, email=email, single=True, **more)


def outcome(matching):
    return {v.account.remote_id: (v.state.value, v.person, v.candidates) for v in matching.verdicts}


MATCHED_TO_ANN = ("matched", 10, ())
NOBODY = ("unmatched", None, ())


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        pytest.param(user(email="ann@x.test"), MATCHED_TO_ANN, id="same address"),
        pytest.param(user(email="  ANN@X.test "), MATCHED_TO_ANN, id="case and blanks"),
        pytest.param(user(email="ann@x.test.invalid"), MATCHED_TO_ANN, id="sandbox suffix"),
        pytest.param(user(email="ann+sf@x.test"), MATCHED_TO_ANN, id="plus alias"),
        pytest.param(user(email="Ann+SF@x.test.invalid"), MATCHED_TO_ANN, id="alias in a sandbox"),
        pytest.param(user(active=False), MATCHED_TO_ANN, id="inactive"),
        pytest.param(user(is_group=True), NOBODY, id="a queue with a person's address"),
        pytest.param(user(email=""), NOBODY, id="no address"),
        pytest.param(user(email="ann"), NOBODY, id="no real address"),
        pytest.param(user(email="new@x.test", active=False), NOBODY, id="inactive and known to nobody"),
        pytest.param(user(email="bob@x.test", manual=True, person_id=10), MATCHED_TO_ANN, id="by hand"),
        pytest.param(user(manual=True), NOBODY, id="by hand: nobody"),
    ],
)
def test_an_account_is_matched_to_the_person_with_its_address(account, expected):
    matching = match([account], [ANN, BOB])

    assert outcome(matching) == {account.remote_id: expected}
    assert matching.newcomers == []


def test_an_account_without_alias_matches_the_one_person_known_by_an_alias():
    matching = match([member(email="ann@x.test")], [KnownPerson(10, "ann+sf@x.test")])

    assert outcome(matching) == {"U1": MATCHED_TO_ANN}


def test_several_people_with_aliases_of_one_mailbox_leave_it_in_doubt():
    people = [KnownPerson(10, "team+a@x.test"), KnownPerson(11, "team+b@x.test")]

    matching = match([member(email="team@x.test")], people)

    assert outcome(matching) == {"U1": ("doubtful", None, (10, 11))}


def test_two_different_aliases_of_one_mailbox_are_two_people():
    matching = match([user("1", "team+a@x.test"), user("2", "team+b@x.test")], [])

    assert [newcomer.email for newcomer in matching.newcomers] == ["team+a@x.test", "team+b@x.test"]


def test_two_known_people_with_one_address_leave_it_in_doubt():
    matching = match([user()], [ANN, KnownPerson(12, "Ann@x.test")])

    assert outcome(matching) == {"005A": ("doubtful", None, (10, 12))}


def test_an_unknown_active_account_makes_a_newcomer_who_has_all_their_accounts():
    accounts = [user("005N", "New+sf@x.test", name="N. Ew"), member("U9", "new@x.test", name="Nell Ew")]

    matching = match(accounts, [])

    assert matching.newcomers == [Newcomer("new@x.test", "Nell Ew")]
    assert {v.person for v in matching.verdicts} == {"new@x.test"}


def test_a_newcomer_without_a_name_is_called_by_their_address():
    matching = match([member(email="new@x.test", name=" ")], [])

    assert matching.newcomers == [Newcomer("new@x.test", "new")]


def test_two_accounts_of_one_person_in_a_crm_are_both_theirs():
    matching = match([user("1"), user("2")], [ANN])

    assert outcome(matching) == {"1": MATCHED_TO_ANN, "2": MATCHED_TO_ANN}


def test_two_active_members_with_one_address_are_both_in_doubt():
    matching = match([member("U1"), member("U2")], [ANN])

    assert outcome(matching) == {"U1": ("doubtful", None, (10,)), "U2": ("doubtful", None, (10,))}


def test_two_active_members_with_one_new_address_make_one_person_to_choose():
    matching = match([member("U1", "new@x.test"), member("U2", "new@x.test")], [])

    assert [newcomer.email for newcomer in matching.newcomers] == ["new@x.test"]
    assert {v.state for v in matching.verdicts} == {State.DOUBTFUL}
    assert {v.candidates for v in matching.verdicts} == {("new@x.test",)}


def test_two_members_with_one_address_do_not_race_for_a_person_known_by_an_alias():
    matching = match([member("U1"), member("U2")], [KnownPerson(10, "ann+sf@x.test")])

    assert outcome(matching) == {"U1": ("doubtful", None, (10,)), "U2": ("doubtful", None, (10,))}


def test_a_member_who_left_does_not_put_the_active_one_in_doubt():
    matching = match([member("U1", active=False), member("U2")], [ANN])

    assert outcome(matching)["U2"] == MATCHED_TO_ANN


def test_a_link_set_by_hand_settles_the_doubt():
    matching = match([member("U1", manual=True, person_id=10), member("U2")], [ANN])

    assert outcome(matching) == {"U1": MATCHED_TO_ANN, "U2": NOBODY}


def test_a_link_set_by_hand_to_an_account_that_is_gone_does_not_keep_the_new_one_away():
    matching = match([member("U1", manual=True, person_id=10, active=False), member("U2")], [ANN])

    assert outcome(matching)["U2"] == MATCHED_TO_ANN


def test_the_exact_address_beats_an_alias_in_the_same_system():
    matching = match([member("U1", "ann+test@x.test"), member("U2")], [ANN])

    assert outcome(matching) == {"U1": ("matched", "ann+test@x.test", ()), "U2": MATCHED_TO_ANN}


def test_two_aliases_of_one_person_in_the_same_system_are_in_doubt():
    matching = match([member("U1", "ann+a@x.test"), member("U2", "ann+b@x.test")], [ANN])

    assert outcome(matching) == {"U1": ("doubtful", None, (10,)), "U2": ("doubtful", None, (10,))}


@pytest.mark.parametrize(
    ("email", "expected"),
    [("ann+sf@x.test", "ann@x.test"), ("ann+a+b@x.test", "ann@x.test"), ("+x@x.test", "+x@x.test")],
)
def test_an_alias_ends_at_the_first_plus(email, expected):
    assert without_alias(email) == expected


EMAILS = st.sampled_from(
    ["", "ann@x.test", "ANN@x.test", "ann+a@x.test", "ann+b@x.test", "bob@x.test", "bob+a@x.test.invalid"]
)
ACCOUNTS = st.lists(
    st.tuples(
        st.sampled_from([CRM, CHAT]), EMAILS, st.booleans(), st.booleans(), st.sampled_from([None, 10, 11])
    ),
    max_size=7,
).map(
    lambda rows: [
        Account(
            connection,
            f"{number}",
            email=email,
            active=active,
            single=connection == CHAT,
            manual=manual,
            person_id=person if manual else None,
        )
        for number, (connection, email, active, manual, person) in enumerate(rows)
    ]
)
PEOPLE = st.sampled_from([[], [ANN], [ANN, BOB], [KnownPerson(10, "ann+a@x.test"), BOB]])


@given(ACCOUNTS, PEOPLE, st.randoms())
def test_the_order_of_the_accounts_makes_no_difference(accounts, people, chance: random.Random):
    shuffled = list(accounts)
    chance.shuffle(shuffled)

    assert outcome(match(shuffled, people)) == outcome(match(accounts, people))


@given(ACCOUNTS, PEOPLE)
def test_matching_again_with_the_newcomers_known_changes_nothing(accounts, people):
    first = match(accounts, people)
    ids = {newcomer.email: 100 + number for number, newcomer in enumerate(first.newcomers)}

    again = match(accounts, [*people, *(KnownPerson(key, email) for email, key in ids.items())])

    def known(person):
        return ids.get(person, person)

    assert again.newcomers == []
    assert outcome(again) == {
        remote_id: (state, known(person), tuple(known(one) for one in candidates))
        for remote_id, (state, person, candidates) in outcome(first).items()
    }


@given(ACCOUNTS, PEOPLE)
def test_nobody_is_matched_to_two_active_members_unless_by_hand(accounts, people):
    matching = match(accounts, people)

    taken = [
        v.person
        for v in matching.verdicts
        if v.person is not None and v.account.single and v.account.active and not v.account.manual
    ]
    assert len(taken) == len(set(taken))
