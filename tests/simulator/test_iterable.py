"""The pretend Iterable answers as the real one does."""

import json
import threading
import time
from datetime import timedelta

import pytest
import requests

from integration_hub.simulator.iterable import API_KEY, MOBILE_KEY

from .conftest import NOON

DATE = "2026-11-20 12:00:00 +00:00"


class Client:
    """A caller of the API; answers come back as (status, JSON or text)."""

    def __init__(self, iterable):
        self.url = f"{iterable.url}/api/"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Api-Key"] = API_KEY

    def __call__(self, method, path, body=None, **options):
        answer = self.session.request(method, self.url + path, json=body, timeout=5, **options)
        try:
            return answer.status_code, answer.json()
        except ValueError:
            return answer.status_code, answer.text

    def update(self, **user):
        return self("POST", "users/update", user)

    def bulk(self, *users, **options):
        return self("POST", "users/bulkUpdate", {"users": list(users), **options})

    def get(self, path, **params):
        return self("GET", path, params=params)


@pytest.fixture
def iterable(simulator):
    return simulator.iterable


@pytest.fixture
def api(iterable):
    client = Client(iterable)
    yield client
    client.session.close()


def row(email="", user_id="", **data):
    identity = {"email": email, "userId": user_id}
    return {**{name: value for name, value in identity.items() if value}, "dataFields": data}


def failed(answer):
    return {name: found for name, found in answer["failedUpdates"].items() if found}


@pytest.mark.parametrize(
    ("key", "code", "params"),
    [
        ("wrong", "Success", {"endpoint": "/api/lists"}),
        (MOBILE_KEY, "BadApiKey", {"apiKeyType": "Mobile"}),
        ("", "BadApiKey", {"ip": "127.0.0.1"}),
    ],
)
def test_a_wrong_key_is_refused_in_its_shape(api, key, code, params):
    api.session.headers["Api-Key"] = key

    status, answer = api.get("lists")

    assert (status, answer["code"]) == (401, code)
    assert params.items() <= answer["params"].items()


def test_a_revoked_key_is_refused_until_it_is_good_again(iterable, api):
    iterable.revoke()
    refused = api.get("lists")[0]
    iterable.revoke(on=False)

    assert (refused, api.get("lists")[0]) == (401, 200)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "nope"), ("POST", "users/getFields"), ("GET", "users/bulkUpdate/x/../.."), ("PUT", "lists")],
)
def test_a_wrong_path_or_method_gets_a_page(api, method, path):
    status, page = api(method, path)

    assert status == 404
    assert "Action not found" in page


def test_paths_begin_with_api(iterable, api):
    answer = api.session.get(f"{iterable.url}/lists", timeout=5)

    assert (answer.status_code, answer.text[:6]) == (404, "<html>")


def test_an_upsert_makes_and_changes_a_user_under_the_lower_case_address(iterable, api):
    api.update(**row("Ann@X.test", name="Ann", age=3))
    api.update(**row("ann@x.test", age=4))

    assert iterable.users == {
        "ann@x.test": {"email": "ann@x.test", "userId": "", "dataFields": {"name": "Ann", "age": 4}}
    }


@pytest.mark.parametrize(
    ("merge", "left"), [(True, {"a": 1, "b": {"y": 2}}), (False, {"b": {"y": 2}}), (None, {"b": {"y": 2}})]
)
def test_objects_are_replaced_whole_or_merged_one_level_deep(iterable, api, merge, left):
    api.update(**row("a@x.test", o={"a": 1, "b": {"x": 1}}))

    api.update(
        **row("a@x.test", o={"b": {"y": 2}}), **({} if merge is None else {"mergeNestedObjects": merge})
    )

    assert iterable.users["a@x.test"]["dataFields"]["o"] == left


def test_null_removes_a_field_also_inside_an_object(iterable, api):
    api.update(**row("a@x.test", gone=1, o={"a": 1, "b": 2}))

    api.update(**row("a@x.test", gone=None, o={"a": None, "b": 3}))

    assert iterable.users["a@x.test"]["dataFields"] == {"o": {"b": 3}}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("2026-11-20T13:00:00.000+01:00", DATE),
        ("2026-11-20T12:00:00.000Z", DATE),
        (DATE, DATE),
        ("2026-11-20", "2026-11-20 00:00:00 +00:00"),
        ("2026-11-20T12:00:00.000+0000", "2026-11-20T12:00:00.000+0000"),
        ("2026-02-31", "2026-02-31"),
    ],
)
def test_dates_come_back_in_one_form_and_those_of_salesforce_are_texts(iterable, api, value, stored):
    api.update(**row("a@x.test", on=value))

    assert iterable.users["a@x.test"]["dataFields"]["on"] == stored


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        (1, 1.5, False),
        (1.5, 1, True),
        ("x", 1, False),
        (1, "1", False),
        (True, 1, False),
        (1, True, False),
        (DATE, "soon", False),
        ("soon", DATE, True),
        ({"a": 1}, "x", False),
        ("x", {"a": 1}, False),
        (["a"], ["b", "c"], True),
        (["a"], [1], False),
        ([{"a": 1}], [{"a": "x"}], False),
        ("x", None, True),
    ],
)
def test_the_first_value_fixes_the_type(api, first, second, fits):
    api.update(**row("a@x.test", f=first))

    status, answer = api.update(**row("a@x.test", f=second))

    assert status == (200 if fits else 400)
    assert answer["code"] == ("Success" if fits else "RequestFieldsTypesMismatched")


def test_a_mismatch_is_told_as_recorded(api):
    api.update(**row("a@x.test", Company={"since": DATE}))

    _, answer = api.update(**row("a@x.test", Company={"since": "GGG"}))

    assert answer["msg"].startswith("Project 10216: The request does not have the same data types")
    assert answer["params"]["validationErrors"] == {
        "Company.since": {
            "incomingTypes": ["string", "keyword"],
            "expectedType": "date",
            "_type": "UnexpectedType",
            "offendingValue": "GGG",
            "category": "user",
        }
    }


def test_a_bulk_call_is_200_also_when_every_row_failed(iterable, api):
    api.update(**row("a@x.test", n=1))
    iterable.forget("gone@x.test")

    status, answer = api.bulk(row("A@x.test", n="x"), row("not an address"), row("Gone@x.test"))

    assert (status, answer["successCount"], answer["failCount"]) == (200, 0, 3)
    assert failed(answer) == {
        "invalidDataEmails": ["a@x.test"],
        "invalidEmails": ["not an address"],
        "forgottenEmails": ["gone@x.test"],
    }
    assert answer["invalidEmails"] == ["not an address"]


def test_a_strict_project_refuses_the_whole_batch_and_learns_nothing_of_it(iterable, api):
    iterable.strict_batches = True

    status, answer = api.bulk(row("a@x.test", f=1), row("b@x.test", f="x", g="new"))

    assert (status, answer["code"]) == (400, "RequestFieldsTypesMismatched")
    assert iterable.users == {}
    assert {"f", "g"}.isdisjoint(api.get("users/getFields")[1]["fields"])


def test_a_refused_row_fixes_no_type(api):
    api.bulk(row("no address", f=1), row("a@x.test", f="text"))

    assert api.get("users/getFields")[1]["fields"]["f"] == "string"


@pytest.mark.parametrize("by_project", [True, False])
def test_unknown_fields_can_be_dropped(iterable, api, by_project):
    api.update(**row("a@x.test", known=1, o={"a": 1}))
    iterable.create_new_fields = not by_project
    options = {} if by_project else {"createNewFields": False}

    _, answer = api.bulk(row("a@x.test", known=2, new=1, o={"a": 2, "b": 1}), **options)

    assert answer["filteredOutFields"] == ["new", "o.b"]
    assert answer["createdFields"] == []
    assert iterable.users["a@x.test"]["dataFields"] == {"known": 2, "o": {"a": 2}}


def test_created_fields_are_named_and_listed_with_dotted_names(api):
    _, answer = api.bulk(row("a@x.test", Company={"Size": 5}, active=True))

    fields = api.get("users/getFields")[1]["fields"]
    assert answer["createdFields"] == ["Company", "Company.Size", "active"]
    assert (fields["Company.Size"], fields["active"], fields["Company"]) == ("long", "boolean", "object")


def test_there_is_room_for_so_many_fields(iterable, api):
    iterable.project.fields.limit = 2

    status, answer = api.bulk(row("a@x.test", a=1, b=1, c=1))

    assert (status, answer["code"]) == (400, "UniqueFieldsLimitExceeded")
    assert answer["params"] == {"limit": 2, "requestedTotal": 3, "newFields": ["a", "b", "c"]}
    assert api.bulk(row("a@x.test", a=1, b=1))[0] == 200


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("preferUserId", "yes", "Boolean value expected"),
        ("mergeNestedObjects", 1, "Boolean value expected"),
        ("dataFields", [], "Object value expected"),
        ("email", 5, "String value expected"),
    ],
)
def test_one_row_of_the_wrong_shape_refuses_all_and_is_named(iterable, api, field, value, expected):
    status, answer = api.bulk(row("a@x.test"), {**row("b@x.test"), field: value})

    assert (status, answer["code"]) == (400, "BadJsonBody")
    assert answer["params"] == {f"obj.users[1].{field}": expected}
    assert iterable.users == {}


@pytest.mark.parametrize("body", ["{not json", "[1]", json.dumps({"users": "x"})])
def test_a_body_that_cannot_be_read_comes_back_with_the_key_in_it(api, body):
    answer = api.session.post(api.url + "users/bulkUpdate", data=body, timeout=5)

    assert (answer.status_code, answer.json()["code"]) == (400, "BadJsonBody")
    assert API_KEY in answer.json()["msg"]


@pytest.mark.parametrize(
    ("users", "status", "code"),
    [
        ([], 400, "InvalidEmailAddressError"),
        ([{"email": f"u{n}@x.test"} for n in range(1_001)], 400, "BatchTooLarge"),
        ([row("a@x.test", text="x" * 4_000_000)], 413, "BatchTooLarge"),
    ],
    ids=["empty", "many", "large"],
)
def test_a_batch_has_its_bounds(api, users, status, code):
    got, answer = api.bulk(*users)

    assert (got, answer["code"]) == (status, code)


@pytest.mark.parametrize(
    ("manner", "with_failure", "without"),
    [
        ("full", True, True),
        ("sparse", True, False),
        ("legacy", False, False),
    ],
)
def test_answers_may_leave_lists_out(iterable, api, manner, with_failure, without):
    iterable.manner.answers = manner

    refused, fine = api.bulk(row("bad"))[1], api.bulk(row("a@x.test"))[1]

    assert ("failedUpdates" in refused) is with_failure
    assert ("failedUpdates" in fine) is without
    assert refused["invalidEmails"] == ["bad"]
    assert (fine["successCount"], fine["failCount"]) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "rows", "lists", "keys"),
    [
        ("email", [row("a@x.test", "U1"), row("b@x.test", "U1")], {}, {"a@x.test", "b@x.test"}),
        ("email", [row(user_id="U9")], {"invalidUserIds": ["U9"]}, set()),
        ("email", [{**row(user_id="U9"), "preferUserId": True}], {}, {"u9@placeholder.email"}),
        ("email", [row("a@x.test", "U1"), row(user_id="U1", n=1)], {}, {"a@x.test"}),
        ("userid", [row(user_id="U1", email="a@x.test"), row("a@x.test", "U2")], {}, {"U1", "U2"}),
        ("userid", [row("a@x.test")], {"invalidEmails": ["a@x.test"]}, set()),
        ("userid", [{"userId": "U1", "dataFields": {"email": "bad"}}], {"invalidEmails": ["bad"]}, set()),
        ("userid", [row(user_id="u" * 53)], {"invalidUserIds": ["u" * 53]}, set()),
        ("hybrid", [row("a@x.test"), row(user_id="U1")], {}, {"a@x.test", "U1"}),
        ("hybrid", [row("a@x.test"), row("a@x.test", "U1")], {}, {"U1"}),
        (
            "hybrid",
            [row("a@x.test", "U1"), {"userId": "U2", "dataFields": {"email": "A@x.test"}}],
            {"conflictEmails": ["a@x.test"]},
            {"U1"},
        ),
        ("hybrid", [row("a@x.test", "U1"), row("a@x.test", "U2")], {"conflictEmails": ["a@x.test"]}, {"U1"}),
    ],
)
def test_identity_follows_the_project_type(iterable, api, kind, rows, lists, keys):
    iterable.project_type = kind

    _, answer = api.bulk(*rows)

    assert failed(answer) == lists
    assert set(iterable.users) == keys


@pytest.mark.parametrize("kind", ["userid", "hybrid"])
def test_an_address_is_changed_through_the_fields(iterable, api, kind):
    iterable.project_type = kind
    api.bulk({"userId": "U1", "dataFields": {"email": "old@x.test", "n": 1}})

    api.bulk({"userId": "U1", "dataFields": {"email": "New@x.test"}})

    assert iterable.users == {"U1": {"email": "new@x.test", "userId": "U1", "dataFields": {"n": 1}}}
    assert api.get("users/getByEmail", email="old@x.test") == (200, {})


def test_the_type_of_a_project_with_users_stays(iterable, api):
    api.update(**row("a@x.test"))

    with pytest.raises(ValueError, match="cannot be changed"):
        iterable.project_type = "hybrid"
    with pytest.raises(ValueError, match="Choose one of"):
        iterable.project_type = "other"


def rename(api, old, new):
    status, answer = api("POST", "users/updateEmail", {"currentEmail": old, "newEmail": new})
    return status, answer["code"], answer["msg"].rpartition(". ")[2]


def test_a_user_moves_to_another_address(iterable, api):
    api.update(**row("old@x.test", n=1))

    assert rename(api, "Old@x.test", "New@x.test")[0] == 200

    assert list(iterable.users) == ["new@x.test"]
    assert api.get("users/getByEmail", email="old@x.test") == (200, {})


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        ("nobody@x.test", "new@x.test", (400, "BadParams", "User does not exist")),
        ("old@x.test", "taken@x.test", (400, "EmailAlreadyExists", "New email already exists")),
        ("old@x.test", "gone@x.test", (400, "BadParams", "New email is on the forgotten list")),
    ],
)
def test_a_move_that_cannot_be_is_refused(iterable, api, old, new, refusal):
    api.bulk(row("old@x.test"), row("taken@x.test"))
    iterable.forget("gone@x.test")

    assert rename(api, old, new) == refusal


def test_addresses_move_in_email_based_projects_only(iterable, api):
    iterable.project_type = "hybrid"
    api.update(**row("old@x.test"))

    assert rename(api, "old@x.test", "new@x.test")[0] == 400


def test_a_user_is_read_with_what_iterable_adds(api):
    api.update(**row("a+b@x.test", "U1", n=1))

    by_query = api.get("users/getByEmail", email="A+b@x.test")[1]
    by_path = api.get("users/a%2Bb%40x.test")[1]
    by_id = api.get("users/byUserId/U1")[1]

    assert by_query == by_path == by_id == api.get("users/byUserId", userId="U1")[1]
    data = by_query["user"]["dataFields"]
    assert {"email": "a+b@x.test", "userId": "U1", "n": 1, "signupDate": DATE}.items() <= data.items()


def test_an_absent_user_is_nothing_by_email_and_an_error_by_id(api):
    assert api.get("users/getByEmail", email="no@x.test") == (200, {})
    assert api.get("users/byUserId/U1")[1]["code"] == "error.users.noUserWithIdExists"
    assert api.get("users/getByEmail")[1]["code"] == "BadParams"


def test_deleting_says_yes_to_any_address_and_no_to_an_unknown_id(iterable, api):
    api.bulk(row("a@x.test"), row("b@x.test", "U1"), row("c@x.test", "U1"))

    statuses = [api("DELETE", path)[0] for path in ("users/a%40x.test", "users/a%40x.test")]
    all_of_id, again = api("DELETE", "users/byUserId/U1"), api("DELETE", "users/byUserId/U1")

    assert statuses == [200, 200]
    assert all_of_id == (
        200,
        {**all_of_id[1], "msg": "All users associated with U1 were successfully deleted"},
    )
    assert again[0] == 400
    assert again[1]["msg"] == "User does not exist. Email:  UserId: U1"
    assert iterable.users == {}


def test_deletion_by_address_is_not_for_user_id_based_projects(iterable, api):
    iterable.project_type = "userid"

    assert api("DELETE", "users/a%40x.test")[0] == 400


def test_the_forgotten_are_erased_and_not_written_again(iterable, api):
    api.update(**row("a@x.test", "U1"))

    api("POST", "users/forget", {"email": "A@x.test"})

    assert iterable.users == {}
    assert api.update(**row("a@x.test"))[0] == 409
    assert failed(api.bulk(row("b@x.test", "U1"))[1]) == {"forgottenUserIds": ["U1"]}


def test_merging_leaves_the_destination_with_the_fields_of_both(iterable, api):
    api.bulk(row("a@x.test", n=1, m=1), row("b@x.test", n=2))

    done = api("POST", "users/merge", {"sourceEmail": "a@x.test", "destinationEmail": "b@x.test"})[0]
    unknown = api("POST", "users/merge", {"sourceEmail": "a@x.test", "destinationEmail": "b@x.test"})[0]
    moved = api("POST", "users/merge", {"sourceEmail": "b@x.test", "destinationEmail": "c@x.test"})[0]

    assert (done, unknown, moved) == (200, 400, 200)
    assert iterable.users["c@x.test"]["dataFields"] == {"n": 2, "m": 1}


def test_lists_and_channels_are_there_and_lists_can_be_added(api):
    added = api("POST", "lists", {"name": "Leads"})[1]["listId"]

    lists = {one["id"]: one["name"] for one in api.get("lists")[1]["lists"]}
    assert lists == {1: "Everybody", added: "Leads"}
    assert api.get("channels")[1]["channels"]


def test_events_are_tracked_and_an_id_makes_them_upserts(iterable, api):
    event = {"email": "a@x.test", "eventName": "lead", "id": "e1", "createdAt": 1_600_000_000}
    iterable.forget("gone@x.test")

    one = api("POST", "events/track", event)
    many = api(
        "POST", "events/trackBulk", {"events": [event, {**event, "email": "gone@x.test", "id": "e2"}]}
    )[1]
    in_text = api("POST", "events/track", {**event, "createdAt": "2020"})
    forgotten = api("POST", "events/track", {**event, "email": "gone@x.test"})

    assert one == (200, {"msg": "Event with id: e1 tracked.", "code": "Success", "params": {"id": "e1"}})
    assert (many["successCount"], failed(many)) == (1, {"forgottenEmails": ["gone@x.test"]})
    assert in_text[1]["params"] == {"obj.createdAt": "Number value expected"}
    assert forgotten[0] == 400
    assert [stored["id"] for stored in iterable.events] == ["e1"]


def test_bulk_updates_leak_through_at_five_a_second(simulator, iterable, api):
    iterable.enforce_limits = True

    statuses = [api.bulk(row("a@x.test"))[0] for _ in range(6)]
    elsewhere = api.get("lists")[0]
    simulator.set_clock(NOON + timedelta(seconds=0.2))
    later = [api.bulk(row("a@x.test"))[0] for _ in range(2)]

    assert statuses == [200] * 5 + [429]
    assert elsewhere == 200
    assert later == [200, 429]


def test_calls_spaced_evenly_at_the_limit_are_never_refused(simulator, iterable, api):
    iterable.enforce_limits = True
    statuses = set()

    for number in range(30):
        simulator.set_clock(NOON + timedelta(seconds=0.2 * number))
        statuses.add(api.bulk(row("a@x.test"))[0])

    assert statuses == {200}


@pytest.mark.parametrize("named", [True, False])
def test_a_refusal_may_name_the_wait(iterable, api, named):
    iterable.enforce_limits = True
    iterable.pace.limits["lists"] = (1, 60.0)
    iterable.pace.name_the_wait = named

    api.get("lists")
    answer = api.session.get(api.url + "lists", timeout=5)

    assert answer.json() == {"msg": "Exceeded rate limit.", "code": "RateLimitExceeded", "params": None}
    assert ("Retry-After" in answer.headers) is named


def test_limits_are_off_unless_asked_for(api):
    assert {api.bulk(row("a@x.test"))[0] for _ in range(10)} == {200}


def seconds_for(call):
    before = time.monotonic()
    call()
    return time.monotonic() - before


def test_latency_is_for_all_paths_or_for_one(iterable, api):
    iterable.latency = 0.05
    everywhere = seconds_for(lambda: api.get("lists"))
    iterable.latency = {"users/bulkUpdate": 0.05}
    bulk = seconds_for(lambda: api.bulk(row("a@x.test")))

    assert min(everywhere, bulk) >= 0.05
    assert iterable.latency == 0.0


def test_a_slow_call_holds_up_no_other(iterable, api):
    iterable.latency = {"users/bulkUpdate": 5.0}
    slow = threading.Thread(target=lambda: api.session.post(api.url + "users/bulkUpdate", json={}, timeout=9))
    other = Client(iterable)

    slow.start()
    with other.session:
        assert seconds_for(lambda: other.get("lists")) < 4
    iterable.latency = 0.0
    slow.join()


@pytest.mark.parametrize(
    ("kind", "options", "status", "told", "stored"),
    [
        ("rate_limited", {}, 429, "RateLimitExceeded", 0),
        ("rate_limited", {"plain": True}, 429, "Too many requests", 0),
        ("server_error", {}, 500, "GenericError", 0),
        ("server_error_after", {}, 500, "DatabaseError", 1),
        ("malformed", {}, 200, '"failCo', 1),
        ("unavailable", {}, 503, "<html>", 0),
        ("bad_key", {}, 401, "BadApiKey", 0),
        ("forbidden", {}, 403, "Forbidden", 0),
    ],
)
def test_each_fault_has_its_shape(iterable, api, kind, options, status, told, stored):
    iterable.faults.fail_next(1, kind, path="bulkUpdate", **options)

    got, answer = api.bulk(row("a@x.test"))

    assert got == status
    assert told in str(answer)
    assert len(iterable.users) == stored


def test_a_write_can_be_applied_and_time_out(iterable, api):
    iterable.faults.fail_next(1, "drop_after", path="bulkUpdate")

    with pytest.raises(requests.ConnectionError):
        api.bulk(row("a@x.test"))

    assert list(iterable.users) == ["a@x.test"]
    assert iterable.requests[-1].status is None


def test_the_request_log_keeps_what_was_sent(iterable, api):
    api.bulk(row("a@x.test", gone=None, n=1))

    assert iterable.requests[-1].path == "/api/users/bulkUpdate"
    assert iterable.requests[-1].body == {"users": [row("a@x.test", gone=None, n=1)]}


def test_a_reset_leaves_an_empty_email_based_project(simulator, iterable, api):
    iterable.project_type = "userid"
    iterable.strict_batches = iterable.enforce_limits = True
    iterable.latency = {"lists": 9.0}
    iterable.revoke()
    api.bulk(row(user_id="U1"))

    simulator.reset()

    assert (iterable.users, iterable.project_type, iterable.requests) == ({}, "email", [])
    assert not iterable.strict_batches
    assert not iterable.enforce_limits
    assert seconds_for(lambda: api.get("lists")) < 5
    assert api.get("lists")[0] == 200


@pytest.mark.parametrize(
    "verb",
    [
        *("users", "events", "forget", "project_type", "path_latency", "enforce_limits"),
        *("create_new_fields", "manner", "revoke", "clock", "latency", "requests"),
    ],
)
def test_the_examples_of_the_control_door_work(iterable, verb):
    answer = requests.post(f"{iterable.url}/_control/{verb}", json=iterable.verbs[verb].example, timeout=5)

    assert (answer.status_code, answer.json()["ok"]) == (200, True)


def test_a_mistake_at_the_control_door_is_told(iterable):
    answer = requests.post(f"{iterable.url}/_control/manner", json={"nope": 1}, timeout=5)

    assert "Choose one of: max_users" in answer.json()["error"]


def test_a_list_takes_users_in_and_lets_them_go(iterable, api):
    api.update(email="a@x.test")
    _, made = api("POST", "lists", {"name": "Newsletter"})

    status, answer = api(
        "POST",
        "lists/subscribe",
        {"listId": made["listId"], "subscribers": [row("a@x.test"), row("B@x.test")]},
    )

    assert (status, answer["successCount"]) == (200, 2)
    assert api.get("lists/getUsers", listId=made["listId"]) == (200, "a@x.test\nb@x.test\n")
    _, shown = api.get("users/getByEmail", email="b@x.test")
    assert shown["user"]["dataFields"]["emailListIds"] == [made["listId"]]

    api("POST", "lists/unsubscribe", {"listId": made["listId"], "subscribers": [row("a@x.test")]})

    assert iterable.lists["Newsletter"] == ["b@x.test"]


def test_a_list_can_leave_out_who_is_not_there(iterable, api):
    iterable.project_type = "userid"
    body = {"listId": 1, "subscribers": [row(user_id="U1")], "updateExistingUsersOnly": True}

    _, answer = api("POST", "lists/subscribe", body)

    assert (answer["failCount"], answer["failedUpdates"]["notFoundUserIds"]) == (1, ["U1"])
    assert iterable.users == {}


def test_an_unknown_list_is_refused_with_the_code_success(api):
    status, answer = api("POST", "lists/subscribe", {"listId": 99, "subscribers": [row("a@x.test")]})

    assert (status, answer["code"], answer["params"]["listId"]) == (400, "Success", 99)


def test_a_deleted_list_has_no_members_any_more(iterable, api):
    number = iterable.add_list("Old")
    api("POST", "lists/subscribe", {"listId": number, "subscribers": [row("a@x.test")]})

    status, _ = api("DELETE", f"lists/{number}")

    assert status == 200
    assert "Old" not in iterable.lists
    assert api.get("users/getByEmail", email="a@x.test")[1]["user"]["dataFields"]["emailListIds"] == []


def test_a_disallowed_event_is_named(iterable, api):
    iterable.disallow_event("secret")
    events = [{"email": "a@x.test", "eventName": name} for name in ("secret", "open")]

    _, answer = api("POST", "events/trackBulk", {"events": events})

    assert (answer["failCount"], answer["disallowedEventNames"]) == (1, ["secret"])
    assert [one["eventName"] for one in iterable.events] == ["open"]
