"""Iterable as a destination, against recorded answers."""

import json
import logging

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    RateLimitError,
    RejectedError,
    RetryableError,
)
from integration_hub.connectors.iterable.connector import EU, US, Iterable
from integration_hub.connectors.iterable.rows import MOST_BYTES, Rows
from integration_hub.connectors.records import MatchKey, Operation, Outcome, RecordWrite, WriteRequest
from integration_hub.connectors.schema import FieldType
from tests.connectors.contract_tests import DestinationContract
from tests.connectors.doubles import MemoryKeeper, make_transport, recorded

BULK = f"{US}/api/users/bulkUpdate"
RENAME = f"{US}/api/users/updateEmail"
BY_EMAIL = f"{US}/api/users/getByEmail"
BY_ID = f"{US}/api/users/byUserId"
FIELDS = f"{US}/api/users/getFields"
KEY = "hush-hush-key"


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def connector():
    return make_iterable()


def make_iterable(base_url=US, **config):
    given_config = {"api_key": KEY, "project_type": "email", **config}
    return Iterable(given_config, make_transport(base_url, secrets=[KEY]), MemoryKeeper())


def upsert(*users, operation=Operation.UPSERT, **options):
    writes = [RecordWrite(f"d{number}", user, **options) for number, user in enumerate(users)]
    return WriteRequest("user", operation, writes)


def user(email, user_id="", **data):
    return {"email": email, **({"userId": user_id} if user_id else {}), "dataFields": data}


def sent(call):
    return json.loads(call.request.body)["users"]


def answer(count, failed=0, **lists):
    return {"json": {"successCount": count - failed, "failCount": failed, "failedUpdates": lists}}


class TestDestinationContract(DestinationContract):
    write_errors = {
        401: AuthError,
        403: ConfigError,
        429: RateLimitError,
        500: RetryableError,
        502: RetryableError,
        503: RetryableError,
        504: RetryableError,
    }

    def write_request(self, refs):
        return WriteRequest(
            "user", Operation.UPSERT, [RecordWrite(ref, user(f"{ref}@x.test", name="Ann")) for ref in refs]
        )

    def serve_status(self, vendor, status):
        vendor.post(BULK, status=status)

    def serve_verdicts(self, vendor, verdicts):
        refused = [f"d{number}@x.test" for number, fine in enumerate(verdicts) if not fine]
        vendor.post(BULK, **answer(len(verdicts), len(refused), invalidDataEmails=refused))
        vendor.get(FIELDS, **recorded("iterable/fields"))


def test_users_go_out_in_one_call_with_lower_case_addresses_and_merged_objects(vendor, connector):
    vendor.post(BULK, **answer(2))

    first, second = connector.write(upsert(user(" Ann@X.test ", "00Q1", name="Ann"), user("bob@x.test")))

    assert sent(vendor.calls[0]) == [
        {
            "email": "ann@x.test",
            "userId": "00Q1",
            "dataFields": {"name": "Ann"},
            "mergeNestedObjects": True,
        },
        {"email": "bob@x.test", "dataFields": {}, "mergeNestedObjects": True},
    ]
    assert [first.remote_id, second.remote_id] == ["ann@x.test", "bob@x.test"]
    assert vendor.calls[0].request.headers["Api-Key"] == KEY
    assert connector.transport.limiter.acquired == ["users/bulkUpdate"]


@pytest.mark.parametrize(
    ("project_type", "values", "payload", "remote_id"),
    [
        ("userid", user("A@x.test", "U1", n=1), {"userId": "U1", "dataFields": {"n": 1, "email": "a@x.test"}}, "U1"),
        ("hybrid", user("A@x.test", "U1"), {"userId": "U1", "dataFields": {"email": "a@x.test"}}, "U1"),
        ("hybrid", user("A@x.test"), {"email": "a@x.test", "dataFields": {}}, "a@x.test"),
        ("userid", user("", "U1"), {"userId": "U1", "dataFields": {}}, "U1"),
    ],
)  # fmt: skip
def test_the_project_type_says_what_identifies(vendor, project_type, values, payload, remote_id):
    vendor.post(BULK, **answer(1))

    (result,) = make_iterable(project_type=project_type).write(upsert(values))

    assert sent(vendor.calls[0]) == [{**payload, "mergeNestedObjects": True}]
    assert result.remote_id == remote_id


@pytest.mark.parametrize(
    ("project_type", "values", "code"),
    [
        ("email", user("", "U1"), "no_identifier"),
        ("userid", user("a@x.test"), "no_identifier"),
        ("hybrid", user(""), "no_identifier"),
        ("email", user("a@x.test", x=float("nan")), "not_json"),
        ("email", user("a@x.test", x=object()), "not_json"),
        ("email", user("a@x.test", x="\ud800"), "not_json"),
        ("email", {"email": "a@x.test", "dataFields": "text"}, "BadJsonBody"),
    ],
)
def test_what_cannot_be_sent_is_refused_without_a_call_and_the_rest_goes(vendor, project_type, values, code):
    vendor.post(BULK, **answer(1))

    bad, good = make_iterable(project_type=project_type).write(upsert(values, user("ok@x.test", "OK")))

    assert bad.error.code == code
    assert bad.error.remedy
    assert good.outcome is Outcome.UPDATED
    assert len(sent(vendor.calls[0])) == 1


@pytest.mark.parametrize(("choice", "told"), [("", None), ("project", None), ("yes", True), ("no", False)])
def test_whether_new_fields_are_made_is_said_only_when_chosen(vendor, choice, told):
    vendor.post(BULK, **answer(1))

    make_iterable(create_new_fields=choice).write(upsert(user("a@x.test")))

    assert json.loads(vendor.calls[0].request.body).get("createNewFields") is told


def test_dropped_fields_are_kept_and_logged_without_values(vendor, connector, caplog):
    vendor.post(BULK, **recorded("iterable/bulk_dropped_fields"))

    with caplog.at_level(logging.WARNING):
        connector.write(upsert(user("ann@x.test", shoeSize="secret 42")))

    assert connector.dropped_fields == {"shoeSize", "Company.Mood"}
    assert "Company.Mood, shoeSize" in caplog.text
    assert "42" not in caplog.text
    assert "ann@" not in caplog.text


@pytest.mark.parametrize("case", ["bulk_failed", "bulk_failed_without_lists"])
def test_a_failure_is_found_by_its_address_in_any_case(vendor, connector, case):
    vendor.post(BULK, **recorded(f"iterable/{case}"))

    good, bad = connector.write(upsert(user("good@x.test"), user("BAD@x")))

    assert good.outcome is Outcome.UPDATED
    assert bad.error.code == "invalid_email"


@pytest.mark.parametrize(
    ("project_type", "lists", "code"),
    [
        ("hybrid", {"conflictEmails": ["b@x.test"]}, "conflict"),
        ("hybrid", {"forgottenEmails": ["B@X.test"]}, "forgotten"),
        ("hybrid", {"forgottenUserIds": ["U1"]}, "forgotten"),
        ("userid", {"invalidEmails": ["b@x.test"]}, "invalid_email"),
        ("userid", {"invalidUserIds": ["U1"]}, "invalid_user_id"),
        ("email", {"invalidUserIds": ["U1"]}, "invalid_user_id"),
        ("email", {"notFoundEmails": ["b@x.test"]}, "not_found"),
    ],
)
def test_each_list_has_its_reason(vendor, project_type, lists, code):
    vendor.post(BULK, **answer(2, 1, **lists))

    fine, failed = make_iterable(project_type=project_type).write(
        upsert(user("a@x.test", "U0"), user("b@x.test", "U1"))
    )

    assert fine.outcome is Outcome.UPDATED
    assert isinstance(failed.error, RejectedError)
    assert failed.error.code == code
    assert failed.error.remedy


def test_an_address_inside_the_fields_names_a_row_too(vendor):
    vendor.post(BULK, **answer(2, 1, invalidEmails=["c@d"]))
    rows = ({"userId": "U0", "dataFields": {}}, {"userId": "U1", "dataFields": {"email": "C@d"}})

    fine, failed = make_iterable(project_type="userid").write(upsert(*rows))

    assert (fine.outcome, failed.outcome) == (Outcome.UPDATED, Outcome.FAILED)


def test_a_user_id_is_told_apart_by_its_case(vendor):
    vendor.post(BULK, **answer(2, 1, forgottenUserIds=["abc"]))

    fine, failed = make_iterable(project_type="userid").write(upsert(user("", "ABC"), user("", "abc")))

    assert (fine.outcome, failed.outcome) == (Outcome.UPDATED, Outcome.FAILED)


def test_what_iterable_had_already_is_unchanged(vendor, connector):
    vendor.post(BULK, **recorded("iterable/bulk_no_op"))

    results = connector.write(upsert(user("a@x.test"), user("b@x.test")))

    assert [result.outcome for result in results] == [Outcome.UPDATED, Outcome.UNCHANGED]


def test_bad_data_is_explained_by_the_known_types(vendor, connector):
    vendor.post(BULK, **answer(1, 1, invalidDataEmails=["a@x.test"]))
    vendor.get(FIELDS, **recorded("iterable/fields"))

    (result,) = connector.write(upsert(user("a@x.test", Company={"Size": "secret"}, joinedOn="2026-11-20")))

    assert result.error.message == "Company.Size is long in Iterable, this record has text."
    assert result.error.remedy


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("score", "high", "score is double in Iterable, this record has text."),
        ("score", True, "score is double in Iterable, this record has true or false."),
        ("active", 1, "active is boolean in Iterable, this record has a whole number."),
        ("firstName", 1.5, "firstName is string in Iterable, this record has a number with decimals."),
        ("joinedOn", "soon", "joinedOn is date in Iterable, this record has text."),
        ("Company", "Acme", "Company is object in Iterable, this record has text."),
        ("Company", [{"Size": ["x"]}], "Company.Size is long in Iterable, this record has a list."),
        ("firstName", {"a": 1}, "firstName is string in Iterable, this record has an object."),
        ("score", [1, 2.5, None], "Iterable refused a value of this record and did not say which."),
    ],
)
def test_each_kind_of_value_is_compared_with_the_known_type(vendor, connector, field, value, told):
    vendor.post(BULK, **answer(1, 1, invalidDataEmails=["a@x.test"]))
    vendor.get(FIELDS, **recorded("iterable/fields"))

    (result,) = connector.write(upsert(user("a@x.test", **{field: value})))

    assert result.error.message == told


def test_bad_data_stays_refused_when_the_types_cannot_be_asked_for(vendor, connector):
    vendor.post(BULK, **answer(1, 1, invalidDataEmails=["a@x.test"]))
    vendor.get(FIELDS, status=503)

    (result,) = connector.write(upsert(user("a@x.test", score="high")))

    assert result.error.code == "invalid_data"


def test_one_user_twice_goes_in_two_calls_in_order(vendor, connector):
    vendor.post(BULK, **answer(2))

    connector.write(upsert(user("A@x.test", n=1), user("b@x.test", n=2), user("a@x.test", n=3)))

    assert [[row["dataFields"]["n"] for row in sent(call)] for call in vendor.calls] == [[1, 2], [3]]


def test_no_call_holds_more_than_a_thousand_users(vendor, connector):
    vendor.post(BULK, **answer(1))

    connector.write(upsert(*(user(f"u{n}@x.test") for n in range(1_001))))

    assert [len(sent(call)) for call in vendor.calls] == [1_000, 1]


def test_a_shared_address_does_not_split_a_user_id_based_batch(vendor):
    vendor.post(BULK, **answer(2))

    make_iterable(project_type="userid").write(upsert(user("info@x.test", "U1"), user("info@x.test", "U2")))

    assert len(vendor.calls) == 1


def test_a_batch_is_cut_before_the_body_is_too_large(vendor, connector):
    vendor.post(BULK, **answer(1))
    long = "x" * (MOST_BYTES // 3)

    results = connector.write(upsert(*(user(f"u{n}@x.test", text=long) for n in range(5))))

    assert [len(sent(call)) for call in vendor.calls] == [2, 2, 1]
    assert all(len(call.request.body) <= MOST_BYTES + 100 for call in vendor.calls)
    assert all(result.outcome is Outcome.UPDATED for result in results)


@given(
    emails=st.lists(st.sampled_from(["a@x.test", "B@x.test", "b@x.test", "c@x.test"]), max_size=12),
    ids=st.lists(st.sampled_from(["", "U1", "U2"]), min_size=12, max_size=12),
    project_type=st.sampled_from(["email", "userid", "hybrid"]),
)
def test_batches_hold_every_row_once_in_order_and_no_user_twice(emails, ids, project_type):
    rows = Rows(project_type)
    made = [rows.row(n, RecordWrite(f"d{n}", user(email, ids[n]))) for n, email in enumerate(emails)]
    made = [row for row in made if not isinstance(row, RejectedError)]

    batches = rows.batches(made)

    assert sorted(row.position for batch in batches for row in batch) == [row.position for row in made]
    for name in {name for row in made for name in identifiers(row, project_type)}:
        named = [[r.position for r in batch if name in identifiers(r, project_type)] for batch in batches]
        assert all(len(positions) <= 1 for positions in named)
        in_order = [position for positions in named for position in positions]
        assert in_order == sorted(in_order)


def identifiers(row, project_type):
    """Return what no two users share: in a hybrid project userIds and e-mails, else one of them."""
    return {row.user_id, row.email} - {""} if project_type == "hybrid" else {row.key}


def test_a_numbered_row_is_taken_out_and_the_rest_sent_again(vendor, connector):
    vendor.post(BULK, **recorded("iterable/bad_json_body"))
    vendor.post(BULK, **answer(2))

    results = connector.write(upsert(*(user(f"{n}@x.test") for n in "abc")))

    assert [row["email"] for row in sent(vendor.calls[1])] == ["a@x.test", "c@x.test"]
    assert [result.outcome for result in results] == [Outcome.UPDATED, Outcome.FAILED, Outcome.UPDATED]
    assert "preferUserId" in results[1].error.message


def test_rows_with_the_refused_type_are_named_and_the_rest_sent_again(vendor, connector):
    vendor.post(BULK, **recorded("iterable/types_mismatched"))
    vendor.post(BULK, **answer(1))

    bad, good = connector.write(
        upsert(user("a@x.test", joinedOn="GGG"), user("b@x.test", joinedOn="2026-11-20"))
    )

    assert bad.error.message == "joinedOn is date in Iterable, this record has text."
    assert "GGG" not in repr(bad.error)
    assert good.outcome is Outcome.UPDATED
    assert len(vendor.calls) == 2


def refuse_rows(vendor, bad, **refusal):
    """Refuse every batch that holds one of `bad`; take the others."""

    def answered(request):
        rows = json.loads(request.body)["users"]
        if any(row["email"] in bad for row in rows):
            return (refusal["status"], {}, json.dumps({"msg": "no", "code": refusal["code"], "params": None}))
        return (200, {}, json.dumps({"successCount": len(rows), "failCount": 0}))

    vendor.add_callback(responses.POST, BULK, callback=answered, content_type="application/json")


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "BadJsonBody"), (400, "RequestFieldsTypesMismatched"), (413, ""), (400, "BatchTooLarge"), (409, "Conflict")],
)  # fmt: skip
def test_a_batch_refused_without_a_name_is_halved_until_the_bad_row_is_alone(vendor, connector, status, code):
    refuse_rows(vendor, {"u5@x.test"}, status=status, code=code)

    results = connector.write(upsert(*(user(f"u{n}@x.test") for n in range(16))))

    assert [n for n, result in enumerate(results) if result.outcome is Outcome.FAILED] == [5]
    assert len(vendor.calls) == 9
    assert results[5].error.remedy


def test_failures_that_the_answer_does_not_name_are_found_the_same_way(vendor, connector):
    def answered(request):
        bad = sum(row["email"] == "u2@x.test" for row in json.loads(request.body)["users"])
        return (200, {}, json.dumps({"successCount": 9, "failCount": bad}))

    vendor.add_callback(responses.POST, BULK, callback=answered, content_type="application/json")

    results = connector.write(upsert(*(user(f"u{n}@x.test") for n in range(4))))

    assert [result.error.code if result.error else "" for result in results] == ["", "", "unnamed", ""]


def test_a_batch_of_nothing_but_bad_rows_does_not_call_for_ever(vendor, connector):
    refuse_rows(vendor, {f"u{n}@x.test" for n in range(500)}, status=400, code="BadParams")

    results = connector.write(upsert(*(user(f"u{n}@x.test") for n in range(500))))

    assert len(vendor.calls) == 60
    assert {type(result.error) for result in results} >= {RetryableError}
    assert sum(isinstance(result.error, RejectedError) for result in results) > 20


def test_an_outage_in_the_middle_does_not_lose_what_is_known(vendor, connector):
    vendor.post(BULK, **recorded("iterable/bad_json_body"))
    vendor.post(BULK, status=503)

    results = connector.write(upsert(user("a@x.test"), user("b@x.test")))

    assert type(results[0].error) is RetryableError
    assert isinstance(results[1].error, RejectedError)


@pytest.mark.parametrize(
    ("case", "error", "words"),
    [
        ("key_refused", AuthError, "server-side"),
        ("key_of_a_phone", AuthError, "server-side"),
        ("action_not_found", ConfigError, "base address"),
        ("fields_limit", ConfigError, "raise the project's limit"),
    ],
)
def test_what_a_person_must_change_is_raised_with_the_remedy(vendor, connector, case, error, words):
    vendor.post(BULK, **recorded(f"iterable/{case}"))

    with pytest.raises(error) as caught:
        connector.write(upsert(user("a@x.test"), user("b@x.test")))

    assert words in caught.value.remedy
    assert len(vendor.calls) == 1


def test_the_kind_of_a_wrong_key_is_told(vendor, connector):
    vendor.post(BULK, **recorded("iterable/key_of_a_phone"))

    with pytest.raises(AuthError, match="Iterable refused a Mobile key"):
        connector.write(upsert(user("a@x.test")))


@pytest.mark.parametrize(("case", "seconds"), [("rate_limited", 1.0), ("rate_limited_as_text", 7.0)])
def test_a_limit_is_waited_for_shortly_unless_told_otherwise(vendor, connector, case, seconds):
    vendor.post(BULK, **recorded(f"iterable/{case}"))

    with pytest.raises(RateLimitError) as caught:
        connector.write(upsert(user("a@x.test")))

    assert caught.value.retry_after == seconds
    assert connector.transport.limiter.blocked == [("users/bulkUpdate", seconds)]


@pytest.mark.parametrize("body", ["<html>", "[]", "", "{}", '{"successCount": 1}'])
def test_an_answer_that_cannot_be_read_is_no_success(vendor, connector, body):
    vendor.post(BULK, body=body)

    with pytest.raises(RetryableError):
        connector.write(upsert(user("a@x.test")))


def test_the_status_rules_over_a_code_that_says_success(vendor, connector):
    vendor.post(BULK, **recorded("iterable/refused_with_success"))

    (result,) = connector.write(upsert(user("a@x.test")))

    assert isinstance(result.error, RejectedError)
    assert result.error.code == "http_400"


@pytest.mark.parametrize(
    "case",
    [
        *("bad_json_body_with_headers", "types_mismatched", "changed_email_taken", "fields_limit"),
        "refused_with_success",
    ],
)
def test_no_refusal_repeats_the_vendors_words(vendor, case):
    vendor.post(BULK, **recorded(f"iterable/{case}"))
    careless = Iterable(
        {"api_key": KEY, "project_type": "email"}, make_transport(US, secrets=[]), MemoryKeeper()
    )

    try:
        error = careless.write(upsert(user("ann@x.test", joinedOn="GGG")))[0].error
    except ConfigError as raised:
        error = raised

    text = f"{error.message} {error.remedy} {error.code} {error!r} {careless.transport.callouts}"
    assert not any(word in text for word in (KEY, "ann@", "x.test", "GGG", "Api-Key", "Some(", "Ann"))


def moving(*pairs, **options):
    return WriteRequest(
        "user",
        Operation.UPSERT,
        [
            RecordWrite(f"d{n}", user(new), former=old, **options)
            for n, (old, new) in enumerate(pairs)
        ],
    )  # fmt: skip


def renames(vendor):
    bodies = [json.loads(call.request.body) for call in vendor.calls if call.request.url == RENAME]
    return [(body["currentEmail"], body["newEmail"]) for body in bodies]


def test_a_changed_address_moves_the_user_before_it_is_written(vendor, connector):
    vendor.post(RENAME, **recorded("iterable/changed_email"))
    vendor.get(BY_EMAIL, **recorded("iterable/user"))
    vendor.post(BULK, **answer(1))

    (result,) = connector.write(moving(("Old@x.test", "New@x.test")))

    assert renames(vendor) == [("old@x.test", "new@x.test")]
    assert [call.request.url.partition("?")[0] for call in vendor.calls] == [RENAME, BY_EMAIL, BULK]
    assert result.remote_id == "new@x.test"


@pytest.mark.parametrize(
    ("project_type", "former"),
    [("email", ""), ("email", "NEW@x.test"), ("userid", "U0"), ("hybrid", "old@x.test")],
)
def test_nobody_moves_without_need(vendor, project_type, former):
    vendor.post(BULK, **answer(1))
    write = RecordWrite("d1", user("new@x.test", "U1"), former=former)

    make_iterable(project_type=project_type).write(WriteRequest("user", Operation.UPSERT, [write]))

    assert renames(vendor) == []


@pytest.mark.parametrize(
    ("case", "former_is", "outcome"),
    [
        ("changed_email_of_nobody", "no_user", Outcome.UPDATED),
        ("changed_email_taken", "no_user", Outcome.UPDATED),
        ("changed_email_taken", "user", Outcome.FAILED),
        ("changed_email_forgotten", "user", Outcome.FAILED),
    ],
)
def test_a_refused_move_is_a_conflict_unless_it_was_made_before(vendor, connector, case, former_is, outcome):
    vendor.post(RENAME, **recorded(f"iterable/{case}"))
    vendor.get(BY_EMAIL, **recorded(f"iterable/{former_is}"))
    vendor.post(BULK, **answer(2))

    moved, other = connector.write(moving(("old@x.test", "new@x.test"), ("", "b@x.test")))

    assert moved.outcome is outcome
    assert other.outcome is Outcome.UPDATED
    assert moved.error is None or (isinstance(moved.error, RejectedError) and moved.error.remedy)


def test_a_user_still_on_the_move_is_written_with_the_next_try(vendor, connector):
    vendor.post(RENAME, **recorded("iterable/changed_email"))
    vendor.get(BY_EMAIL, **recorded("iterable/no_user"))
    vendor.post(BULK, **answer(1))

    moved, other = connector.write(moving(("old@x.test", "new@x.test"), ("", "b@x.test")))

    assert isinstance(moved.error, RetryableError)
    assert other.outcome is Outcome.UPDATED
    assert [row["email"] for row in sent(vendor.calls[-1])] == ["b@x.test"]


def test_an_address_is_left_before_another_user_takes_it(vendor, connector):
    vendor.post(RENAME, **recorded("iterable/changed_email"))
    vendor.get(BY_EMAIL, **recorded("iterable/user"))
    vendor.post(BULK, **answer(3))

    connector.write(moving(("a@x.test", "b@x.test"), ("b@x.test", "c@x.test"), ("c@x.test", "d@x.test")))

    assert renames(vendor) == [
        ("c@x.test", "d@x.test"),
        ("b@x.test", "c@x.test"),
        ("a@x.test", "b@x.test"),
    ]


def test_an_outage_ends_the_moving_and_not_the_write(vendor, connector):
    vendor.post(RENAME, status=500)
    vendor.post(BULK, **answer(1))

    first, second, other = connector.write(
        moving(("a@x.test", "b@x.test"), ("c@x.test", "d@x.test"), ("", "e@x.test"))
    )

    assert len(renames(vendor)) == 1
    assert isinstance(first.error, RetryableError)
    assert first.error is second.error
    assert other.outcome is Outcome.UPDATED


def test_an_outage_that_leaves_nothing_to_write_is_raised(vendor, connector):
    vendor.post(RENAME, **recorded("iterable/rate_limited"))

    with pytest.raises(RateLimitError):
        connector.write(moving(("a@x.test", "b@x.test"), ("c@x.test", "d@x.test")))


@pytest.mark.parametrize(
    ("project_type", "match", "path"),
    [
        ("email", MatchKey("email", "A+b/c@x.test"), "users/A%2Bb%2Fc%40x.test"),
        ("userid", MatchKey("userId", "a/b"), "users/byUserId/a%2Fb"),
        ("hybrid", MatchKey("email", "a@x.test"), "users/a%40x.test"),
        ("hybrid", MatchKey("userId", "U1"), "users/byUserId/U1"),
        ("hybrid", None, "users/byUserId/U9"),
        ("email", None, "users/nine%40x.test"),
    ],
)
def test_a_user_is_deleted_by_what_identifies_it(vendor, project_type, match, path):
    vendor.delete(f"{US}/api/{path}", **recorded("iterable/changed_email"))
    request = upsert(user("nine@x.test", "U9"), operation=Operation.DELETE, match=match)

    (result,) = make_iterable(project_type=project_type).write(request)

    assert result.outcome is Outcome.DELETED
    assert vendor.calls[0].request.url == f"{US}/api/{path}"


def test_deleting_leaves_no_address_in_the_callouts(vendor, connector):
    vendor.delete(f"{US}/api/users/ann%2Btag%40x.test", **recorded("iterable/changed_email"))

    connector.write(upsert(user(""), operation=Operation.DELETE, match=MatchKey("email", "ann+tag@x.test")))

    assert connector.transport.callouts[0].url == f"{US}/api/users/***"


def test_a_user_who_is_not_there_counts_as_deleted_and_one_without_name_is_refused(vendor):
    vendor.delete(f"{US}/api/users/byUserId/U1", **recorded("iterable/deleted_nobody"))

    gone, nameless = make_iterable(project_type="userid").write(
        upsert(user("", "U1"), user(""), operation=Operation.DELETE)
    )

    assert gone.outcome is Outcome.DELETED
    assert isinstance(nameless.error, RejectedError)


def test_an_outage_while_deleting_ends_it_and_keeps_what_is_known(vendor, connector):
    vendor.delete(f"{US}/api/users/a%40x.test", **recorded("iterable/changed_email"))
    vendor.delete(f"{US}/api/users/b%40x.test", status=503)

    results = connector.write(upsert(*(user(f"{n}@x.test") for n in "abc"), operation=Operation.DELETE))

    assert results[0].outcome is Outcome.DELETED
    assert [type(result.error) for result in results[1:]] == [RetryableError, RetryableError]
    assert len(vendor.calls) == 2


@pytest.mark.parametrize(
    ("object_type", "operation"), [("user", Operation.SEND), ("user", Operation.CREATE), ("Lead", Operation.UPSERT)]
)  # fmt: skip
def test_only_users_are_written_and_deleted(connector, object_type, operation):
    with pytest.raises(ConfigError):
        connector.write(WriteRequest(object_type, operation, []))


def test_users_are_looked_up_and_absent_ones_left_out(vendor, connector):
    for email, case in (("a+1@b.test", "user"), ("no@b.test", "no_user")):
        asked = responses.matchers.query_param_matcher({"email": email})
        vendor.get(BY_EMAIL, match=[asked], **recorded(f"iterable/{case}"))

    found = connector.look_up("user", ["a+1@b.test", "no@b.test"])

    assert list(found) == ["a+1@b.test"]
    record = found["a+1@b.test"]
    assert record.values["dataFields"]["firstName"] == "Ann"
    assert record.modified_at.isoformat() == "2021-02-03T08:00:00+00:00"
    assert "a%2B1" in vendor.calls[0].request.url


@pytest.mark.parametrize("case", ["no_user", "no_user_with_id"])
def test_an_unknown_user_id_is_absent_in_either_form(vendor, case):
    vendor.get(BY_ID, **recorded(f"iterable/{case}"))

    assert make_iterable(project_type="userid").look_up("user", ["9"]) == {}


def test_fields_are_described_by_the_names_of_a_mapping(vendor, connector):
    vendor.get(FIELDS, **recorded("iterable/fields"))

    schema = connector.destination_schema("user")

    types = {name: field.type for name, field in schema.fields.items()}
    assert types["email"] is FieldType.TEXT
    assert types["dataFields.Company.Size"] is FieldType.NUMBER
    assert types["dataFields.joinedOn"] is FieldType.DATETIME
    assert schema.fields["dataFields.Company.Size"].label == "Company.Size (long)"
    assert {"dataFields.Company", "dataFields.emailListIds", "dataFields.email"}.isdisjoint(types)


def test_a_good_connection_is_told_in_facts(vendor, connector):
    vendor.get(f"{US}/api/lists", **recorded("iterable/lists"))
    vendor.get(FIELDS, **recorded("iterable/fields"))

    check = connector.check()

    assert check.ok
    assert check.problems == []
    assert check.facts["Lists"] == "1"


def test_a_project_that_looks_like_another_type_is_pointed_out(vendor):
    vendor.get(f"{US}/api/lists", **recorded("iterable/lists"))
    vendor.get(FIELDS, **recorded("iterable/fields"))

    check = make_iterable(project_type="userid").check()

    assert check.ok
    assert "looks Email-based, the connection says UserID-based" in check.problems[0]


@pytest.mark.parametrize("case", ["key_refused", "key_of_a_phone", "action_not_found"])
def test_a_refusal_is_an_answer_of_the_check(vendor, connector, case):
    vendor.get(f"{US}/api/lists", **recorded(f"iterable/{case}"))

    check = connector.check()

    assert not check.ok
    assert check.problems


def test_the_check_asks_for_what_is_not_filled_in(vendor):
    vendor.get(f"{US}/api/lists", **recorded("iterable/lists"))
    vendor.get(FIELDS, **recorded("iterable/fields"))

    assert "API key is missing" in make_iterable(api_key="").check().summary
    assert "project type is not set" in make_iterable(project_type="").check().summary


@pytest.mark.parametrize(
    ("base_url", "data_center", "address"),
    [(US, "us", US), (US, "eu", EU), (US, "", US), ("http://127.0.0.1:8803", "eu", "http://127.0.0.1:8803")],
)
def test_the_data_center_chooses_the_address_unless_one_is_given(base_url, data_center, address):
    assert make_iterable(base_url, data_center=data_center).transport.base_url == address
