"""The Iterable connector against the pretend project: identity, refusals and troubles in their interplay."""

import json
import time

import pytest

from integration_hub.connectors.errors import AuthError, RateLimitError, RejectedError, RetryableError
from integration_hub.connectors.iterable.connector import Iterable
from integration_hub.connectors.records import MatchKey, Operation, Outcome, RecordWrite, WriteRequest
from integration_hub.simulator.iterable import API_KEY, MOBILE_KEY
from integration_hub.simulator.server import Simulator
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport

PAYLOAD = {
    "Name": {"First": "Ann", "Last": "Lee"},
    "Salesforce": {"Id": "00Q000000000001AAA", "Status": "Open", "Source": "Web"},
    "Company": {"Name": "Acme", "Salesforce": {"Id": "001000000000001AAA"}},
    "Owner": {"Email": "priya@acme.test", "IsActive": True},
    "Score": 1.5,
}


@pytest.fixture(scope="module")
def running():
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def project(running):
    running.reset()
    running.set_clock(NOON)
    return running.iterable


@pytest.fixture
def connector(project):
    with make_iterable(project) as connector:
        yield connector


def make_iterable(project, key=API_KEY, **config):
    transport = make_transport(project.url, secrets=[key])
    return Iterable(
        {"api_key": key, "project_type": project.project_type, **config}, transport, MemoryKeeper()
    )


def upsert(*users, operation=Operation.UPSERT):
    writes = [RecordWrite(f"d{number}", user) for number, user in enumerate(users)]
    return WriteRequest("user", operation, writes)


def user(email, user_id="", **data):
    return {"email": email, **({"userId": user_id} if user_id else {}), "dataFields": data}


def bulk_calls(project):
    return [call for call in project.requests if call.path.endswith("bulkUpdate")]


def test_a_thousand_users_land_in_one_call(project, connector):
    results = connector.write(upsert(*(user(f"u{n}@x.test", **PAYLOAD) for n in range(1_000))))

    assert {result.outcome for result in results} == {Outcome.UPDATED}
    assert len(project.users) == 1_000
    assert len(bulk_calls(project)) == 1
    assert project.users["u7@x.test"]["dataFields"] == PAYLOAD


def test_what_others_wrote_into_an_object_stays(project, connector):
    connector.write(upsert(user("a@x.test", Company={"Theirs": 1})))

    connector.write(upsert(user("a@x.test", Company={"Ours": 2})))

    assert project.users["a@x.test"]["dataFields"]["Company"] == {"Theirs": 1, "Ours": 2}


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("answers", ["full", "sparse"])
def test_bad_rows_are_found_and_all_others_land(project, connector, strict, answers):
    connector.write(upsert(user("seed@x.test", score=1, Company={"Size": 5})))
    project.strict_batches = strict
    project.manner.answers = answers
    rows = [user(f"u{n}@x.test", score=n, Company={"Size": n}) for n in range(100)]
    rows[13]["dataFields"]["score"] = "high"
    rows[14]["dataFields"]["Company"]["Size"] = "big"
    rows[60]["email"] = "no-address"

    results = connector.write(upsert(*rows))

    failed = {n: result.error.message for n, result in enumerate(results) if result.error}
    assert set(failed) == {13, 14, 60}
    assert failed[13] == "score is long in Iterable, this record has text."
    assert failed[14] == "Company.Size is long in Iterable, this record has text."
    assert len(project.users) == 98
    assert len(project.requests) <= 6


def test_answers_of_the_old_form_leave_bad_data_to_be_found_by_halves(project, connector):
    connector.write(upsert(user("seed@x.test", score=1)))
    project.manner.answers = "legacy"

    results = connector.write(upsert(*(user(f"u{n}@x.test", score="x" if n == 5 else n) for n in range(32))))

    assert [n for n, result in enumerate(results) if result.error] == [5]
    assert len(project.users) == 32


@pytest.mark.parametrize(("limit", "value"), [("max_users", 10), ("max_bytes", 2_000)])
def test_a_lower_bound_than_ours_is_found_by_halving(project, connector, limit, value):
    setattr(project.manner, limit, value)

    results = connector.write(upsert(*(user(f"u{n}@x.test", name="Ann Lee") for n in range(64))))

    assert {result.outcome for result in results} == {Outcome.UPDATED}
    assert len(project.users) == 64


def test_a_conflict_of_two_people_in_a_hybrid_project_is_told(project):
    project.project_type = "hybrid"

    first, second = make_iterable(project).write(upsert(user("a@x.test", "U1"), user("A@x.test", "U2")))

    assert first.outcome is Outcome.UPDATED
    assert second.error.code == "conflict"


def test_a_changed_address_makes_no_second_user(project, connector):
    connector.write(upsert(user("old@x.test", n=1)))
    move = WriteRequest(
        "user", Operation.UPSERT, [RecordWrite("d1", user("new@x.test", m=2), former="old@x.test")]
    )

    first, again = connector.write(move), connector.write(move)

    assert project.users == {
        "new@x.test": {"email": "new@x.test", "userId": "", "dataFields": {"n": 1, "m": 2}}
    }
    assert first[0].outcome is again[0].outcome is Outcome.UPDATED


@pytest.mark.parametrize("path", ["updateEmail", "bulkUpdate", "getByEmail"])
@pytest.mark.parametrize("fault", ["drop_after", "server_error_after", "drop"])
def test_a_move_that_was_cut_short_is_finished_by_the_next_try(project, connector, path, fault):
    connector.write(upsert(user("old@x.test", n=1)))
    move = WriteRequest(
        "user", Operation.UPSERT, [RecordWrite("d1", user("new@x.test", n=2), former="old@x.test")]
    )
    project.faults.fail_next(1, fault, path=path)

    with pytest.raises(RetryableError):
        connector.write(move)
    (result,) = connector.write(move)

    assert result.outcome is Outcome.UPDATED
    assert list(project.users) == ["new@x.test"]
    assert project.users["new@x.test"]["dataFields"] == {"n": 2}


def test_swapped_addresses_are_a_conflict_and_nobody_is_mixed_up(project, connector):
    connector.write(upsert(user("a@x.test", who="A"), user("b@x.test", who="B")))
    swap = [
        RecordWrite("d1", user("b@x.test", who="A"), former="a@x.test"),
        RecordWrite("d2", user("a@x.test", who="B"), former="b@x.test"),
    ]

    results = connector.write(WriteRequest("user", Operation.UPSERT, swap))

    assert isinstance(results[0].error, RejectedError)
    assert isinstance(results[1].error, RetryableError)
    assert project.users["a@x.test"]["dataFields"] == {"who": "A"}


def test_who_follows_a_user_that_cannot_leave_waits_and_takes_nothing_over(project, connector):
    connector.write(upsert(user("a@x.test"), user("b@x.test"), user("c@x.test", who="C")))
    chain = [
        RecordWrite("d1", user("b@x.test", who="A"), former="a@x.test"),
        RecordWrite("d2", user("c@x.test", who="B"), former="b@x.test"),
    ]

    first, second = connector.write(WriteRequest("user", Operation.UPSERT, chain))

    assert (first.error.code, second.error.code) == ("moving", "EmailAlreadyExists")
    assert len(project.users) == 3
    assert project.users["b@x.test"]["dataFields"] == {}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limited", RateLimitError),
        ("server_error", RetryableError),
        ("server_error_after", RetryableError),
        ("unavailable", RetryableError),
        ("drop", RetryableError),
        ("drop_after", RetryableError),
        ("malformed", RetryableError),
        ("bad_key", AuthError),
    ],
)
def test_trouble_says_what_to_do_next_and_a_repetition_is_harmless(project, connector, fault, error):
    project.faults.fail_next(1, fault)

    with pytest.raises(error) as caught:
        connector.write(upsert(user("a@x.test", n=1)))
    (result,) = connector.write(upsert(user("a@x.test", n=1)))

    assert type(caught.value) is error
    assert result.outcome is Outcome.UPDATED
    assert len(project.users) == 1


def test_fields_can_be_dropped_and_are_named(project):
    connector = make_iterable(project, create_new_fields="no")

    connector.write(upsert(user("a@x.test", Company={"Mood": "good"})))

    assert connector.dropped_fields == {"Company"}
    assert project.users["a@x.test"]["dataFields"] == {}


@pytest.mark.parametrize(
    ("kind", "key"), [("email", "a+1@x.test"), ("userid", "U 1/2"), ("hybrid", "U1"), ("hybrid", "a+1@x.test")]
)  # fmt: skip
def test_a_user_is_written_looked_up_and_deleted_under_one_key(project, kind, key):
    project.project_type = kind
    connector = make_iterable(project)
    field = "email" if "@" in key else "userId"
    connector.write(upsert({field: key, "dataFields": {"n": 1}}))

    found = connector.look_up("user", [key, "nobody@x.test" if "@" in key else "nobody"])
    gone = WriteRequest("user", Operation.DELETE, [RecordWrite("d1", {}, match=MatchKey(field, key))])
    (result,) = connector.write(gone)

    assert found[key].values["dataFields"]["n"] == 1
    assert found[key].modified_at == NOON
    assert list(found) == [key]
    assert result.outcome is Outcome.DELETED
    assert connector.look_up("user", [key]) == {}


def test_written_fields_are_described(project, connector):
    connector.write(upsert(user("a@x.test", **PAYLOAD)))

    fields = connector.destination_schema("user").fields

    assert {"email", "dataFields.Company.Salesforce.Id", "dataFields.Score"} <= set(fields)
    assert "dataFields.signupDate" not in fields


@pytest.mark.parametrize("kind", ["email", "userid", "hybrid"])
def test_the_check_is_good_for_the_right_project_type_only(project, kind):
    project.project_type = kind

    problems = {
        stated: make_iterable(project, project_type=stated).check().problems
        for stated in ("email", "userid", "hybrid")
    }

    assert [stated for stated, found in problems.items() if not found] == [kind]


def test_the_check_knows_the_key_of_a_phone(project):
    check = make_iterable(project, key=MOBILE_KEY).check()

    assert not check.ok
    assert check.summary == "Iterable refused a Mobile key."


def test_no_text_that_leaves_holds_a_key_or_an_address(project, connector):
    project.forget("gone@x.test")
    results = connector.write(
        upsert(user("gone@x.test"), user("bad address"), user("ok@x.test", preferUserId=1))
    )
    connector.look_up("user", ["ann@x.test"])

    text = repr([result.error and vars(result.error) for result in results])
    text += repr(connector.transport.callouts)
    assert not any(word in text for word in (API_KEY, "gone@", "bad address", "x.test", "ann"))


def test_writing_costs_little_more_than_encoding(connector, monkeypatch):
    """Measured against the encoding alone, so that a slow machine does not matter; it is about twice as much."""
    rows = [user(f"u{n}@x.test", **PAYLOAD, Extra=n) for n in range(1_000)]
    request = upsert(*rows)
    monkeypatch.setattr(connector, "_post_rows", lambda rows: {"successCount": 1_000, "failCount": 0})

    encoding = least_seconds(lambda: [json.dumps(row, ensure_ascii=False).encode() for row in rows])
    writing = least_seconds(lambda: connector.write(request))

    assert writing < 5 * encoding


def least_seconds(run):
    """Return the CPU time of the best of some runs: what else the machine does only adds to it."""
    spent = []
    for _ in range(7):
        started = time.process_time()
        run()
        spent.append(time.process_time() - started)
    return min(spent)
