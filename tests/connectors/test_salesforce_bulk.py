"""Reading by a bulk job: the same records as by REST, at a few calls, from wherever it was left."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import responses
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from integration_hub.connectors.errors import ConfigError, RetryableError
from integration_hub.connectors.records import Scan
from integration_hub.connectors.salesforce import bulk as salesforce_bulk
from integration_hub.connectors.salesforce.bulk import Mark, converter, cost, rows_of
from integration_hub.connectors.salesforce.connector import Salesforce
from integration_hub.simulator.salesforce import CLIENT_ID, CLIENT_SECRET
from tests.connectors.doubles import MemoryKeeper, make_transport, recorded

FIELDS = (
    "LastName", "Description", "Email", "AnnualRevenue", "NumberOfEmployees", "DoNotCall", "CreatedDate",
    "ConvertedDate", "Owner.Name", "Owner.IsActive",
)  # fmt: skip
BASE = "/services/data/v64.0"
JOB = "750gK0000000001QAA"


@pytest.fixture
def salesforce(simulator):
    config = {"auth_flow": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    with Salesforce(config, make_transport(simulator.salesforce.url), MemoryKeeper()) as connector:
        yield connector


def add_leads(simulator, count, **values):
    return [
        simulator.salesforce.add("Lead", **{"LastName": f"Lee {n}", "Company": "Acme", **values})
        for n in range(count)
    ]


def in_bulk(connector, scan, mark=""):
    return [one for page in connector.bulk_scan(scan, mark) for one in page.records]


def by_rest(connector, scan):
    return [one for page in connector.scan(scan) for one in page.records]


def job_calls(simulator):
    return [(one.method, one.path.partition("/jobs/")[2]) for one in simulator.salesforce.requests
            if "/jobs/" in one.path]  # fmt: skip


def same_types(one, other):
    """1, 1.0 and True are equal, and yet not the same payload."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
LEADS = st.fixed_dictionaries(
    {"LastName": TEXTS},
    optional={
        "Description": TEXTS,
        "Email": TEXTS,
        "AnnualRevenue": st.floats(allow_nan=False, allow_infinity=False),
        "NumberOfEmployees": st.integers(-(10**8), 10**8),
        "DoNotCall": st.booleans(),
        "ConvertedDate": st.dates(),
    },
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LEADS, min_size=1, max_size=6))
@example([{"LastName": '"\r\n,"', "Description": "true", "AnnualRevenue": 1e17}])
@example([{"LastName": "007", "NumberOfEmployees": 0, "AnnualRevenue": -0.0}])
def test_values_are_those_of_rest_to_the_last_type(simulator, salesforce, leads):
    simulator.salesforce.reset()
    simulator.salesforce.add_many("Lead", [{"Company": "Acme", **lead} for lead in leads])
    salesforce.session._tokens = {}
    salesforce.keeper.kept = {}
    scan = Scan("Lead", FIELDS)

    assert same_types(sorted(in_bulk(salesforce, scan), key=str), sorted(by_rest(salesforce, scan), key=str))


def test_a_missing_parent_is_null_as_in_rest(simulator, salesforce):
    account = simulator.salesforce.add("Account", Name="Acme", NumberOfEmployees=7)
    simulator.salesforce.add("Contact", LastName="With", AccountId=account)
    simulator.salesforce.add("Contact", LastName="Without")
    scan = Scan("Contact", ["LastName", "Account.Name", "Account.NumberOfEmployees"])

    found = {values["LastName"]: values["Account"] for _, _, values in in_bulk(salesforce, scan)}

    assert found == {"With": {"Name": "Acme", "NumberOfEmployees": 7}, "Without": None}


def test_condition_times_and_limit_are_kept(simulator, salesforce):
    add_leads(simulator, 4)
    hot = add_leads(simulator, 4, Rating="Hot")
    since = datetime.now(UTC) - timedelta(hours=1)

    found = in_bulk(salesforce, Scan("Lead", ["LastName"], "Rating = 'Hot'", since=since, limit=3))

    assert [record_id for record_id, _, _ in found] == hot[:3]


def test_every_page_is_read_and_the_calls_are_few(simulator, salesforce, monkeypatch):
    monkeypatch.setattr(salesforce_bulk, "PAGE", 4)
    monkeypatch.setattr(salesforce_bulk, "SLICE", 3)
    ids = add_leads(simulator, 10)

    pages = list(salesforce.bulk_scan(Scan("Lead", ["LastName"]), ""))

    assert [len(page.records) for page in pages] == [0, 3, 1, 3, 1, 2]
    assert pages[-1].total == 10
    assert sorted(one for page in pages for one, _, _ in page.records) == ids
    assert len(job_calls(simulator)) == 2 + 3


def test_it_goes_on_behind_any_page_with_the_same_job(simulator, salesforce, monkeypatch):
    monkeypatch.setattr(salesforce_bulk, "PAGE", 4)
    monkeypatch.setattr(salesforce_bulk, "SLICE", 3)
    add_leads(simulator, 10)
    scan = Scan("Lead", ["LastName"])
    pages = list(salesforce.bulk_scan(scan, ""))
    whole = [one for page in pages for one in page.records]

    for number, page in enumerate(pages):
        before = sum(len(one.records) for one in pages[: number + 1])
        assert in_bulk(salesforce, scan, page.mark) == whole[before:]

    assert sum(method == "POST" for method, _ in job_calls(simulator)) == 1


def test_it_waits_half_as_long_again_as_the_job_runs_within_bounds(simulator, salesforce):
    start = datetime.now(UTC)
    simulator.set_clock(start)
    simulator.salesforce.bulk.processing = 300
    ages = iter((0, 1, 10, 50, 200))
    salesforce.clock = lambda: start + timedelta(seconds=next(ages))
    pages = salesforce.bulk_scan(Scan("Lead", ["LastName"]), "")

    waits = [round(next(pages).wait) for _ in range(5)]

    assert waits == [1, 1, 5, 25, 30]


def test_a_job_that_never_ends_is_given_up(simulator, salesforce):
    simulator.salesforce.bulk.processing = 10**6
    salesforce.clock = lambda: datetime.now(UTC) + timedelta(hours=13)

    with pytest.raises(ConfigError, match="not finished the bulk job in 12 hours"):
        next(salesforce.bulk_scan(Scan("Lead", ["LastName"]), ""))


def test_a_job_that_fails_says_why_and_what_to_do(simulator, salesforce):
    simulator.salesforce.bulk.fail_next("InternalServerError : Retried more than 15 times.")

    with pytest.raises(ConfigError, match="Retried more than 15 times") as caught:
        in_bulk(salesforce, Scan("Lead", ["LastName"]))

    assert caught.value.code == "bulk_job"
    assert "--read rest" in caught.value.remedy


def test_what_bulk_does_not_support_says_what_to_do(simulator, salesforce):
    simulator.salesforce.bulk.unsupported.add("Lead")

    with pytest.raises(ConfigError, match="not supported by the Bulk API") as caught:
        in_bulk(salesforce, Scan("Lead", ["LastName"]))

    assert "--read rest" in caught.value.remedy


@pytest.mark.parametrize("end", ["deleted", "Aborted", "Failed", "other version"])
def test_a_job_whose_result_is_lost_is_begun_anew(simulator, salesforce, end):
    ids = add_leads(simulator, 3)
    scan = Scan("Lead", ["LastName"])
    mark = next(salesforce.bulk_scan(scan, "")).mark
    [job] = simulator.salesforce.bulk.jobs.values()
    if end == "deleted":
        simulator.salesforce.bulk.jobs.clear()
    elif end == "other version":
        job.version = "v59.0"
    else:
        job.state = end

    found = in_bulk(salesforce, scan, mark)

    assert sorted(record_id for record_id, _, _ in found) == ids


@pytest.mark.parametrize(
    "place", [(5, ""), (0, "nonsense"), (2, "MzAwMA")], ids=["too many rows", "no locator", "beyond the end"]
)
def test_a_mark_that_leads_nowhere_is_begun_anew_with_another_job(simulator, salesforce, place):
    ids = add_leads(simulator, 4)
    scan = Scan("Lead", ["LastName"])
    job = Mark.of(next(salesforce.bulk_scan(scan, "")).mark).job_id

    found = in_bulk(salesforce, scan, str(Mark(job, *place)))

    assert sorted(record_id for record_id, _, _ in found) == ids
    assert job not in simulator.salesforce.bulk.jobs


def test_a_result_that_is_lost_while_it_is_read_ends_the_reading(simulator, salesforce, monkeypatch):
    monkeypatch.setattr(salesforce_bulk, "PAGE", 2)
    add_leads(simulator, 4)
    pages = salesforce.bulk_scan(Scan("Lead", ["LastName"]), "")
    first = next(pages), next(pages)
    simulator.salesforce.bulk.jobs.clear()

    with pytest.raises(ConfigError, match="lost the result") as caught:
        list(pages)

    assert len(first[1].records) == 2
    assert "--read rest" in caught.value.remedy
    assert len(job_calls(simulator)) == 4


@pytest.mark.parametrize("processing", [0, 1000])
def test_giving_up_deletes_the_job_running_or_not(simulator, salesforce, processing):
    simulator.salesforce.bulk.processing = processing
    mark = next(salesforce.bulk_scan(Scan("Lead", ["LastName"]), "")).mark

    salesforce.bulk_end(mark)
    salesforce.bulk_end(mark)
    salesforce.bulk_end("")

    assert not simulator.salesforce.bulk.jobs


def test_an_answer_that_is_no_csv_is_asked_for_again(simulator, salesforce):
    add_leads(simulator, 3)
    simulator.salesforce.faults.fail_next(1, "malformed_json", "/results")

    with pytest.raises(RetryableError, match="not whole"):
        in_bulk(salesforce, Scan("Lead", ["LastName"]))


def test_a_page_too_large_is_asked_for_in_smaller_ones(simulator, salesforce, monkeypatch):
    monkeypatch.setattr("integration_hub.connectors.transport.LARGEST_ANSWER", 300_000)
    add_leads(simulator, 12, Description="x" * 30_000)
    monkeypatch.setattr(salesforce_bulk, "PAGE", 12)
    monkeypatch.setattr(salesforce_bulk, "SLICE", 2)

    assert len(in_bulk(salesforce, Scan("Lead", ["Description"]))) == 12


@responses.activate
def test_a_recorded_result_is_read():
    host = "https://acme.example.com"
    responses.add("GET", f"{host}{BASE}/jobs/query/{JOB}", **recorded("salesforce/bulk_job_complete"))
    responses.add("GET", f"{host}{BASE}/jobs/query/{JOB}/results", **recorded("salesforce/bulk_results"))
    responses.add("GET", f"{host}{BASE}/sobjects/Lead/describe", **recorded("salesforce/describe_lead"))
    config = {"auth_flow": "session", "access_token": "token", "instance_url": host, "api_version": "64.0"}
    connector = Salesforce(config, make_transport(host), MemoryKeeper())

    [(record_id, modified_at, values), (_, _, second)] = in_bulk(
        connector, Scan("Lead", ["Name", "AnnualRevenue", "IsConverted", "Owner.Name"]), JOB
    )

    assert (record_id, modified_at) == ("00QgK0000000001QAA", datetime(2026, 11, 20, 12, 0, tzinfo=UTC))
    assert values == {
        "Id": "00QgK0000000001QAA", "SystemModstamp": "2026-11-20T12:00:00.000+0000", "Name": 'Ann "A" Lee\nJr',
        "AnnualRevenue": 1000000.0, "IsConverted": False, "Owner": {"Name": "Bo"},
    }  # fmt: skip
    assert (second["AnnualRevenue"], second["Owner"]) == (None, None)


COLUMNS = ["Id", "Name"]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"", []),
        (b'"Id","Name"\n', []),
        (b'"Id","Name"\n"1","a"\n', [["1", "a"]]),
        (b'"NAME","id"\r\n"a","1"\r\n', [["1", "a"]]),
        (b'"1","a"\n"2","b"\n', [["1", "a"], ["2", "b"]]),
        (b'"Id","Name"\n"1","a\x00\xed\xa0\x80b"\n', [["1", "ab"]]),
        (b'"Id","Name"\n"1","a\n""b"",\r\n"\n', [["1", 'a\n"b",\r\n']]),
    ],
    ids=["nothing", "header only", "header", "other order", "no header", "not storable", "line breaks"],
)
def test_rows_of_a_page(content, rows):
    assert list(rows_of(content, COLUMNS)) == rows


@pytest.mark.parametrize("end", ['"1"', '"1","ab', '"1","a""', '"1","a","b"', '"1","a"b', "<html>"])
def test_a_page_that_is_cut_off_or_broken_is_asked_for_again(end):
    content = f'"Id","Name"\n"0","z"\n{end}'.encode()

    with pytest.raises(RetryableError, match="not whole"):
        list(rows_of(content, COLUMNS))


def test_a_page_with_fewer_records_than_it_says_is_asked_for_again():
    answer = SimpleNamespace(headers={"Sforce-NumberOfRecords": "3"})

    with pytest.raises(RetryableError, match="not whole"):
        salesforce_bulk._check_count(answer, 2)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("boolean", "", None),
        ("int", "7", 7),
        ("double", "7", 7.0),
        ("currency", "1.0E7", 10_000_000.0),
        ("string", "", None),
        ("string", "true", "true"),
        ("phone", "007", "007"),
        ("datetime", "2026-11-20T12:00:00.000Z", "2026-11-20T12:00:00.000+0000"),
        ("datetime", "2026-11-20T12:00:00.000+0000", "2026-11-20T12:00:00.000+0000"),
        ("date", "2026-11-20", "2026-11-20"),
        ("", "x", "x"),
    ],
)
def test_a_text_becomes_what_rest_gives(kind, text, value):
    found = converter(kind)(text)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("mark", [Mark(JOB), Mark(JOB, 7), Mark(JOB, 2000, "MTAw-_=")])
def test_a_mark_is_read_as_it_was_written(mark):
    assert Mark.of(str(mark)) == mark


@pytest.mark.parametrize("text", ["", "00Q", "a b c", f"{JOB} x"])
def test_what_is_no_mark_is_none(text):
    assert Mark.of(text) is None


@pytest.mark.parametrize(("records", "calls"), [(0, 9), (40_000, 11), (1_000_000, 55)])
def test_what_a_job_costs_grows_slowly(records, calls):
    assert cost(records).calls == calls
