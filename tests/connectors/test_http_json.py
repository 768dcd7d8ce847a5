"""The connector for any JSON API, against answers made up for it: what leaves, what an answer means, how lists end."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    ConnectorError,
    RateLimitError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.filters import Condition, Operator
from integration_hub.connectors.http_json.connector import HttpJson, objects_problem
from integration_hub.connectors.http_json.requests import safe_path
from integration_hub.connectors.json_values import LARGEST_KEPT, bounded, inferred, moment_at, picked
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
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport

API = "https://orders.test/api"
LIST = f"{API}/customers"
SINCE = datetime(2026, 11, 20, 9, 50, tzinfo=UTC)
OBJECTS = """
customers:
  label: Customers
  modified: updated_at
  created: created_at
  title: name
  email: email
  list:
    path: /customers
    records: data
    since: updated_since
    sorted: true
    %(paging)s
    size_parameter: limit
    size: 3
  get: /customers/{id}
  create: /customers
  update: PATCH /customers/{id}
  delete: /customers/{id}
  match: {field: email, path: "/customers?email={value}", records: data}
  deleted: {path: /customers/deleted, records: data, since: since, at: deleted_at}
"""
CURSOR = "paging: cursor\n    cursor: next\n    cursor_parameter: cursor"
PAGE = "paging: page\n    page_parameter: page"
LINK = "paging: link"
CALLED = {"method": "POST", "path": "/things", "body": {"a": 1}}


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def connector():
    return make_http_json()


def make_http_json(paging=CURSOR, objects=None, **config):
    config = {
        "address": API,
        "auth": "bearer",
        "token": "secret-token-1",
        "objects": OBJECTS % {"paging": paging} if objects is None else objects,
        **config,
    }
    connector = HttpJson(config, make_transport("", secrets=[config["token"]]), MemoryKeeper())
    connector.clock = lambda: NOON
    return connector


def customer(number, second=0, **values):
    stamp = f"2026-11-20T10:{second // 60:02d}:{second % 60:02d}Z"
    return {"id": number, "email": f"c{number}@x.test", "name": f"C {number}", "updated_at": stamp, **values}


def read_request(**overrides):
    return ReadRequest(
        **{"object_type": "customers", "fields": ["name", "email"], "since": SINCE, **overrides}
    )


def ids_of(pages):
    return [record.remote_id for page in pages for record in page.records]


def write(operation, *values, match=True, **more):
    writes = [
        RecordWrite(
            f"d{n}", one, match=MatchKey("email", one["email"]) if match and "email" in one else None, **more
        )
        for n, one in enumerate(values)
    ]
    return WriteRequest("customers", operation, writes)


def call(**values):
    return WriteRequest("request", Operation.CALL, [RecordWrite("d7", {**CALLED, **values})])


def asked(vendor, number=-1):
    request = vendor.calls[number].request
    return request.method, request.url.removeprefix(API), json.loads(request.body) if request.body else None


class TestSourceContract(SourceContract):
    def read_request(self):
        return read_request()

    def serve_status(self, vendor, status):
        vendor.get(LIST, status=status)

    def serve_pages(self, vendor, sizes):
        rows = iter([customer(number, number) for number in range(1, sum(sizes) + 1)])
        ids = []
        for number, size in enumerate(sizes):
            data = [next(rows) for _ in range(size)]
            ids += [str(row["id"]) for row in data]
            last = number == len(sizes) - 1
            vendor.get(LIST, json={"data": data, "next": None if last else f"cursor-{number}"})
        return ids


class TestDestinationContract(DestinationContract):
    def write_request(self, refs):
        values = [{"email": f"{ref}@x.test"} for ref in refs]
        writes = [RecordWrite(ref, one) for ref, one in zip(refs, values, strict=True)]
        return WriteRequest("customers", Operation.CREATE, writes)

    def serve_status(self, vendor, status):
        vendor.post(LIST, status=status)

    def serve_verdicts(self, vendor, verdicts):
        for number, fine in enumerate(verdicts):
            vendor.post(LIST, status=201 if fine else 422, json={"id": number} if fine else {"error": "no"})


class TestCalls:
    def test_a_call_is_one_request_below_the_address_and_its_answer_is_kept(self, vendor, connector):
        vendor.post(f"{API}/things", json={"id": 5, "state": "new"}, status=201)

        [result] = connector.write(call(headers={"X-Trace": "t"}))

        assert (result.outcome, result.status, result.answer) == (
            Outcome.SENT,
            201,
            {"id": 5, "state": "new"},
        )
        request = vendor.calls[0].request
        assert request.headers["Authorization"] == "Bearer secret-token-1"
        assert (request.headers["X-Trace"], json.loads(request.body)) == ("t", {"a": 1})

    @pytest.mark.parametrize(
        "path",
        [
            "https://evil.test/x",
            "//evil.test/x",
            "x",
            "/../admin",
            "/a/%2e%2e/admin",
            "/a/%252e%252e/b",
            "/a\r\nX: y",
            "/a b",
            "/a#b",
            "/a\\..\\b",
            "",
        ],
    )
    def test_a_path_that_leads_elsewhere_is_refused(self, vendor, connector, path):
        [result] = connector.write(call(path=path))

        assert isinstance(result.error, RejectedError)
        assert not vendor.calls

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-A": "b\r\nX-B: c"},
            {"X-A\r\nX-B": "c"},
            {"Host": "evil.test"},
            {"authorization": "Bearer x"},
            {"Content-Length": 1},
        ],
    )
    def test_a_header_that_says_more_than_it_should_is_refused(self, vendor, connector, headers):
        [result] = connector.write(call(headers=headers))

        assert isinstance(result.error, RejectedError)
        assert not vendor.calls

    @pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
    def test_a_refusal_comes_with_its_status_and_what_was_said(self, vendor, connector, status):
        vendor.post(f"{API}/things", json={"reason": "known"}, status=status)

        [result] = connector.write(call())

        assert (result.outcome, result.status) == (Outcome.FAILED, status)
        assert (result.error.code, result.answer) == (f"http_{status}", {"reason": "known"})

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (401, AuthError),
            (403, ConfigError),
            (302, ConfigError),
            (429, RateLimitError),
            (503, RetryableError),
            (500, UnknownOutcomeError),
        ],
    )
    def test_other_answers_say_what_to_do_next(self, vendor, connector, status, error):
        vendor.post(f"{API}/things", status=status, headers={"Location": "https://evil.test/"})

        with pytest.raises(error) as caught:
            connector.write(call())

        assert type(caught.value) is error
        assert len(vendor.calls) == 1, "redirects are not followed"

    def test_with_an_idempotency_header_a_call_may_be_repeated(self, vendor):
        connector = make_http_json(idempotency_header="Idempotency-Key")
        vendor.post(f"{API}/things", status=500)

        with pytest.raises(RetryableError) as caught:
            connector.write(call())

        assert not isinstance(caught.value, UnknownOutcomeError)
        assert Operation.CALL in connector.repeatable
        assert vendor.calls[0].request.headers["Idempotency-Key"] == "d7"

    def test_without_one_a_call_without_an_answer_is_a_matter_for_a_person(self, connector):
        assert Operation.CALL not in connector.repeatable
        with pytest.raises(RejectedError):
            connector.recall(call())

    def test_reading_is_harmless_in_any_case(self, vendor, connector):
        vendor.get(f"{API}/things", status=500)

        with pytest.raises(RetryableError) as caught:
            connector.write(call(method="GET", body=None))

        assert not isinstance(caught.value, UnknownOutcomeError)

    @pytest.mark.parametrize(
        ("body", "kept"),
        [
            (b"", None),
            (b"<p>done</p>", None),
            (b"[1,2]", {"body": [1, 2]}),
            (b'"x"', {"body": "x"}),
            (b"{}", {}),
        ],
    )
    def test_an_answer_that_is_no_object_is_an_answer(self, vendor, connector, body, kept):
        vendor.post(f"{API}/things", body=body)

        [result] = connector.write(call())

        assert (result.outcome, result.answer) == (Outcome.SENT, kept)


@given(st.text(alphabet=st.sampled_from("/.%2eE5cC\\ax?&=@:#\r\n\t "), max_size=25))
def test_no_path_leads_out_of_the_address(path):
    try:
        checked = safe_path(path)
    except ValueError:
        return
    there = urlsplit(make_transport(API).address(checked))

    assert (there.scheme, there.netloc) == ("https", "orders.test")
    prepared = urlsplit(requests.Request("GET", f"{API}{checked}").prepare().url)
    assert prepared.netloc == "orders.test"
    assert prepared.path.startswith("/api/")


class TestWriting:
    def test_a_create_takes_the_id_from_the_answer(self, vendor, connector):
        vendor.post(LIST, json={"id": 41}, status=201)

        [result] = connector.write(write(Operation.CREATE, {"email": "a@x.test", "name": "Ann"}))

        assert (result.outcome, result.remote_id, result.status) == (Outcome.CREATED, "41", 201)
        assert asked(vendor) == ("POST", "/customers", {"email": "a@x.test", "name": "Ann"})

    def test_a_create_of_what_is_there_names_it(self, vendor, connector):
        vendor.post(LIST, json={"error": "duplicate"}, status=409)
        vendor.get(LIST, json={"data": [customer(9, email="A@x.test")]})

        [result] = connector.write(write(Operation.CREATE, {"email": "a@x.test"}))

        assert (result.outcome, result.remote_id, result.status) == (Outcome.EXISTING, "9", 409)

    def test_an_upsert_updates_what_has_the_match_value(self, vendor, connector):
        vendor.get(LIST, json={"data": [customer(9)]})
        vendor.patch(f"{LIST}/9", json={"id": 9})

        [result] = connector.write(write(Operation.UPSERT, {"email": "c9@x.test", "name": "New"}))

        assert (result.outcome, result.remote_id) == (Outcome.UPDATED, "9")
        assert parse_qs(urlsplit(vendor.calls[0].request.url).query) == {"email": ["c9@x.test"]}

    def test_an_upsert_creates_what_is_not_there_also_if_the_api_lists_others(self, vendor, connector):
        vendor.get(LIST, json={"data": [customer(1), customer(2)]})
        vendor.post(LIST, json={"id": 3})

        [result] = connector.write(write(Operation.UPSERT, {"email": "new@x.test"}))

        assert (result.outcome, result.remote_id) == (Outcome.CREATED, "3")

    def test_an_upsert_under_a_new_match_value_writes_to_the_record_that_had_the_former(
        self, vendor, connector
    ):
        vendor.get(LIST, json={"data": [customer(9, email="old@x.test")]})
        vendor.patch(f"{LIST}/9", json={"id": 9})

        [result] = connector.write(write(Operation.UPSERT, {"email": "new@x.test"}, former="old@x.test"))

        assert (result.outcome, result.remote_id) == (Outcome.UPDATED, "9")

    def test_an_update_goes_to_the_id_that_is_known_and_quotes_it(self, vendor, connector):
        vendor.patch(f"{LIST}/a%2Fb", json={})

        [result] = connector.write(write(Operation.UPDATE, {"name": "New"}, remote_id="a/b"))

        assert (result.outcome, result.remote_id) == (Outcome.UPDATED, "a/b")

    @pytest.mark.parametrize("status", [204, 404, 410])
    def test_what_is_gone_is_deleted(self, vendor, connector, status):
        vendor.delete(f"{LIST}/9", status=status)

        [result] = connector.write(write(Operation.DELETE, {}, remote_id="9"))

        assert (result.outcome, result.error) == (Outcome.DELETED, None)

    def test_an_unanswered_create_is_looked_for_by_its_match_value(self, vendor, connector):
        vendor.get(LIST, json={"data": [customer(9)]})

        [found] = connector.recall(write(Operation.CREATE, {"email": "c9@x.test"}, match=False))

        assert (found.outcome, found.remote_id) == (Outcome.CREATED, "9")

    def test_a_record_that_was_there_long_before_is_not_what_was_created(self, vendor, connector):
        vendor.get(LIST, json={"data": [customer(9, created_at="2026-11-20T09:00:00Z")]})

        [found] = connector.recall(write(Operation.CREATE, {"email": "c9@x.test"}, attempted_at=NOON))

        assert found is None

    def test_one_refused_record_does_not_hold_up_the_next(self, vendor, connector):
        vendor.post(LIST, json={"error": "no"}, status=422)
        vendor.post(LIST, json={"id": 2})

        results = connector.write(write(Operation.CREATE, {"email": "a@x.test"}, {"email": "b@x.test"}))

        assert [result.outcome for result in results] == [Outcome.FAILED, Outcome.CREATED]

    def test_after_an_outage_the_rest_is_not_tried(self, vendor, connector):
        vendor.post(LIST, json={"id": 1})
        vendor.post(LIST, status=503)

        results = connector.write(write(Operation.CREATE, *({"email": f"{n}@x.test"} for n in range(3))))

        assert [type(result.error) for result in results] == [type(None), RetryableError, RetryableError]
        assert len(vendor.calls) == 2

    @pytest.mark.parametrize("operation", [Operation.SEND, Operation.ASSOCIATE])
    def test_what_it_cannot_do_is_said(self, connector, operation):
        with pytest.raises(ConfigError):
            connector.write(write(operation, {"email": "a@x.test"}))

    def test_an_object_type_that_is_not_declared_is_named(self, connector):
        with pytest.raises(ConfigError, match="invoices"):
            connector.write(WriteRequest("invoices", Operation.CREATE, [RecordWrite("d", {})]))


class FakeList:
    """A list that is sorted by time of change and really pages; `between` runs before each page but the first."""

    def __init__(self, vendor, rows, *, size, between=lambda page, rows: None):
        self.rows, self.size, self.between, self.calls = rows, size, between, 0
        vendor.add_callback(responses.GET, LIST, self.answer)

    def answer(self, request):
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        if self.calls:
            self.between(self.calls, self.rows)
        self.calls += 1
        since = query.get("updated_since", "")
        rows = sorted(
            (r for r in self.rows if r["updated_at"] >= since), key=lambda r: (r["updated_at"], r["id"])
        )
        start = (int(query.get("page", query.get("cursor", 1))) - 1) * self.size
        number = start // self.size + 1
        more = start + self.size < len(rows)
        link = {"Link": f'<{LIST}?page={number + 1}&updated_since={since}>; rel="next"'} if more else {}
        body = {"data": rows[start : start + self.size], "next": number + 1 if more else None}
        return 200, link, json.dumps(body)


class TestReading:
    @pytest.mark.parametrize("paging", [CURSOR, PAGE, LINK], ids=["cursor", "page", "link"])
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
    def test_each_paging_reads_everything_once(self, vendor, paging, count):
        FakeList(vendor, [customer(n, n) for n in range(1, count + 1)], size=2)

        pages = list(make_http_json(paging).read(read_request()))

        assert ids_of(pages) == [str(n) for n in range(1, count + 1)]

    @pytest.mark.parametrize("paging", [CURSOR, PAGE, LINK], ids=["cursor", "page", "link"])
    def test_equal_times_over_a_page_edge_are_all_read(self, vendor, paging):
        FakeList(vendor, [customer(n, 5) for n in range(1, 6)], size=2)

        assert ids_of(make_http_json(paging).read(read_request())) == ["1", "2", "3", "4", "5"]

    def test_with_page_numbers_a_record_that_changes_meanwhile_hides_no_other(self, vendor):
        def change(page, rows):
            if page == 1:
                rows[0]["updated_at"] = "2026-11-20T11:00:00Z"

        FakeList(vendor, [customer(n, 10 * n) for n in range(1, 6)], size=2, between=change)

        ids = ids_of(make_http_json(PAGE).read(read_request()))

        assert set(ids) == {"1", "2", "3", "4", "5"}

    def test_a_page_shorter_than_asked_for_is_not_the_end(self, vendor):
        FakeList(vendor, [customer(n, 10 * n) for n in range(1, 8)], size=2)  # three were asked for

        assert len(ids_of(make_http_json(PAGE).read(read_request()))) == 7

    @pytest.mark.parametrize("behind", ["repeated", "not found"])
    def test_what_an_api_says_behind_its_last_page_is_the_end(self, vendor, behind):
        objects = (OBJECTS % {"paging": PAGE}).replace("sorted: true", "sorted: false")
        last = {"data": [customer(2, 20)]}
        vendor.get(LIST, json={"data": [customer(1, 10)]})
        vendor.get(LIST, json=last)
        vendor.get(LIST, **({"json": last} if behind == "repeated" else {"status": 404}))

        assert ids_of(make_http_json(objects=objects).read(read_request())) == ["1", "2"]

    def test_since_is_asked_a_second_earlier_and_what_was_before_is_left_out(self, vendor, connector):
        vendor.get(LIST, json={"data": [customer(1, updated_at="2026-11-20T09:49:59Z"), customer(2)]})

        pages = list(connector.read(read_request()))

        assert ids_of(pages) == ["2"]
        query = parse_qs(urlsplit(vendor.calls[0].request.url).query)
        assert query == {"updated_since": ["2026-11-20T09:49:59Z"], "limit": ["3"]}

    def test_an_unsorted_list_is_read_to_its_end_before_the_watermark_moves(self, vendor):
        objects = (OBJECTS % {"paging": CURSOR}).replace("sorted: true", "sorted: false")
        connector = make_http_json(objects=objects)
        vendor.get(LIST, json={"data": [customer(3, 30), customer(1, 10)], "next": "n"})
        vendor.get(LIST, status=503)
        pages = connector.read(read_request())

        with pytest.raises(RetryableError):
            next(pages)

    def test_an_unsorted_list_is_sorted(self, vendor):
        objects = (OBJECTS % {"paging": CURSOR}).replace("sorted: true", "sorted: false")
        vendor.get(LIST, json={"data": [customer(3, 30), customer(1, 10)], "next": "n"})
        vendor.get(LIST, json={"data": [customer(2, 20)]})

        pages = list(make_http_json(objects=objects).read(read_request(page_size=2)))

        assert [ids_of([page]) for page in pages] == [["1", "2"], ["3"]]
        assert pages[0].watermark == pages[0].records[-1].modified_at

    def test_the_watermark_of_an_unsorted_list_stays_before_the_read_began(self, vendor):
        objects = (OBJECTS % {"paging": CURSOR}).replace("sorted: true", "sorted: false")
        vendor.get(LIST, json={"data": [customer(1, updated_at="2026-11-20T12:00:30Z")]})

        [page] = make_http_json(objects=objects).read(read_request())

        assert page.watermark == NOON, "what changed on a page already read would be passed by"

    def test_a_list_that_is_not_sorted_as_declared_is_refused(self, vendor, connector):
        vendor.get(LIST, json={"data": [customer(3, 30)], "next": "n"})
        vendor.get(LIST, json={"data": [customer(1, 10)]})

        with pytest.raises(ConfigError, match="not sorted"):
            list(connector.read(read_request()))

    def test_a_cursor_that_leads_in_circles_is_noticed(self, vendor, connector):
        vendor.get(LIST, json={"data": [], "next": "same"})

        with pytest.raises(RetryableError):
            list(connector.read(read_request()))

    def test_a_next_page_at_another_host_is_not_followed(self, vendor):
        vendor.get(
            LIST, json={"data": []}, headers={"Link": '<https://evil.test/api/customers?page=2>; rel="next"'}
        )

        with pytest.raises(ConfigError, match=r"evil\.test"):
            list(make_http_json(LINK).read(read_request()))

    def test_a_record_has_what_was_asked_for_and_no_more(self, vendor, connector):
        row = customer(1, phone="555", created_at=1_700_000_000)
        vendor.get(LIST, json={"data": [row]})

        [[record]] = [page.records for page in connector.read(read_request(fields=["name"]))]

        assert "phone" not in record.values
        assert (record.title, record.email) == ("C 1", "c1@x.test")
        assert record.created_at == datetime.fromtimestamp(1_700_000_000, UTC)

    def test_the_version_differs_when_only_a_value_does(self, vendor, connector):
        for name in ("A", "B", "B"):
            vendor.get(LIST, json={"data": [customer(1, name=name)]})

        versions = [next(connector.read(read_request())).records[0].version for _ in range(3)]

        assert versions[0] != versions[1] == versions[2]
        assert all(len(version) <= 80 for version in versions)

    def test_a_list_without_times_of_change_goes_by_content(self, vendor):
        objects = "things: {list: {path: /things}}"
        vendor.get(f"{API}/things", json=[{"id": 1, "a": 1}])

        [page] = make_http_json(objects=objects).read(read_request(object_type="things"))

        assert (ids_of([page]), page.watermark) == (["1"], None)

    def test_a_preview_reads_no_more_than_it_needs(self, vendor):
        served = FakeList(vendor, [customer(n, n) for n in range(1, 8)], size=2)

        assert ids_of(make_http_json().read(read_request(limit=2))) == ["1", "2"]
        assert served.calls == 1

    def test_fetching_leaves_out_what_is_gone(self, vendor, connector):
        vendor.get(f"{LIST}/1", json=customer(1))
        vendor.get(f"{LIST}/2", status=404)

        assert [record.remote_id for record in connector.fetch("customers", ["1", "2", "1"], [])] == ["1"]

    def test_counting_reads_to_the_end(self, vendor, connector):
        FakeList(vendor, [customer(n, n) for n in range(1, 8)], size=2)

        assert connector.count("customers", None) == 7

    def test_criteria_are_left_to_the_hub(self, connector):
        where = Condition("name", FieldType.TEXT, Operator.EQUALS, ("A",))

        with pytest.raises(ConfigError):
            connector.count("customers", where)

    def test_deleted_records_are_listed_where_the_api_does(self, vendor, connector):
        body = {
            "data": [
                {"id": 4, "deleted_at": "2026-11-20T11:00:00Z"},
                {"id": 5, "deleted_at": "2026-01-01T00:00:00Z"},
            ]
        }
        vendor.get(f"{LIST}/deleted", json=body)

        assert connector.deleted("customers", SINCE, NOON) == [("4", NOON - timedelta(hours=1))]

    def test_fields_are_inferred_from_a_page_and_none_is_filtered_by_the_api(self, vendor, connector):
        vendor.get(
            LIST,
            json={"data": [customer(1, total=1.5, vip=True, address={"city": "Bonn"}, born="2000-01-01")]},
        )

        schema = connector.describe("customers")

        kinds = {name: field.type for name, field in schema.fields.items()}
        assert kinds["total"] is FieldType.NUMBER
        assert kinds["vip"] is FieldType.BOOLEAN
        assert kinds["address.city"] is FieldType.TEXT
        assert kinds["born"] is FieldType.DATE
        assert kinds["updated_at"] is FieldType.DATETIME
        assert not any(field.filterable for field in schema.fields.values())
        assert connector.base_fields(schema) == ["id", "updated_at", "created_at", "name", "email"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "Line 1: this is not YAML"),
        ("- a", "write names and values"),
        ("a: {list: {path: b}}", "begins with one “/”"),
        ("a: {list: {path: /b}, cretae: /b}", "Did you mean “create”?"),
        ("a: {label: A}", "at least one of list, create and update"),
        ("a: {update: /b}", "must hold {id}"),
        ("a: {create: /b, match: {field: x, path: /b}}", "must hold {value}"),
        ("a: {list: {path: /b, paging: page}}", "page_parameter"),
        ("a: {list: {path: /b, paging: cursor}}", "cursor"),
        ("a: {list: {path: /b, sorted: true}}", "“modified”"),
        ("a: {modified: m, list: {path: /b, sorted: true, paging: page, page_parameter: p}}", "needs since"),
        ("a: {list: {path: /b, paging: pages}}", "must be one of"),
        ("a: {list: {path: /b, size: 0}}", "whole number"),
        ("a: {create: FETCH /b}", "begins with one of"),
        ("a: {create: /b, fields: [{name: x, type: money}]}", "must be one of"),
    ],
)
def test_a_mistake_in_the_objects_is_a_sentence(text, said):
    assert said in objects_problem(text)


@pytest.mark.parametrize("paging", [CURSOR, PAGE, LINK])
def test_objects_as_documented_are_understood(paging):
    assert objects_problem(OBJECTS % {"paging": paging}) == ""


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_objects(text):
    assert isinstance(objects_problem(text), str)


@pytest.mark.parametrize(
    ("config", "header", "value"),
    [
        ({"auth": "none"}, "Authorization", None),
        ({"auth": "basic", "username": "u", "password": "p:ß"}, "Authorization", "Basic dTpwOsOf"),
        ({"auth": "header", "header_name": "X-Api-Key", "header_value": "k"}, "X-Api-Key", "k"),
        ({"headers": "X-One: 1\n\nX-Two: a: b"}, "X-Two", "a: b"),
    ],
)
def test_logins_and_headers(vendor, config, header, value):
    vendor.get(f"{API}/me", json={})

    assert make_http_json(test_path="/me", **config).check().ok

    assert vendor.calls[0].request.headers.get(header) == value


def test_a_check_that_is_refused_is_an_answer(vendor, connector):
    vendor.get(LIST, status=401)

    assert not connector.check().ok


def test_no_secret_leaves_in_an_error(vendor):
    connector = make_http_json(auth="basic", username="hub", password="hunter2-long", test_path="/me")
    said = "dXNlcg hunter2-long aHViOmh1bnRlcjItbG9uZw=="
    vendor.get(f"{API}/me", body=said, status=422)
    connector.transport.add_secret("hunter2-long")

    with pytest.raises(ConnectorError) as caught:
        connector._exchange(connector._objects["customers"].get.__class__("GET", "/me"))

    assert "hunter2" not in caught.value.message
    assert "aHViOmh1" not in caught.value.message


def test_the_rate_is_that_of_the_settings():
    assert HttpJson.rates_for({}) == {}
    assert HttpJson.rates_for({"per_second": "0.5"})[""].per_second == 0.5


def test_what_is_kept_of_an_answer_has_a_bound():
    kept = bounded({f"k{n}": "x" * 100 for n in range(10_000)})

    assert len(json.dumps(kept)) < 2 * LARGEST_KEPT
    assert list(kept)[:2] == ["k0", "k1"]


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-20T12:00:00Z", NOON),
        ("2026-11-20T13:00:00+01:00", NOON),
        (1795176000, NOON),
        ("1795176000", NOON),
        (1795176000000, NOON),
        ("soon", None),
        (True, None),
        (None, None),
        (1e300, None),
    ],
)
def test_moments_come_in_several_forms(value, moment):
    assert moment_at({"at": value}, "at") == moment


def test_picking_follows_paths():
    values = {"a": {"b": 1, "c": 2}, "d": 3, "e": None}

    assert picked(values, ["a.b", "d", "e", "x.y", "d.z"]) == {"a": {"b": 1}, "d": 3, "e": None}
    assert picked(values, ["a", "a.b"]) == {"a": {"b": 1, "c": 2}}


def test_fields_that_differ_between_records_are_texts():
    fields = inferred([{"a": 1, "b": None, "c": [1]}, {"a": "x", "b": 2}])

    assert {name: field.type for name, field in fields.items()} == {
        "a": FieldType.TEXT,
        "b": FieldType.NUMBER,
    }
