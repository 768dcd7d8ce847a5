"""Bulk API 2.0 query jobs: their states, their CSV, and what they refuse."""

import csv
import io
from datetime import timedelta

import pytest

from tests.simulator.conftest import NOON

LEADS = "SELECT Id, LastName, AnnualRevenue, DoNotCall, CreatedDate, Owner.Name FROM Lead"


@pytest.fixture
def bulk(rest):
    return Client(rest)


class Client:
    """Short ways to a job."""

    def __init__(self, rest):
        self.rest = rest

    def create(self, soql=LEADS, **options):
        return self.rest.post("jobs/query", {"operation": "query", "query": soql, **options})

    def job(self, soql=LEADS, **options):
        return self.create(soql, **options).json()["id"]

    def state(self, job_id):
        return self.rest.get(f"jobs/query/{job_id}").json()["state"]

    def results(self, job_id, **params):
        return self.rest.get(f"jobs/query/{job_id}/results", params=params)

    def change(self, method, job_id, body=None):
        url = f"{self.rest.url}{self.rest.base}jobs/query/{job_id}"
        return self.rest.session.request(method, url, json=body, timeout=5)


def rows(answer):
    return list(csv.reader(io.StringIO(answer.text, newline="")))


def add_leads(salesforce, count):
    return [
        salesforce.add("Lead", LastName=f"Lee {n}", Company="Acme", created_at=NOON) for n in range(count)
    ]


def test_a_job_goes_through_its_states(simulator, salesforce, bulk):
    salesforce.bulk.processing = 10
    add_leads(salesforce, 3)

    created = bulk.create().json()
    simulator.set_clock(NOON + timedelta(seconds=5))
    under_way = bulk.state(created["id"])
    too_early = bulk.results(created["id"])
    simulator.set_clock(NOON + timedelta(seconds=10))
    done = bulk.rest.get(f"jobs/query/{created['id']}").json()

    assert (created["state"], created["object"], created["apiVersion"]) == ("UploadComplete", "Lead", 59.0)
    assert under_way == "InProgress"
    assert (too_early.status_code, too_early.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")
    assert (done["state"], done["numberRecordsProcessed"]) == ("JobComplete", 3)


def test_a_result_quotes_all_values_and_knows_no_null(salesforce, bulk):
    salesforce.add("Lead", LastName='O"Neil,\nJr', Company="A", AnnualRevenue=5, created_at=NOON)
    job = bulk.job()
    bulk.state(job)

    answer = bulk.results(job)

    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.text.startswith(
        '"Id","LastName","AnnualRevenue","DoNotCall","CreatedDate","Owner.Name"\n"00Q'
    )
    assert rows(answer)[1][1:] == [
        'O"Neil,\nJr', "5.0", "false", "2026-11-20T12:00:00.000Z", "Ada Admin",
    ]  # fmt: skip


def test_missing_values_are_empty(salesforce, bulk):
    salesforce.add("Contact", LastName="Lee")
    job = bulk.job("SELECT Email, Account.Name, Account.NumberOfEmployees FROM Contact")
    bulk.state(job)

    assert bulk.results(job).text == '"Email","Account.Name","Account.NumberOfEmployees"\n"","",""\n'


def test_a_result_is_read_page_by_page_until_the_locator_is_the_text_null(salesforce, bulk):
    ids = add_leads(salesforce, 5)
    job = bulk.job("SELECT Id FROM Lead")
    bulk.state(job)
    found, locators, locator = [], [], None

    while locator != "null":
        params = {"maxRecords": 2, **({"locator": locator} if locator else {})}
        answer = bulk.results(job, **params)
        locator = answer.headers["Sforce-Locator"]
        locators.append(locator)
        head, *page = rows(answer)
        assert head == ["Id"]
        assert answer.headers["Sforce-NumberOfRecords"] == str(len(page))
        found += [record_id for [record_id] in page]

    assert locators == ["Mg", "NA", "null"]
    assert sorted(found) == ids
    assert found != ids


def test_records_come_as_they_are_when_the_job_completes(salesforce, bulk):
    [lead] = add_leads(salesforce, 1)
    job = bulk.job("SELECT LastName FROM Lead")
    bulk.state(job)
    salesforce.update(lead, LastName="Later")

    assert rows(bulk.results(job))[1] == ["Lee 0"]


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT COUNT() FROM Lead", "API_ERROR"),
        ("SELECT Address FROM Lead", "API_ERROR"),
        ("SELECT Id FROM Lead LIMIT 5 OFFSET 5", "API_ERROR"),
        ("SELECT Nope FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "MALFORMED_QUERY"),
        ("", "MALFORMED_QUERY"),
    ],
)
def test_what_bulk_cannot_do_is_refused_at_once(bulk, soql, code):
    answer = bulk.create(soql)

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


def test_an_object_type_may_be_unknown_to_bulk(salesforce, bulk):
    salesforce.bulk.unsupported.add("Lead")

    assert bulk.create().json()[0]["errorCode"] == "INVALIDENTITY"


def test_a_job_that_fails_says_why(salesforce, bulk):
    salesforce.bulk.fail_next("InternalServerError : Retried more than 15 times.")

    shown = bulk.rest.get(f"jobs/query/{bulk.job()}").json()

    assert (shown["state"], shown["errorMessage"]) == (
        "Failed",
        "InternalServerError : Retried more than 15 times.",
    )


def test_a_running_job_is_aborted_and_then_deleted(salesforce, bulk):
    salesforce.bulk.processing = 10
    job = bulk.job()

    too_early = bulk.change("DELETE", job)
    aborted = bulk.change("PATCH", job, {"state": "Aborted"})
    deleted = bulk.change("DELETE", job)

    assert too_early.json()[0]["errorCode"] == "INVALIDJOBSTATE"
    assert (aborted.json()["state"], deleted.status_code) == ("Aborted", 204)
    assert bulk.results(job).status_code == 404


def test_a_result_is_gone_after_a_week(simulator, salesforce, bulk):
    job = bulk.job()
    simulator.set_clock(NOON + timedelta(days=7, seconds=1))
    bulk.rest.login()

    assert bulk.results(job).status_code == 404


def test_another_api_version_does_not_get_the_result(salesforce, bulk):
    job = bulk.job()
    bulk.state(job)
    bulk.rest.base = "/services/data/v60.0/"

    assert bulk.results(job).status_code == 409


def test_all_of_it_counts_as_calls_and_jobs_are_counted_too(salesforce, bulk):
    before = salesforce.limits.used
    job = bulk.job()
    bulk.state(job)
    bulk.results(job)

    limits = bulk.rest.get("limits").json()

    assert salesforce.limits.used - before == 4
    assert limits["DailyBulkV2QueryJobs"]["Remaining"] == 9_999
    salesforce.bulk.started = 10_000
    assert bulk.create().json()[0]["errorCode"] == "LIMIT_EXCEEDED"
