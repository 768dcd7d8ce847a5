"""Events and list members at Iterable, against the pretend project and recorded answers."""

import json
from datetime import timedelta

import pytest
import responses

from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    RateLimitError,
    RejectedError,
    RetryableError,
)
from integration_hub.connectors.iterable import moves as iterable_moves
from integration_hub.connectors.iterable.connector import US, Iterable
from integration_hub.connectors.iterable.rows import Rows
from integration_hub.connectors.records import MatchKey, Operation, Outcome, RecordWrite, WriteRequest
from integration_hub.simulator.iterable import API_KEY
from tests.connectors.contract_tests import DestinationContract
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport

TRACK = f"{US}/api/events/trackBulk"
WRITE_ERRORS = {
    401: AuthError,
    403: ConfigError,
    429: RateLimitError,
    500: RetryableError,
    502: RetryableError,
    503: RetryableError,
    504: RetryableError,
}


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def connector():
    return Iterable({"api_key": "k", "project_type": "email"}, make_transport(US), MemoryKeeper())


@pytest.fixture
def project(simulator):
    simulator.set_clock(NOON)
    return simulator.iterable


def open_project(project, project_type="email"):
    project.project_type = project_type
    config = {"api_key": API_KEY, "project_type": project_type}
    return Iterable(config, make_transport(project.url, secrets=[API_KEY]), MemoryKeeper())


def event(email, name="leadStatusChanged", key="e1", **values):
    return RecordWrite(
        f"d-{key}", {"email": email, "eventName": name, **values}, happened_at=NOON, dedup_key=key
    )


def track(connector, *events):
    return connector.write(WriteRequest("event", Operation.UPSERT, events))


def members(connector, number, *identifiers, operation=Operation.UPSERT, field="email"):
    writes = [RecordWrite(f"d{n}", {field: one}, MatchKey(field, one)) for n, one in enumerate(identifiers)]
    return connector.write(WriteRequest(f"list:{number}", operation, writes))


def add_users(connector, *emails, field="email"):
    writes = [RecordWrite(one, {field: one}, MatchKey(field, one)) for one in emails]
    assert all(r.error is None for r in connector.write(WriteRequest("user", Operation.UPSERT, writes)))


class TestEventContract(DestinationContract):
    write_errors = WRITE_ERRORS

    def write_request(self, refs):
        values = {ref: {"email": f"{ref}@x.test", "eventName": "register"} for ref in refs}
        writes = [RecordWrite(ref, values[ref], dedup_key=ref) for ref in refs]
        return WriteRequest("event", Operation.UPSERT, writes)

    def serve_status(self, vendor, status):
        vendor.post(TRACK, status=status)

    def serve_verdicts(self, vendor, verdicts):
        refused = [f"D{number}@x.test" for number, fine in enumerate(verdicts) if not fine]
        lists = {"forgottenEmails": refused}
        counts = {"successCount": len(verdicts) - len(refused), "failCount": len(refused)}
        vendor.post(TRACK, json={**counts, "failedUpdates": lists})


class TestListContract(DestinationContract):
    write_errors = WRITE_ERRORS

    @pytest.fixture
    def connector(self):
        return Iterable({"api_key": "k", "project_type": "userid"}, make_transport(US), MemoryKeeper())

    def write_request(self, refs):
        writes = [RecordWrite(ref, {"userId": ref}, MatchKey("userId", ref)) for ref in refs]
        return WriteRequest("list:7", Operation.UPSERT, writes)

    def serve_status(self, vendor, status):
        vendor.post(f"{US}/api/lists/subscribe", status=status)

    def serve_verdicts(self, vendor, verdicts):
        refused = [f"d{number}" for number, fine in enumerate(verdicts) if not fine]
        counts = {"successCount": len(verdicts) - len(refused), "failCount": len(refused)}
        vendor.post(
            f"{US}/api/lists/subscribe", json={**counts, "failedUpdates": {"forgottenUserIds": refused}}
        )


def test_events_go_out_in_one_call_with_their_id_and_the_second_of_the_change(vendor, connector):
    vendor.post(TRACK, json={"successCount": 2, "failCount": 0})

    results = track(
        connector,
        event("Ann@x.test", dataFields={"to": "Won"}),
        event("b@x.test", key="e2", createdAt="2026-11-20"),
    )

    first, second = json.loads(vendor.calls[0].request.body)["events"]
    assert first == {
        "email": "ann@x.test",
        "eventName": "leadStatusChanged",
        "id": "e1",
        "createdAt": int(NOON.timestamp()),
        "dataFields": {"to": "Won"},
    }
    assert second["createdAt"] == int((NOON - timedelta(hours=12)).timestamp())
    assert [result.outcome for result in results] == [Outcome.SENT, Outcome.SENT]
    assert connector.transport.limiter.acquired == ["events/trackBulk"]


def test_an_event_that_is_told_again_is_there_once(project):
    connector = open_project(project)
    track(connector, event("a@x.test"))

    track(connector, event("a@x.test"), event("b@x.test", key="e2"))

    assert [one["id"] for one in project.events] == ["e1", "e2"]


def test_events_that_iterable_does_not_take_fail_one_by_one_with_the_reason(project):
    connector = open_project(project)
    project.disallow_event("forbidden")
    project.forget("gone@x.test")

    results = track(
        connector,
        event("a@x.test", name="forbidden"),
        event("gone@x.test", key="e2"),
        event("", key="e3"),
        event("b@x.test", name="", key="e4"),
        event("c@x.test", key="e5"),
    )

    codes = [result.error.code if result.error else "" for result in results]
    assert codes == ["event_disallowed", "forgotten", "no_identifier", "no_event_name", ""]
    assert [one["id"] for one in project.events] == ["e5"]


def test_two_events_of_one_user_are_told_in_order(project):
    connector = open_project(project)

    track(connector, event("a@x.test", key="e1"), event("a@x.test", key="e2"))

    assert [one["id"] for one in project.events] == ["e1", "e2"]


def test_users_are_put_on_a_list_and_taken_off_it(project):
    connector = open_project(project)
    number = project.add_list("Newsletter")
    add_users(connector, "a@x.test", "b@x.test")

    members(connector, number, "A@x.test", "b@x.test")
    [gone] = members(connector, number, "a@x.test", operation=Operation.DELETE)

    assert project.lists["Newsletter"] == ["b@x.test"]
    assert gone.outcome is Outcome.DELETED
    assert len(project.users) == 2


@pytest.mark.parametrize("project_type", ["email", "userid", "hybrid"])
def test_who_is_not_a_user_yet_is_tried_again_and_never_made(project, project_type):
    connector = open_project(project, project_type)
    field = "email" if project_type == "email" else "userId"
    there, absent = ("a@x.test", "b@x.test") if field == "email" else ("U1", "U2")
    add_users(connector, there, field=field)

    fine, later = members(connector, 1, there, absent, field=field)

    assert fine.error is None
    assert (type(later.error), later.error.code) == (RetryableError, "user_not_there")
    assert project.lists["Everybody"] == [there]
    assert list(project.users) == [there]


def test_taking_somebody_off_who_is_not_there_is_done(project):
    [result] = members(open_project(project), 1, "nobody@x.test", operation=Operation.DELETE)

    assert result.outcome is Outcome.DELETED


def test_leaving_a_list_leaves_the_channel_alone(vendor, connector):
    vendor.post(f"{US}/api/lists/unsubscribe", json={"successCount": 1, "failCount": 0})

    members(connector, 7, "a@x.test", operation=Operation.DELETE)

    body = json.loads(vendor.calls[0].request.body)
    assert (body["listId"], body["channelUnsubscribe"]) == (7, False)


def test_a_list_that_is_gone_refuses_all_in_one_call(project):
    connector = open_project(project, "userid")
    project.requests.clear()

    results = members(connector, 99, "U1", "U2", "U3", field="userId")

    assert {result.error.code for result in results} == {"no_such_list"}
    assert "another list" in results[0].error.remedy
    assert len(project.requests) == 1


def test_the_lists_of_the_project_are_offered_by_their_names(project):
    connector = open_project(project)
    number = project.add_list("Newsletter")

    offered = dict(connector.object_types_written())

    assert offered[f"list:{number}"] == "Members of the list “Newsletter”"
    assert {"user", "event"} < set(offered)


@pytest.mark.parametrize(
    ("project_type", "object_type", "match_path", "paths", "place", "words"),
    [
        ("email", "user", "userId", ["userId"], "", "“email”"),
        ("userid", "user", "email", ["email"], "", "“userId”"),
        ("hybrid", "user", "email", ["email", "userId"], "", "“userId”"),
        ("email", "event", "email", ["email"], "", "eventName"),
        ("email", "event", "email", ["email", "eventName", "Status"], "Status", "dataFields.Status"),
        ("email", "list:1", "email", ["email", "dataFields.x"], "dataFields.x", "userId only"),
        ("email", "person", "email", ["email"], "", "person"),
    ],
)
def test_what_cannot_be_written_is_said_beforehand(
    project_type, object_type, match_path, paths, place, words
):
    found = Iterable.objections({"project_type": project_type}, object_type, match_path, paths)

    assert words in found[place]


@pytest.mark.parametrize(
    ("project_type", "object_type", "match_path", "paths"),
    [
        ("email", "user", "email", ["email", "userId", "dataFields.x"]),
        ("userid", "user", "userId", ["userId", "email"]),
        ("hybrid", "user", "email", ["email"]),
        ("hybrid", "list:3", "email", ["email"]),
        ("userid", "event", "userId", ["userId", "eventName", "createdAt", "dataFields.x"]),
        ("", "user", "userId", ["userId"]),
    ],
)
def test_what_can_be_written_meets_no_objection(project_type, object_type, match_path, paths):
    assert Iterable.objections({"project_type": project_type}, object_type, match_path, paths) == {}


def test_a_refusal_without_a_reason_is_explained_by_the_single_call(vendor, connector):
    vendor.post(f"{US}/api/users/bulkUpdate", json={"successCount": 0, "failCount": 1})
    vendor.post(f"{US}/api/users/update", status=409, json={"code": "ForgottenUserError", "msg": ""})

    [result] = connector.write(
        WriteRequest("user", Operation.UPSERT, [RecordWrite("d1", {"email": "a@x.test"})])
    )

    assert isinstance(result.error, RejectedError)
    assert result.error.code == "ForgottenUserError"
    assert "forgotten" in result.error.remedy


def test_a_user_that_the_single_call_takes_is_written(vendor, connector):
    vendor.post(f"{US}/api/users/bulkUpdate", json={"successCount": 0, "failCount": 1})
    vendor.post(f"{US}/api/users/update", json={"code": "Success"})

    [result] = connector.write(
        WriteRequest("user", Operation.UPSERT, [RecordWrite("d1", {"email": "a@x.test"})])
    )

    assert (result.outcome, result.remote_id) == (Outcome.UPDATED, "a@x.test")


def test_many_moves_are_spread_over_several_writes(vendor, connector, monkeypatch):
    monkeypatch.setattr(iterable_moves, "MOST_MOVES", 2)
    vendor.post(f"{US}/api/users/updateEmail", json={"code": "Success"})
    vendor.get(f"{US}/api/users/getByEmail", json={"user": {"email": "x"}})
    vendor.post(f"{US}/api/users/bulkUpdate", json={"successCount": 3, "failCount": 0})
    moving = [RecordWrite(f"d{n}", {"email": f"new{n}@x.test"}, former=f"old{n}@x.test") for n in range(4)]
    writes = [*moving, RecordWrite("stays", {"email": "stays@x.test"})]

    results = connector.write(WriteRequest("user", Operation.UPSERT, writes))

    assert [r.error.code if r.error else "" for r in results] == ["", "", "moving_later", "moving_later", ""]
    assert isinstance(results[2].error, RateLimitError)


def test_moves_that_take_long_end_in_time():
    times = iter(range(0, 1_000, 10))
    moves = iterable_moves.Moves(lambda old, new: None, lambda email: True, clock=lambda: next(times))
    rows = [
        Rows("email").row(n, RecordWrite("d", {"email": f"new{n}@x.test"}, former=f"old{n}@x.test"))
        for n in range(5)
    ]

    assert sorted(moves.run(rows)) == [2, 3, 4]
