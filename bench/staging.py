"""What the parts share: a scratch database, a company in it, and how a result is said."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import environ
from django.db import DEFAULT_DB_ALIAS, ConnectionHandler, connections
from django.utils import timezone

from integration_hub.simulator.server import Simulator
from routing import directory
from routing.models import Rule
from syncs.models import Connection, Stream
from tests.factories import make_person, make_rule, make_salesforce, make_slack, make_stream, make_template
from tests.routing.factories import make_link
from tests.stories.processes import PostgresDatabase, SqliteFile, manage, speaking_to

POSTGRES = os.environ.get("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
SELLERS = 10
CRITERIA = (
    [("Rating", "equals", "Hot"), ("LeadSource", "one_of", "Web, Phone Inquiry")],
    [("AnnualRevenue", "greater", "50000000")],
    [("Company", "contains", "acme"), ("Status", "not_equals", "Closed")],
    [("Email", "is_not_empty", ""), ("Rating", "equals", "Warm"), ("NumberOfEmployees", "greater", "5000")],
    [("DoNotCall", "is_true", "")],
)


def say(figures: dict[str, Any]) -> None:
    """Hand the figures to whoever started this process."""
    json.dump(figures, sys.stdout)


@contextmanager
def scratch(kind: str) -> Iterator[SqliteFile | PostgresDatabase]:
    """Give a database with the hub's tables, that Django speaks to; it is dropped at the end."""
    database = SqliteFile() if kind == "sqlite" else PostgresDatabase(environ.Env.db_url_config(POSTGRES))
    database.create()
    try:
        manage(database.url, "migrate", "--verbosity", "0")
        with _of_its_kind(kind), speaking_to(database):
            yield database
    finally:
        database.drop()


@contextmanager
def _of_its_kind(kind: str) -> Iterator[None]:
    """Let "default" be a connection to the right kind of database; `speaking_to` then changes its name."""
    if (kind == "sqlite") == (connections["default"].vendor == "sqlite"):
        yield
        return
    config: dict[str, Any] = dict(environ.Env.db_url_config(POSTGRES)) | {"CONN_MAX_AGE": 60}
    regular = connections["default"]
    connections["default"] = ConnectionHandler({DEFAULT_DB_ALIAS: config})[DEFAULT_DB_ALIAS]
    try:
        yield
    finally:
        connections["default"] = regular


@dataclass(frozen=True, slots=True)
class Company:
    """Its two systems, as the hub knows them, and its sellers' ids in the first."""

    stream: Stream
    chat: Connection
    owners: list[str]


def company(simulator: Simulator | None = None) -> Company:
    """Make connections, a stream and known sellers, without rules; with a simulator they are in that, too."""
    crm, chat = make_salesforce(simulator), make_slack(simulator)
    if simulator is None:
        owners = [f"005B{number:011d}AAA" for number in range(SELLERS)]
        for number, owner in enumerate(owners):
            person = make_person()
            make_link(crm, owner, person)
            make_link(chat, f"U{number:08d}", person)
        return Company(make_stream(crm), chat, owners)
    owners = []
    for number in range(SELLERS):
        name, email = f"Seller {number}", f"seller{number}@example.test"
        owners.append(simulator.salesforce.add_user(name, email))
        simulator.slack.add_member(name, email)
    if not all(report.ok for report in directory.refresh_all(timezone.now())):
        raise SystemExit("The simulator does not answer.")
    stream = make_stream(crm, described_at=None, started_at=None)
    return Company(stream, chat, owners)


def rules(company: Company, count: int = len(CRITERIA)) -> list[Rule]:
    template = make_template(
        header="{{ record.Name }}",
        body="{{ record.Company }}, {{ record.Rating }}",
        context="{{ age_minutes }}",
    )
    return [
        make_rule(
            *CRITERIA[n % len(CRITERIA)], stream=company.stream, destination=company.chat, template=template
        )
        for n in range(count)
    ]


def lead(number: int) -> dict[str, Any]:
    """Return a lead's values; of seven leads about three interest a rule."""
    return {
        "Name": f"Lead {number}",
        "LastName": f"Lead {number}",
        "Company": ("Acme", "Globex", "Initech", "Hooli", "Stark", "Wayne", "Umbrella")[number % 7],
        "Rating": ("Hot", "Warm", "Cold")[number % 3],
        "LeadSource": ("Web", "Partner Referral")[number % 2],
        "Status": "Open - Not Contacted",
        "Email": f"lead{number}@example.test",
        "AnnualRevenue": number % 100 * 600_000,
        "NumberOfEmployees": number % 60 * 100,
        "DoNotCall": False,
    }


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
