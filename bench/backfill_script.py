"""The bare script: one page, then one push at a time; it records nothing and meets no trouble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import requests

from integration_hub.simulator import iterable, salesforce

BATCH = 1_000


def run(salesforce_url: str, iterable_url: str, fields: Sequence[str]) -> int:
    """Bring all leads over; return how many they were."""
    session, count = requests.Session(), 0
    for rows in _pages(session, salesforce_url, fields):
        users = [_user(row) for row in rows]
        for start in range(0, len(users), BATCH):
            pushed = session.post(
                f"{iterable_url}/api/users/bulkUpdate",
                json={"users": users[start : start + BATCH]},
                headers={"Api-Key": iterable.API_KEY},
                timeout=60,
            )
            assert pushed.json()["failCount"] == 0
        count += len(users)
    return count


def _pages(session: requests.Session, url: str, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    grant = {
        "grant_type": "client_credentials",
        "client_id": salesforce.CLIENT_ID,
        "client_secret": salesforce.CLIENT_SECRET,
    }
    token = session.post(f"{url}/services/oauth2/token", data=grant, timeout=60).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    query = f"SELECT {', '.join(fields)} FROM Lead ORDER BY Id"  # noqa: S608 - our own names
    answer = session.get(f"{url}/services/data/v64.0/query", params={"q": query}, headers=headers, timeout=60)
    while True:
        page = answer.json()
        yield page["records"]
        if page["done"]:
            return
        answer = session.get(f"{url}{page['nextRecordsUrl']}", headers=headers, timeout=60)


def _user(row: dict[str, Any]) -> dict[str, Any]:
    owner = row["Owner"] or {}
    return {
        "email": row["Email"],
        "dataFields": {
            "Name": {"First": row["FirstName"], "Last": row["LastName"]},
            "Salesforce": {"Id": row["Id"]},
            "Status": row["Status"],
            "Source": row["LeadSource"],
            "Company": {"Name": row["Company"]},
            "Title": row["Title"],
            "Owner": {
                "Email": owner.get("Email"),
                "Name": owner.get("Name"),
                "IsActive": owner.get("IsActive"),
                "Salesforce": {"Id": owner.get("Id")},
            },
        },
    }
