"""The HubSpot connector against the pretend portal: identity, conflicts, batches and troubles in their interplay."""

from datetime import timedelta

import pytest

from integration_hub.connectors.errors import (
    AuthError,
    BudgetError,
    ConfigError,
    RateLimitError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.hubspot.connector import HubSpot
from integration_hub.connectors.records import MatchKey, Operation, Outcome, RecordWrite, WriteRequest
from integration_hub.simulator.hubspot import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport


@pytest.fixture
def portal(simulator):
    simulator.set_clock(NOON)
    return simulator.hubspot


@pytest.fixture(params=["v3", "2026-03", "2026-09"])
def version(request):
    return request.param


@pytest.fixture
def hubspot(portal):
    with make_hubspot(portal) as connector:
        yield connector


def make_hubspot(portal, keeper=None, **config):
    given = {"credential": "token", "access_token": ACCESS_TOKEN, "api_version": "v3", **config}
    transport = make_transport(portal.url, secrets=[ACCESS_TOKEN, CLIENT_SECRET, REFRESH_TOKEN])
    connector = HubSpot(given, transport, keeper or MemoryKeeper())
    connector.clock = portal.clock
    return connector


def request(operation, object_type, *rows, by="", **options):
    writes = [
        RecordWrite(f"d{at}", row, MatchKey(by, str(row[by])) if by else None, **options)
        for at, row in enumerate(rows)
    ]
    return WriteRequest(object_type, operation, writes)


def create(object_type, *rows, by="", **options):
    return request(Operation.CREATE, object_type, *rows, by=by, **options)


def upsert(object_type, *rows, by="", **options):
    return request(Operation.UPSERT, object_type, *rows, by=by, **options)


def outcomes(results):
    return [str(result.outcome) for result in results]


def paths(portal):
    return [call.path.rpartition("/crm/")[2] for call in portal.requests]


def tie(contact, company, label=""):
    values = {"from_type": "contacts", "from_id": contact, "to_type": "companies", "to_id": company}
    write = RecordWrite("t0", {**values, **({"label": label} if label else {})})
    return WriteRequest("association", Operation.ASSOCIATE, [write])


def test_contacts_are_created_in_one_call_and_each_gets_its_own_id(portal, version):
    with make_hubspot(portal, api_version=version) as hubspot:
        rows = [{"email": f"p{n}@acme.test", "firstname": f"P{n}"} for n in range(30)]

        results = hubspot.write(create("contacts", *rows, by="email"))

    assert set(outcomes(results)) == {"created"}
    assert len(portal.requests) == 1
    for row, result in zip(rows, results, strict=True):
        assert portal.record("contacts", result.remote_id)["email"] == row["email"]
        assert result.status == 201
        assert result.answer["properties"]["firstname"] == row["firstname"]


def test_a_contact_that_is_there_is_existing_with_status_409_and_its_id(portal, hubspot):
    there = portal.add("contacts", email="ann@acme.test", firstname="Ann")

    results = hubspot.write(
        create(
            "contacts", {"email": "new@acme.test"}, {"email": "Ann@acme.test", "firstname": "X"}, by="email"
        )
    )

    assert outcomes(results) == ["created", "existing"]
    assert (results[1].remote_id, results[1].status) == (there, 409)
    assert results[1].answer["properties"]["firstname"] == "Ann"
    assert portal.record("contacts", there)["firstname"] == "Ann"


def test_one_email_twice_in_a_batch_makes_one_contact(portal, hubspot):
    results = hubspot.write(create("contacts", *[{"email": "ann@acme.test"}] * 3, by="email"))

    assert outcomes(results) == ["created", "existing", "existing"]
    assert len({result.remote_id for result in results}) == len(portal.records("contacts")) == 1


def test_a_contact_found_by_an_additional_address_keeps_its_own(portal, hubspot):
    kept = portal.add("contacts", email="ann@acme.test")
    loser = portal.add("contacts", email="ann@old.test")
    portal.merge("contacts", kept, loser)

    [made] = hubspot.write(create("contacts", {"email": "ann@old.test"}, by="email"))
    [changed] = hubspot.write(upsert("contacts", {"email": "ann@old.test", "lastname": "Lee"}, by="email"))

    assert (made.outcome, made.remote_id) == (Outcome.EXISTING, kept)
    assert (changed.outcome, changed.remote_id) == (Outcome.UPDATED, kept)
    assert portal.record("contacts", kept)["email"] == "ann@acme.test"
    assert portal.record("contacts", kept)["lastname"] == "Lee"


def test_a_known_record_costs_no_call(portal, hubspot):
    [result] = hubspot.write(create("contacts", {"email": "ann@acme.test"}, by="email", remote_id="512"))

    assert (result.outcome, result.remote_id) == (Outcome.EXISTING, "512")
    assert not portal.requests


def test_upserts_of_contacts_create_update_and_leave_alone(portal, hubspot):
    portal.add("contacts", email="same@acme.test", firstname="Same")
    portal.add("contacts", email="old@acme.test", firstname="Old")
    rows = [
        {"email": "same@acme.test", "firstname": "Same"},
        {"email": "old@acme.test", "firstname": "New"},
        {"email": "none@acme.test", "firstname": "None"},
    ]

    results = hubspot.write(upsert("contacts", *rows, by="email"))

    assert outcomes(results) == ["unchanged", "updated", "created"]
    assert {row["email"]: row["firstname"] for row in portal.records("contacts")} == {
        row["email"]: row["firstname"] for row in rows
    }
    assert len(portal.requests) == 3


def test_a_changed_email_moves_the_contact_instead_of_making_a_second(portal, hubspot):
    there = portal.add("contacts", email="old@acme.test")

    [result] = hubspot.write(
        upsert("contacts", {"email": "new@acme.test"}, by="email", former="old@acme.test")
    )

    assert (result.outcome, result.remote_id) == (Outcome.UPDATED, there)
    assert portal.emails() == {"new@acme.test"}


def test_a_known_id_that_was_archived_is_looked_for_again(portal, hubspot):
    gone = portal.add("contacts", email="ann@acme.test")
    portal.archive("contacts", gone)

    [result] = hubspot.write(
        upsert("contacts", {"email": "ann@acme.test", "firstname": "Ann"}, by="email", remote_id=gone)
    )

    assert result.outcome is Outcome.CREATED
    assert result.remote_id != gone


def test_a_known_id_that_was_merged_leads_to_the_winner(portal, hubspot):
    winner = portal.add("contacts", email="ann@acme.test")
    loser = portal.add("contacts", email="a.lee@acme.test")
    portal.merge("contacts", winner, loser)

    [result] = hubspot.write(
        upsert("contacts", {"email": "a.lee@acme.test", "lastname": "Lee"}, by="email", remote_id=loser)
    )

    assert (result.outcome, result.remote_id) == (Outcome.UPDATED, winner)
    assert portal.record("contacts", winner)["email"] == "ann@acme.test"


def test_of_several_companies_with_a_domain_the_oldest_wins(portal, simulator, hubspot):
    simulator.set_clock(NOON - timedelta(days=2))
    oldest = portal.add("companies", domain="acme.test", name="Acme")
    simulator.set_clock(NOON - timedelta(days=1))
    portal.add("companies", domain="acme.test", name="Acme again")
    simulator.set_clock(NOON)

    results = hubspot.write(
        create(
            "companies",
            {"domain": "https://www.Acme.test/about", "name": "A"},
            {"domain": "beta.test", "name": "Beta"},
            by="domain",
        )
    )

    assert outcomes(results) == ["existing", "created"]
    assert results[0].remote_id == oldest
    assert len(portal.requests) == 2


def test_a_company_made_just_now_is_not_made_again_while_the_search_lags(portal, hubspot):
    portal.index_lag = 30

    first = hubspot.write(create("companies", {"domain": "acme.test"}, by="domain"))
    second = hubspot.write(create("companies", {"domain": "acme.test"}, by="domain"))

    assert (outcomes(first), outcomes(second)) == (["created"], ["existing"])
    assert len(portal.records("companies")) == 1


@pytest.mark.parametrize("domain", ["gmail.com", "GMX.de"])
def test_a_free_mail_domain_is_no_key_of_a_company(portal, hubspot, domain):
    [result] = hubspot.write(upsert("companies", {"domain": domain}, by="domain"))

    assert result.error.code == "free_mail"
    assert not portal.requests


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.UPSERT])
def test_records_are_matched_by_a_unique_property(portal, version, operation):
    portal.add_property("deals", "hub_external_id", unique=True)
    deal = {"dealname": "Deal", "dealstage": "qualifiedtobuy", "hub_external_id": "o-1"}
    there = portal.add("deals", **deal)
    rows = [{**deal, "dealname": "Renamed"}, {**deal, "hub_external_id": "o-2"}]

    with make_hubspot(portal, api_version=version) as hubspot:
        results = hubspot.write(request(operation, "deals", *rows, by="hub_external_id"))

    first = "existing" if operation is Operation.CREATE else "updated"
    assert outcomes(results) == [first, "created"]
    assert results[0].remote_id == there
    assert portal.record("deals", results[1].remote_id)["hub_external_id"] == "o-2"


def test_a_property_that_is_not_unique_is_no_match_key(portal, hubspot):
    results = hubspot.write(create("deals", {"dealname": "A", "dealstage": "closedwon"}, by="dealname"))

    assert results[0].error.code == "NOT_UNIQUE"
    assert not portal.records("deals")


def test_one_refused_record_does_not_hold_up_the_rest(portal, hubspot):
    results = hubspot.write(
        create(
            "contacts",
            {"email": "a@acme.test"},
            {"email": "not-an-address"},
            {"email": "b@acme.test", "no_such": "x"},
            {"email": "c@acme.test", "lifecyclestage": "king"},
            {"email": "d@acme.test"},
            by="email",
        )
    )

    assert outcomes(results) == ["created", "failed", "failed", "failed", "created"]
    assert [r.error.code for r in results[1:4]] == [
        "INVALID_EMAIL",
        "PROPERTY_DOESNT_EXIST",
        "INVALID_OPTION",
    ]
    assert "no_such" in results[2].error.message
    assert "not-an-address" not in results[1].error.message
    assert portal.emails() == {"a@acme.test", "d@acme.test"}


def test_an_update_of_nobody_is_refused_and_a_delete_of_nobody_is_done(portal, hubspot):
    row = {"email": "ann@acme.test", "firstname": "Ann"}

    [updated] = hubspot.write(request(Operation.UPDATE, "contacts", row, by="email"))
    [deleted] = hubspot.write(request(Operation.DELETE, "contacts", row, by="email"))

    assert updated.error.code == "OBJECT_NOT_FOUND"
    assert deleted.outcome is Outcome.DELETED


def test_an_update_and_a_delete_find_their_record(portal, hubspot):
    there = portal.add("contacts", email="ann@acme.test")
    row = {"email": "ann@acme.test", "firstname": "Ann"}

    [updated] = hubspot.write(request(Operation.UPDATE, "contacts", row, by="email"))
    [deleted] = hubspot.write(request(Operation.DELETE, "contacts", row, by="email"))

    assert (updated.outcome, updated.remote_id) == (Outcome.UPDATED, there)
    assert deleted.outcome is Outcome.DELETED
    assert not portal.records("contacts")


def test_two_records_are_tied_and_tying_again_does_no_harm(portal, version):
    contact, company = (
        portal.add("contacts", email="ann@acme.test"),
        portal.add("companies", domain="acme.test"),
    )

    with make_hubspot(portal, api_version=version) as hubspot:
        results = [*hubspot.write(tie(contact, company)), *hubspot.write(tie(contact, company))]

    assert outcomes(results) == ["tied", "tied"]
    assert list(portal.tied("contacts", contact, "companies")) == [company]


def test_a_tie_without_label_leaves_the_primary_company_alone(portal, hubspot):
    contact = portal.add("contacts", email="ann@acme.test")
    first, second = portal.add("companies", domain="a.test"), portal.add("companies", domain="b.test")
    portal.tie("contacts", contact, "companies", first)

    hubspot.write(tie(contact, second))
    before = portal.tied("contacts", contact, "companies")
    hubspot.write(tie(contact, second, label="primary"))
    after = portal.tied("contacts", contact, "companies")

    assert before == {first: ["", "Primary"], second: [""]}
    assert after == {first: [""], second: ["", "Primary"]}


def test_a_tie_by_a_label_of_the_account(portal, hubspot):
    portal.add_label("contacts", "companies", "Billing")
    contact, company = (
        portal.add("contacts", email="ann@acme.test"),
        portal.add("companies", domain="acme.test"),
    )

    [good] = hubspot.write(tie(contact, company, label="billing"))
    [bad] = hubspot.write(tie(contact, company, label="Nobody"))

    assert good.outcome is Outcome.TIED
    assert portal.tied("contacts", contact, "companies") == {company: ["", "Billing"]}
    assert bad.error.code == "no_label"


def test_of_several_ties_only_the_one_to_nobody_fails(portal, hubspot):
    contact, company = (
        portal.add("contacts", email="ann@acme.test"),
        portal.add("companies", domain="acme.test"),
    )
    good, bad = tie(contact, company).writes[0], tie(contact, "999").writes[0]
    odd = tie(contact, "").writes[0]

    results = hubspot.write(WriteRequest("association", Operation.ASSOCIATE, [bad, good, odd]))

    assert outcomes(results) == ["failed", "tied", "failed"]
    assert [r.error.code for r in (results[0], results[2])] == ["OBJECT_NOT_FOUND", "no_identifier"]


@pytest.mark.parametrize("fault", ["no_answer", "drop_after", "bad_gateway"])
def test_a_create_without_an_answer_is_recalled_before_it_is_repeated(portal, hubspot, fault):
    portal.faults.fail_next(1, fault, "batch/create")
    asked = create("contacts", {"email": "ann@acme.test"}, by="email", attempted_at=NOON)

    with pytest.raises(UnknownOutcomeError):
        hubspot.write(asked)
    [found] = hubspot.recall(asked)

    made = fault != "bad_gateway"
    assert (found is not None) == made
    assert not made or (found.outcome is Outcome.CREATED and found.remote_id)


def test_a_recalled_record_that_is_older_than_the_try_was_there_before(portal, simulator, hubspot):
    there = portal.add("contacts", email="ann@acme.test")
    simulator.set_clock(NOON + timedelta(hours=1))
    later = NOON + timedelta(hours=1)

    [found] = hubspot.recall(create("contacts", {"email": "ann@acme.test"}, by="email", attempted_at=later))

    assert (found.outcome, found.remote_id) == (Outcome.EXISTING, there)


def test_a_lost_company_is_found_once_the_search_has_it(portal, simulator, hubspot):
    portal.index_lag = 20
    portal.faults.fail_next(1, "no_answer", "batch/create")
    asked = create("companies", {"domain": "acme.test"}, by="domain", attempted_at=NOON)
    with pytest.raises(UnknownOutcomeError):
        hubspot.write(asked)

    simulator.set_clock(NOON + timedelta(seconds=HubSpot.recall_after))
    [found] = hubspot.recall(asked)

    assert found.outcome is Outcome.CREATED


def test_a_deal_without_a_unique_property_cannot_be_recalled(hubspot):
    with pytest.raises(RejectedError) as caught:
        hubspot.recall(create("deals", {"dealname": "A"}))

    assert caught.value.code == "no_match_key"


@pytest.mark.parametrize(
    ("fault", "options", "error", "wait"),
    [
        ("rate_limited", {"policy": "TEN_SECONDLY_ROLLING"}, RateLimitError, 10),
        ("rate_limited", {"policy": "SECONDLY"}, RateLimitError, 1),
        ("rate_limited", {"policy": "DAILY"}, BudgetError, 3600),
        ("rate_limited", {"policy": "SECONDLY", "retry_after": 7}, RateLimitError, 7),
        ("locked", {}, RateLimitError, 2),
        ("migrating", {"retry_after": 5400}, RateLimitError, 5400),
    ],
)
def test_each_way_of_being_told_to_wait(portal, hubspot, fault, options, error, wait):
    portal.faults.fail_next(1, fault, **options)

    with pytest.raises(error) as caught:
        hubspot.write(create("contacts", {"email": "ann@acme.test"}, by="email"))

    assert caught.value.retry_after == wait


@pytest.mark.parametrize("status", [503, 521, 523])
def test_what_never_reached_hubspot_is_just_tried_again(portal, hubspot, status):
    portal.faults.fail_next(1, "status", status=status)

    with pytest.raises(RetryableError) as caught:
        hubspot.write(create("contacts", {"email": "ann@acme.test"}, by="email"))

    assert type(caught.value) is RetryableError


def test_an_outage_in_the_middle_leaves_what_is_known(portal, hubspot):
    rows = [{"email": f"p{n}@acme.test"} for n in range(2)]
    portal.add("contacts", **rows[0], firstname="Old")
    portal.faults.fail_next(1, "unavailable", "batch/create")

    results = hubspot.write(upsert("contacts", *({**row, "firstname": "New"} for row in rows), by="email"))

    assert outcomes(results) == ["updated", "failed"]
    assert isinstance(results[1].error, RetryableError)


def test_missing_scopes_are_named(portal, hubspot):
    portal.scopes.remove("crm.objects.contacts.write")

    with pytest.raises(ConfigError) as caught:
        hubspot.write(create("contacts", {"email": "ann@acme.test"}, by="email"))

    assert caught.value.code == "MISSING_SCOPES"
    assert "crm.objects.contacts.write" in caught.value.remedy


def test_the_check_names_the_account_and_what_is_not_granted(portal, version):
    portal.scopes.difference_update({"crm.objects.deals.write", "crm.objects.owners.read"})

    with make_hubspot(portal, api_version=version) as hubspot:
        check = hubspot.check()

    assert check.ok
    assert check.facts["Account"] == str(portal.portal_id)
    assert (check.facts["Currency"], check.facts["Time zone"]) == ("EUR", "Europe/Berlin")
    assert check.facts["Missing scopes"] == "crm.objects.deals.write, crm.objects.owners.read"


def test_a_refused_token_is_an_answer_of_the_check(portal):
    with make_hubspot(portal, access_token="pat-wrong") as hubspot:
        check = hubspot.check()

    assert not check.ok
    assert check.problems


def oauth(portal, keeper, **config):
    given = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN, **config}
    return make_hubspot(portal, keeper, credential="oauth", access_token="", **given)


def token_calls(portal):
    return [call for call in portal.requests if call.path.endswith("/token")]


def test_an_oauth_token_is_kept_and_shared(portal, version):
    keeper = MemoryKeeper()
    for _ in range(2):
        with oauth(portal, keeper, api_version=version) as hubspot:
            assert hubspot.check().ok

    assert len(token_calls(portal)) == 1


def test_an_oauth_token_is_renewed_before_it_expires(portal, simulator):
    keeper = MemoryKeeper()
    with oauth(portal, keeper) as hubspot:
        hubspot.transport.clock = portal.clock
        hubspot.check()
        simulator.set_clock(NOON + timedelta(minutes=28))
        assert hubspot.check().ok

    assert len(token_calls(portal)) == 2
    assert all(call.status != 401 for call in portal.requests)


def test_an_oauth_token_that_was_ended_early_is_renewed_once(portal):
    with oauth(portal, MemoryKeeper()) as hubspot:
        hubspot.check()
        portal.expire_tokens()

        assert hubspot.check().ok

    assert len(token_calls(portal)) == 2


def test_a_refused_refresh_token_holds_the_connection(portal):
    with oauth(portal, MemoryKeeper(), refresh_token="wrong") as hubspot, pytest.raises(AuthError) as caught:
        hubspot.write(create("contacts", {"email": "ann@acme.test"}, by="email"))

    assert caught.value.code == "BAD_REFRESH_TOKEN"


def test_an_upsert_without_a_match_key_makes_nothing(portal, hubspot):
    [result] = hubspot.write(upsert("deals", {"dealname": "A", "dealstage": "closedwon"}))

    assert result.error.code == "no_match_key"
    assert not portal.requests


def test_a_deal_without_a_match_key_can_be_created_and_updated_by_its_id(portal, hubspot):
    [made] = hubspot.write(create("deals", {"dealname": "A", "dealstage": "closedwon"}))
    row = {"dealname": "B", "amount": 12.5}

    [changed] = hubspot.write(request(Operation.UPDATE, "deals", row, remote_id=made.remote_id))

    assert (made.outcome, changed.outcome) == (Outcome.CREATED, Outcome.UPDATED)
    assert portal.record("deals", made.remote_id)["amount"] == "12.5"


def test_the_calls_of_the_day_are_reported(portal, hubspot):
    hubspot.write(create("contacts", {"email": "ann@acme.test"}, by="email"))

    assert hubspot.transport.limiter.usage == [(1, 625_000)]


def test_look_ups_are_by_email_domain_id_or_any_unique_property(portal, hubspot):
    portal.add_property("companies", "hub_external_id", unique=True)
    contact = portal.add("contacts", email="ann@acme.test")
    company = portal.add("companies", domain="acme.test", hub_external_id="c-1")

    people = hubspot.look_up("contacts", ["Ann@acme.test", "none@acme.test", contact])
    companies = hubspot.look_up("companies", ["acme.test", "c-1", "c-2"])

    assert {key: record.remote_id for key, record in people.items()} == {
        "Ann@acme.test": contact,
        contact: contact,
    }
    assert {key: record.remote_id for key, record in companies.items()} == {
        "acme.test": company,
        "c-1": company,
    }


def test_the_schema_marks_what_is_unique_and_what_cannot_be_written(portal, version):
    portal.add_property("deals", "hub_external_id", unique=True)
    portal.add_property("deals", "regions", "enumeration", options=["north", "south"], multiple=True)

    with make_hubspot(portal, api_version=version) as hubspot:
        fields = hubspot.destination_schema("deals").fields

    assert fields["hub_external_id"].unique
    assert fields["hs_lastmodifieddate"].read_only
    assert fields["regions"].options == ("north", "south")
    assert "closedwon" in fields["dealstage"].options
    assert fields["pipeline"].options == ("default",)


def test_what_is_tied_is_untied_and_what_is_apart_stays_so(portal, hubspot):
    contact, company = portal.add("contacts", email="a@x.test"), portal.add("companies", domain="x.test")
    portal.tie("contacts", contact, "companies", company)
    ends = {"from_type": "contacts", "from_id": contact, "to_type": "companies", "to_id": company}
    gone = {**ends, "to_id": "999999"}
    writes = [RecordWrite("1", ends), RecordWrite("2", gone)]

    first = hubspot.write(WriteRequest("contacts-companies", Operation.UNTIE, writes))
    second = hubspot.write(WriteRequest("contacts-companies", Operation.UNTIE, writes[:1]))

    assert [one.outcome for one in (*first, *second)] == [Outcome.DELETED] * 3
    assert portal.tied("contacts", contact, "companies") == {}
