"""The plain script: for each registration find or make the company, make the contact, tie them. It stores nothing.

Each call is tried three times; what fails then is printed by such scripts, and forgotten.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from bench.flows_world import domain_of, email_of
from integration_hub.simulator.hubspot import ACCESS_TOKEN

TRIES, WAIT, AT_ONCE = 3, 1.0, 4
ID = re.compile(r"Existing ID: (\d+)")


def run(url: str, records: int) -> int:
    """Register so many customers, four at a time; return how many it gave up."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(lambda number: not _registered(url, number), range(records)))


def _registered(url: str, number: int) -> bool:
    try:
        company = _company(url, domain_of(number))
        made = _call("POST", f"{url}/crm/v3/objects/contacts", {"properties": {"email": email_of(number)}})
        found = ID.search(made.text) if made.status_code == 409 else None
        contact = found[1] if found else made.json()["id"]
        path = f"/crm/v4/objects/contacts/{contact}/associations/default/companies/{company}"
        return _call("PUT", url + path, None).ok
    except (requests.RequestException, KeyError, ValueError):
        return False


def _company(url: str, domain: str) -> str:
    wanted = {"filterGroups": [{"filters": [{"propertyName": "domain", "operator": "EQ", "value": domain}]}]}
    found = _call("POST", f"{url}/crm/v3/objects/companies/search", wanted).json()["results"]
    if found:
        return str(found[0]["id"])
    made = _call("POST", f"{url}/crm/v3/objects/companies", {"properties": {"domain": domain}})
    return str(made.json()["id"])


def _call(method: str, address: str, body: Any) -> requests.Response:
    for left in reversed(range(TRIES)):
        try:
            answer = requests.request(
                method, address, json=body, headers={"Authorization": f"Bearer {ACCESS_TOKEN}"}, timeout=30
            )
        except requests.RequestException:
            if not left:
                raise
        else:
            if not left or answer.status_code not in (429, 500, 502, 503, 524):
                return answer
        time.sleep(WAIT)
    raise AssertionError("the last try returns or raises")
