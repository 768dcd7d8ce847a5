"""HubSpot against recorded answers: the contracts, what its refusals mean, and the pure parts."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.errors import (
    AuthError,
    BudgetError,
    ConfigError,
    RateLimitError,
    RejectedError,
    UnknownOutcomeError,
)
from integration_hub.connectors.filters import And, Condition, Not, Operator, Or
from integration_hub.connectors.hubspot.batches import BatchAnswer, BatchRow, correlate
from integration_hub.connectors.hubspot.connector import BASE, HubSpot
from integration_hub.connectors.hubspot.errors import HubSpotRefusedError, refusal
from integration_hub.connectors.hubspot.filters import groups
from integration_hub.connectors.hubspot.identity import domain_of
from integration_hub.connectors.hubspot.paths import paths_of
from integration_hub.connectors.hubspot.signature import v1, v2, v3, verify
from integration_hub.connectors.hubspot.values import same, text_of
from integration_hub.connectors.records import (
    MatchKey,
    Operation,
    Outcome,
    ReadRequest,
    RecordWrite,
    WriteRequest,
)
from integration_hub.connectors.schema import FieldType
from tests.connectors.contract_tests import DestinationContract, SourceContract
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport, recorded

TOKEN = "pat-eu1-hush-hush"
CREATE = f"{BASE}/crm/v3/objects/contacts/batch/create"
READ = f"{BASE}/crm/v3/objects/contacts/batch/read"
SEARCH = f"{BASE}/crm/v3/objects/contacts/search"


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def connector():
    return make_hubspot()


def make_hubspot(**config):
    given_config = {"credential": "token", "access_token": TOKEN, "api_version": "v3", **config}
    return HubSpot(given_config, make_transport(BASE, secrets=[TOKEN]), MemoryKeeper())


def create(*emails):
    writes = [RecordWrite(f"d{n}", {"email": e}, MatchKey("email", e)) for n, e in enumerate(emails)]
    return WriteRequest("contacts", Operation.CREATE, writes)


def contact(number, at=NOON):
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": str(number),
        "properties": {"email": f"p{number}@acme.test", "lastmodifieddate": stamp, "createdate": stamp},
        "createdAt": stamp,
        "updatedAt": stamp,
    }


class TestDestinationContract(DestinationContract):
    def write_request(self, refs):
        writes = [
            RecordWrite(ref, {"email": f"{ref}@x.test"}, MatchKey("email", f"{ref}@x.test")) for ref in refs
        ]
        return WriteRequest("contacts", Operation.CREATE, writes)

    def serve_status(self, vendor, status):
        vendor.post(CREATE, status=status)

    def serve_verdicts(self, vendor, verdicts):
        results = [{**contact(n), "objectWriteTraceId": f"d{n}"} for n, fine in enumerate(verdicts) if fine]
        errors = [
            {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "message": "…",
                "context": {"objectWriteTraceId": [f"d{n}"]},
            }
            for n, fine in enumerate(verdicts)
            if not fine
        ]
        vendor.post(CREATE, status=207 if errors else 201, json={"results": results[::-1], "errors": errors})


class TestSourceContract(SourceContract):
    def read_request(self):
        return ReadRequest("contacts", ["email"], since=NOON - timedelta(days=1), page_size=3)

    def serve_status(self, vendor, status):
        vendor.post(SEARCH, status=status)

    def serve_pages(self, vendor, sizes):
        number = 0
        for at, size in enumerate(sizes):
            page = [contact(number + n, NOON + timedelta(seconds=number + n)) for n in range(1, size + 1)]
            number += size
            more = {"paging": {"next": {"after": str(number)}}} if at + 1 < len(sizes) else {}
            vendor.post(SEARCH, json={"total": sum(sizes), "results": page, **more})
        return [str(n) for n in range(1, number + 1)]


@pytest.mark.parametrize(
    ("case", "error", "code"),
    [
        ("token_invalid", AuthError, "INVALID_AUTHENTICATION"),
        ("token_expired", AuthError, "EXPIRED_AUTHENTICATION"),
        ("missing_scopes", ConfigError, "MISSING_SCOPES"),
        ("ten_secondly_rolling", RateLimitError, "TEN_SECONDLY_ROLLING"),
        ("secondly_of_the_search", RateLimitError, "SECONDLY"),
        ("rate_limits_category_only", RateLimitError, "SECONDLY"),
        ("daily", BudgetError, "DAILY"),
        ("migration", RateLimitError, "migration"),
        ("locked", RateLimitError, "locked"),
    ],
)
def test_what_concerns_the_whole_connection_is_raised(vendor, connector, case, error, code):
    vendor.post(CREATE, **recorded(f"hubspot/{case}"))

    with pytest.raises(error) as caught:
        connector.write(create("ann@acme.test"))

    assert type(caught.value) is error
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("case", "code", "word"),
    [
        ("property_does_not_exist", "PROPERTY_DOESNT_EXIST", "testproperty"),
        ("invalid_email_in_prose_only", "INVALID_EMAIL", "email"),
        ("invalid_option_without_name", "INVALID_OPTION", "A property"),
        ("two_flaws", "INVALID_EMAIL", "amount is not a number"),
        ("duplicate_ids", "DUPLICATE_IDS", "twice"),
        ("non_unique_property", "NOT_UNIQUE", "unique"),
        ("not_found", "OBJECT_NOT_FOUND", "no such record"),
        ("envelope_without_anything", "http_400", "400"),
    ],
)
def test_what_concerns_one_record_is_its_result(vendor, connector, case, code, word):
    vendor.post(CREATE, **recorded(f"hubspot/{case}"))

    [result] = connector.write(create("ann@acme.test"))

    assert result.error.code == code
    assert word in result.error.message
    assert "jane@example" not in result.error.message


@pytest.mark.parametrize("case", ["contact_exists", "email_conflict_of_two_ids"])
def test_a_conflict_names_the_record_that_is_there(vendor, connector, case):
    vendor.post(CREATE, **recorded(f"hubspot/{case}"))
    there = contact(37765128953)
    vendor.post(READ, json={"results": [there]})

    [result] = connector.write(create("ann@acme.test"))

    assert (result.outcome, result.remote_id) == (Outcome.EXISTING, "37765128953")
    assert result.status == recorded(f"hubspot/{case}")["status"]


def test_a_conflict_without_an_id_is_looked_up_by_the_unique_email(vendor, connector):
    vendor.post(CREATE, **recorded("hubspot/contact_exists_without_id"))
    there = {**contact(7), "properties": {**contact(7)["properties"], "email": "ann@acme.test"}}
    vendor.post(READ, json={"results": [there]})

    [result] = connector.write(create("ann@acme.test"))

    assert (result.outcome, result.remote_id) == (Outcome.EXISTING, "7")
    assert json.loads(vendor.calls[1].request.body)["idProperty"] == "email"
    assert not any(call.request.url.endswith("/search") for call in vendor.calls)


def test_results_in_another_order_without_trace_ids_still_find_their_writes(vendor, connector):
    vendor.post(CREATE, **recorded("hubspot/batch_created_in_another_order"))

    results = connector.write(create("a@acme.test", "b@acme.test", "c@acme.test"))

    assert [result.remote_id for result in results] == ["501", "502", "503"]


def test_a_row_of_which_nothing_is_said_may_have_been_made(vendor, connector):
    vendor.post(CREATE, **recorded("hubspot/batch_created_in_another_order"))

    results = connector.write(create("a@acme.test", "x@acme.test"))

    assert results[0].outcome is Outcome.CREATED
    assert isinstance(results[1].error, UnknownOutcomeError)


def test_a_refused_batch_is_split_until_the_bad_row_stands_alone(vendor, connector):
    def answer(request):
        inputs = json.loads(request.body)["inputs"]
        if any(one["properties"]["email"] == "bad@acme.test" for one in inputs):
            return 400, {}, json.dumps(recorded("hubspot/property_does_not_exist")["json"])
        rows = [
            {**contact(n + 1), "objectWriteTraceId": one["objectWriteTraceId"]}
            for n, one in enumerate(inputs)
        ]
        return 201, {}, json.dumps({"results": rows})

    vendor.add_callback("POST", CREATE, answer)

    results = connector.write(create("a@acme.test", "b@acme.test", "bad@acme.test", "c@acme.test"))

    assert [str(result.outcome) for result in results] == ["created", "created", "failed", "created"]


def test_addresses_in_a_path_are_encoded():
    assert paths_of("v3").record("contacts", "ann+x@acme.test").endswith("/contacts/ann%2Bx%40acme.test")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (
            "v3",
            [
                "crm/v3/objects/deals/search",
                "crm/v4/associations/deals/contacts/batch/create",
                "crm/v4/objects/deals/1/associations/default/contacts/2",
                "crm/v3/properties/deals",
                "crm/v3/pipelines/deals",
                "crm/v3/owners",
                "account-info/v3/details",
                "oauth/v1/token",
            ],
        ),
        (
            "2026-09",
            [
                "crm/objects/2026-09/deals/search",
                "crm/associations/2026-09/deals/contacts/batch/create",
                "crm/objects/2026-09/deals/1/associations/default/contacts/2",
                "crm/properties/2026-09/deals",
                "crm/pipelines/2026-09/deals",
                "crm/owners/2026-09",
                "account-info/2026-09/details",
                "oauth/2026-09/token",
            ],
        ),
    ],
)
def test_both_layouts_of_paths(version, expected):
    paths, ends = paths_of(version), ("deals", "contacts")

    assert [
        paths.objects("deals", "search"),
        paths.ties(ends, "batch/create"),
        paths.tie(ends, ("1", "2"), default=True),
        paths.properties("deals"),
        paths.pipelines("deals"),
        paths.owners(),
        paths.account,
        paths.token,
    ] == expected


@pytest.mark.parametrize("name", ["", "../owners", "a/b", "deals?x", "Kontakte ü"])
def test_what_is_no_object_type_never_becomes_an_address(name):
    with pytest.raises(ConfigError):
        paths_of("v3").objects(name)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("text", "text"),
        ("", ""),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (1500, "1500"),
        (1500.5, "1500.5"),
        (1e21, "1000000000000000000000"),
        (Decimal("0.10"), "0.10"),
        (date(2026, 11, 20), "2026-11-20"),
        (datetime(2026, 11, 20, 12, 0, 0, 5000, UTC), "2026-11-20T12:00:00.005Z"),
        (["a", "b"], "a;b"),
        ([], ""),
        (["", "a"], "a"),
    ],
)
def test_values_are_written_as_text(value, written):
    assert text_of("x", value) == written


def test_an_object_is_no_value_of_a_property():
    with pytest.raises(RejectedError):
        text_of("x", {"a": 1})


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "expected"),
    [
        ("amount", "1500", "1500.00", True),
        ("amount", "1500", "1501", False),
        ("zip", "0123", "123", False),
        ("email", " Ann@ACME.test", "ann@acme.test", True),
        ("firstname", "ann", "Ann", False),
        ("firstname", "", None, True),
        ("firstname", "Ann ", "Ann", True),
        ("regions", "b;a", "a;b", True),
        ("regions", ";a", "a;b", False),
        ("closedate", "2026-11-20", "2026-11-20T00:00:00.000Z", True),
        ("closedate", "2026-11-20T01:00:00+01:00", "2026-11-20T00:00:00Z", True),
        ("closedate", "2026-11-21", "2026-11-20T00:00:00Z", False),
    ],
)
def test_what_would_change_nothing(name, ours, theirs, expected):
    assert same(name, ours, theirs) is expected


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("acme.com", "acme.com"),
        (" WWW.Acme.com ", "acme.com"),
        ("https://www.acme.com:8443/about?x=1", "acme.com"),
        ("http://[", ""),
    ],
)
def test_a_domain_is_what_is_left_of_an_address(text, domain):
    assert domain_of(text) == domain


rows_of_a_batch = st.lists(st.integers(0, 500), min_size=1, max_size=100, unique=True)


@given(rows_of_a_batch, st.randoms(), st.sampled_from(["trace", "id", "key"]), st.data())
def test_whatever_the_order_each_row_gets_its_own_answer(numbers, chance, known_by, data):
    fine = {n: data.draw(st.booleans()) for n in numbers}
    rows = [
        BatchRow(
            f"t{n}",
            {},
            record_id=str(10_000 + n) if known_by == "id" else "",
            key=("email", f"P{n}@x.test") if known_by == "key" else ("", ""),
        )
        for n in numbers
    ]
    results, errors = [], []
    for n in numbers:
        trace = {"objectWriteTraceId": f"t{n}"} if known_by == "trace" else {}
        raw_id = 10_000 + n if known_by == "id" else n
        if fine[n]:
            results.append({"id": str(raw_id), "properties": {"email": f"p{n}@x.test"}, **trace})
        else:
            context = {"objectWriteTraceId": [f"t{n}"]}
            context = (
                context
                if known_by == "trace"
                else {"ids": [str(raw_id) if known_by == "id" else f"p{n}@x.test"]}
            )
            errors.append({"category": "VALIDATION_ERROR", "message": str(n), "context": context})
    chance.shuffle(results)
    chance.shuffle(errors)

    found = correlate(rows, BatchAnswer(207, results, errors))

    assert set(found) == {f"t{n}" for n in numbers}
    for n in numbers:
        one = found[f"t{n}"]
        if fine[n]:
            assert one["properties"]["email"] == f"p{n}@x.test"
        else:
            assert isinstance(one, HubSpotRefusedError)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_no_envelope_is_too_odd_to_be_a_refusal(anything):
    body = {"message": anything, "errors": anything, "context": anything, "category": anything}

    assert isinstance(refusal(body, 400), RejectedError)


def text(field, operator, *operands, kind=FieldType.TEXT):
    return Condition(field, kind, operator, operands)


def shown(where):
    found = groups(where, now=NOON, zone=UTC)
    return [
        [(one["propertyName"], one["operator"], one.get("value", one.get("values"))) for one in group]
        for group in found
    ]


A, B = text("a", Operator.EQUALS, "1"), text("b", Operator.EQUALS, "2")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, [[]]),
        (And([A, B]), [[("a", "EQ", "1"), ("b", "EQ", "2")]]),
        (Or([A, B]), [[("a", "EQ", "1")], [("b", "EQ", "2")]]),
        (
            Not(And([A, B])),
            [
                [("a", "NEQ", "1")],
                [("a", "NOT_HAS_PROPERTY", None)],
                [("b", "NEQ", "2")],
                [("b", "NOT_HAS_PROPERTY", None)],
            ],
        ),
        (text("a", Operator.ONE_OF, "X", "y"), [[("a", "IN", ["x", "y"])]]),
        (text("a", Operator.ONE_OF, "X", "y", kind=FieldType.PICKLIST), [[("a", "IN", ["X", "y"])]]),
        (text("a", Operator.IS_NOT_EMPTY), [[("a", "HAS_PROPERTY", None)]]),
        (text("a", Operator.IS_TRUE, kind=FieldType.BOOLEAN), [[("a", "EQ", "true")]]),
        (
            text("a", Operator.GREATER, "2026-11-20", kind=FieldType.DATE),
            [[("a", "GT", "1795132800000")]],
        ),
    ],
)
def test_filters_become_groups(where, expected):
    assert shown(where) == expected


def test_more_criteria_than_one_search_takes_are_refused_in_a_sentence():
    with pytest.raises(ConfigError) as caught:
        groups(And([Or([A, B, A])] * 4), now=NOON, zone=UTC)

    assert "too many" in caught.value.message


SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
BODY = b"{'example_field':'example_value'}"
URL = "https://www.example.com/webhook_uri"
V1 = "69fc6631a867edd4f9e9e627fc5c1148e3fbdd8b21837b6d2b8901c1fa57f750"
V2 = "4fe4e3a7d3cf09db53be39d0a58130e2aaba074ec123a9e355b876a689a1c383"
V3 = "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="
AT = "1693657560000"
SIGNED = datetime.fromtimestamp(1693657560, UTC)


def test_signatures_are_those_of_the_published_vectors():
    assert (v1(SECRET, BODY), v2(SECRET, "POST", URL, BODY), v3(SECRET, "POST", URL, BODY, AT)) == (
        V1,
        V2,
        V3,
    )


H3 = {"X-HubSpot-Signature-v3": V3, "X-HubSpot-Request-Timestamp": AT}
H1 = {"X-HubSpot-Signature": V1, "X-HubSpot-Signature-Version": "v1"}


@pytest.mark.parametrize(
    ("headers", "body", "seconds", "verdict"),
    [
        (H1, BODY, 0, ""),
        ({"x-hubspot-signature": V1}, BODY, 0, ""),
        ({**H1, "X-HubSpot-Signature": V2, "X-HubSpot-Signature-Version": "v2"}, BODY, 0, ""),
        ({**H1, "X-HubSpot-Signature-Version": "v9"}, BODY, 0, "unknown signature version"),
        (H1, BODY + b" ", 0, "wrong signature"),
        (H3, BODY, 299, ""),
        (H3, BODY, -299, ""),
        (H3, BODY, 301, "signed too long ago"),
        (H3, BODY, -301, "signed too long ago"),
        ({**H1, **H3}, BODY, 301, "signed too long ago"),
        ({**H3, "X-HubSpot-Request-Timestamp": "soon"}, BODY, 0, "no time of signing"),
        ({**H3, "X-HubSpot-Signature-v3": "ü"}, BODY, 0, "wrong signature"),
        ({}, BODY, 0, "not signed"),
    ],
)
def test_who_may_deliver_webhooks(headers, body, seconds, verdict):
    now = SIGNED + timedelta(seconds=seconds)

    assert verify(SECRET, method="POST", url=URL, body=body, headers=headers, now=now) == verdict


def test_without_a_secret_nobody_may():
    assert verify(
        "", method="POST", url=URL, body=BODY, headers={"x-hubspot-signature": v1("", BODY)}, now=NOON
    )


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({"plan": "free"}, 100),
        ({"plan": "professional"}, 190),
        ({"plan": "enterprise"}, 190),
        ({"credential": "oauth", "plan": "enterprise"}, 110),
    ],
)
def test_no_ten_seconds_hold_more_calls_than_the_plan_allows(config, most):
    rate = HubSpot.rates_for(config)["calls"]

    assert rate.burst + 10 * rate.per_second <= most
