"""What one would write without the hub: a script that cron starts, one call after the other, no memory but a time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import requests

from integration_hub.simulator.salesforce import CLIENT_ID, CLIENT_SECRET
from integration_hub.simulator.server import Simulator
from integration_hub.simulator.slack import SLACK_TOKEN

FIELDS = (
    "Id, Name, Company, Rating, LeadSource, Email, AnnualRevenue, NumberOfEmployees, DoNotCall, "
    "OwnerId, Owner.Email, CreatedDate, SystemModstamp"
)
TIMEOUT = 30


class Script:
    """The script, with the addresses it calls."""

    def __init__(self, simulator: Simulator) -> None:
        self.salesforce = simulator.salesforce.url
        self.slack = f"{simulator.slack.url}/api"
        self.http = requests.Session()
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        answer = self.http.post(f"{self.salesforce}/services/oauth2/token", data=form, timeout=TIMEOUT)
        self.token = answer.json()["access_token"]

    def leads_since(self, since: datetime, condition: str = "") -> list[dict[str, Any]]:
        """Return what was created since then; one query."""
        stamp = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = f"SELECT {FIELDS} FROM Lead WHERE CreatedDate >= {stamp}{condition}"  # noqa: S608 - SOQL, our own
        answer = self.http.get(
            f"{self.salesforce}/services/data/v60.0/query",
            params={"q": query},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=TIMEOUT,
        )
        answer.raise_for_status()
        records: list[dict[str, Any]] = answer.json()["records"]
        return records

    def tell(self, lead: dict[str, Any]) -> None:
        """Send the lead's owner a message: find them by their e-mail, post."""
        member = self._call("users.lookupByEmail", {"email": lead["Owner"]["Email"]})["user"]["id"]
        self._call("chat.postMessage", {"channel": member, "text": lead["Name"]})

    def tell_all(self, leads: Iterable[dict[str, Any]]) -> None:
        for lead in leads:
            self.tell(lead)

    def _call(self, method: str, form: dict[str, str]) -> dict[str, Any]:
        """Call Slack, waiting when it says so."""
        while True:
            answer = self.http.post(
                f"{self.slack}/{method}",
                data=form,
                headers={"Authorization": f"Bearer {SLACK_TOKEN}"},
                timeout=TIMEOUT,
            )
            if answer.status_code != 429:
                said: dict[str, Any] = answer.json()
                return said
            time.sleep(float(answer.headers["Retry-After"]))
