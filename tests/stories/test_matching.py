"""Records that existed at the order system and at HubSpot before: linked once, the doubtful ones by a person."""

import pytest
from django.core.management import CommandError, call_command

from integration_hub.connectors.errors import ConnectorError
from syncs import matchup
from syncs.models import Delivery, MatchCandidate, Matching, MatchSide, RecordLink, SyncTie
from syncs.models.matchings import CandidateState
from tests.stories.test_order_system_to_hubspot import Trade


@pytest.fixture
def trade(simulator, db):
    return Trade(simulator)


@pytest.fixture
def contacts(trade):
    """Three pairs with one e-mail, one of which contradicts by its name, and one alone on each side."""
    for name in ("ann", "bob", "cyd", "dee"):
        trade.shop.add_customer(f"{name.upper()}@x.test", name=name.title())
    for name, first in (("ann", "Ann"), ("bob", "bob"), ("cyd", "Sid"), ("eve", "Eve")):
        trade.portal.add("contacts", email=f"{name}@x.test", firstname=first)
    return trade.contacts()


def test_certain_pairs_are_linked_and_doubtful_ones_listed(trade, contacts):
    written = len(trade.portal.requests)

    counts = matchup.run(contacts, trade.now, compare_path="firstname")

    linked = set(RecordLink.objects.values_list("match_value", "remote_id"))
    ids = {one["email"]: one["hs_object_id"] for one in trade.portal.records("contacts")}
    assert linked == {(email, ids[email]) for email in ("ann@x.test", "bob@x.test")}
    assert counts.here == counts.there == {"paired": 2, "doubtful": 1, "alone": 1, "linked": 0}
    [pair] = MatchCandidate.objects.all()
    assert (pair.key, pair.why) == ("cyd@x.test", "firstname is different.")
    assert not any(
        call.method == "PATCH" or "update" in call.path for call in trade.portal.requests[written:]
    )
    assert not Matching.objects.exists()
    assert not MatchSide.objects.exists()


def test_a_dry_run_links_nothing_and_a_second_run_finds_what_is_linked(trade, contacts):
    dry = matchup.run(contacts, trade.now, dry_run=True)
    none_yet = RecordLink.objects.count()
    matchup.run(contacts, trade.now)
    again = matchup.run(contacts, trade.now)

    assert (dry.here["paired"], none_yet, again.here["linked"], again.here["paired"]) == (3, 0, 3, 0)


def test_several_on_a_side_are_for_a_person(trade):
    companies = trade.companies()
    trade.shop.add_customer("ann@acme.test", company="Acme")
    for name in ("Acme", "Acme Ltd"):
        trade.portal.add("companies", domain="acme.test", name=name)

    matchup.run(companies, trade.now)

    assert MatchCandidate.objects.count() == 2
    first, second = MatchCandidate.objects.order_by("pk")
    assert matchup.decide([first], CandidateState.SAME, trade.now) == 1
    assert matchup.decide([second], CandidateState.SAME, trade.now) == 0
    assert RecordLink.objects.get().remote_id == first.remote_id


def test_the_next_change_updates_what_was_matched(trade, contacts):
    matchup.run(contacts, trade.now)
    before = len(trade.portal.records("contacts"))

    trade.turn()

    assert len(trade.portal.records("contacts")) == before + 1  # Dee was alone
    assert {one["firstname"] for one in trade.portal.records("contacts")} >= {"Ann", "Bob", "Cyd", "Dee"}
    assert not Delivery.objects.dead().exists()


def test_an_interrupted_matching_goes_on_where_it_was(trade, contacts):
    trade.portal.faults.fail_next(1, "bad_gateway")
    with pytest.raises(ConnectorError):
        matchup.run(contacts, trade.now)
    read = len(trade.shop.requests)

    counts = matchup.run(contacts, trade.now)

    assert len(trade.shop.requests) == read
    assert counts.here["paired"] == 3


def test_what_is_matched_is_tied(trade, contacts):
    deals = trade.deals()
    SyncTie.objects.create(sync=deals, source_path="customer_id", partner=contacts)
    contacts.enabled = False
    contacts.save()
    order = trade.shop.add_order(next(iter(trade.shop.customers.values()))["id"])
    trade.turn()

    matchup.run(contacts, trade.now)
    trade.push(after=1)

    deal = trade.id_of("deals", "order_id", order)
    assert trade.tied("deals", deal, "contacts") == [trade.id_of("contacts", "email", "ann@x.test")]


def test_pairs_are_decided_by_a_file(trade, contacts, tmp_path, capsys):
    call_command("match", contacts.key, "--dry-run", "--compare", "firstname")
    said = capsys.readouterr().out
    pair = MatchCandidate.objects.get()
    path = tmp_path / "pairs.csv"
    path.write_text(f"source_id,remote_id,decision\n{pair.source_id},{pair.remote_id},same\n")

    call_command("match", contacts.key, "--confirm", str(path))

    assert f"{pair.source_id},{pair.remote_id}," in said
    assert "source: 4 records: 1 alone, 1 doubtful, 2 paired" in said
    assert RecordLink.objects.get().remote_id == pair.remote_id


def test_a_word_that_is_no_decision_is_told(contacts, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("source_id,remote_id,decision\n1,2,perhaps\n")

    with pytest.raises(CommandError, match="Write same or different"):
        call_command("match", contacts.key, "--confirm", str(path))


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        ("email", " Ann@X.test ", "ann@x.test"),
        ("domain", "https://www.Acme.test/about", "acme.test"),
        ("order_id", "A-17", "a-17"),
    ],
)
def test_what_means_the_same_is_equal(path, value, wanted):
    assert matchup.normalized(path, value) == wanted
