"""Answering "does it work?": who is signed in where, what is left of the day's calls, what may be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from integration_hub.connectors.errors import ConfigError, ConnectorError, RejectedError
from integration_hub.connectors.records import Check
from integration_hub.connectors.salesforce.auth import PRODUCTION, SANDBOX, Session
from integration_hub.connectors.transport import read_json

OLDEST_VERSION = 41.0
"""Older versions are no longer supported from Summer '27 on."""
ASKED_ABOUT = ("Account", "Contact", "Lead", "Opportunity", "Case")
"""Of which standard objects the check says whether they may be written; custom ones are counted."""

Get = Callable[..., Any]
Usage = tuple[int, int]


class Checking:
    """One check. `usage` is read when all calls are made: their answers tell it."""

    def __init__(self, session: Session, get: Get, base_url: str, usage: Callable[[], Usage | None]) -> None:
        self.session = session
        self.get = get
        self.base_url = base_url
        self.usage = usage

    def result(self) -> Check:
        try:
            return self._checked()
        except (ConfigError, RejectedError) as error:
            hint = self._version_hint() if error.status == 404 else error.remedy
            return Check(ok=False, summary=error.message, problems=[hint] if hint else [])

    def _checked(self) -> Check:
        org = self._organization()
        user = self._user_info()
        writable = self._writable()
        name = org.get("Name") or "Salesforce"
        who = (
            f"{user.get('name', '')} ({user.get('preferred_username', '')})" if user else self.session.user_id
        )
        facts = {
            "Organization": name,
            "Organization id": org.get("Id") or user.get("organization_id", ""),
            "Signed in as": who or "unknown user",
            "Address": self.session.instance_url,
            "API version": self.session.version,
        }
        if "IsSandbox" in org:
            facts["Environment"] = "sandbox" if org["IsSandbox"] else "production"
        if writable:
            facts["May write"] = writable
        usage = self.usage()
        if usage:
            used, limit = usage
            facts["API calls, last 24 hours"] = f"{used:,} of {limit:,} used, {max(limit - used, 0):,} left"
        problems = list(self._problems(usage, is_sandbox=org.get("IsSandbox")))
        kind = f" ({facts['Environment']})" if "Environment" in facts else ""
        summary = f"Connected to {name}{kind} as {facts['Signed in as']}."
        return Check(ok=not problems, summary=summary, facts=facts, problems=problems)

    def _organization(self) -> dict[str, Any]:
        query = "SELECT Id, Name, IsSandbox FROM Organization LIMIT 1"
        try:
            answer = self.get("/query", params={"q": query}, purpose="check")
        except ConfigError as error:
            if error.code == "INVALID_TYPE":
                return {}  # the user may not see it: an answer all the same, and enough for a check
            raise
        rows = answer.get("records") or [{}]
        return dict(rows[0])

    def _user_info(self) -> dict[str, Any]:
        try:
            return dict(read_json(self.session.request("GET", "/services/oauth2/userinfo", purpose="check")))
        except (ConfigError, RejectedError):
            return {}  # the app may lack the scope for it and yet be good for everything else

    def _writable(self) -> str:
        """Say which objects the user may create and change; "" if the org does not tell."""
        try:
            listed = self.get("/sobjects", purpose="check")["sobjects"]
        except (ConnectorError, KeyError, TypeError):
            return ""  # whoever only reads does not need it
        return may_write(listed)

    def _problems(self, usage: Usage | None, *, is_sandbox: bool | None) -> Iterator[str]:
        expected = {PRODUCTION: False, SANDBOX: True}.get(self.base_url, is_sandbox)
        if is_sandbox is not None and expected != is_sandbox:
            wanted, found = ("sandbox", "production") if expected else ("production", "sandbox")
            yield f"This connection is set up as {wanted}, but the organization is {found}."
        if float(self.session.version) < OLDEST_VERSION:
            yield f"API version {self.session.version} is too old: use {OLDEST_VERSION} or later."
        if usage and usage[0] >= usage[1]:
            yield "The API calls of the last 24 hours are used up."

    def _version_hint(self) -> str:
        """Say which versions the org has: an unknown one and a wrong address answer alike."""
        try:
            versions = read_json(self.session.request("GET", "/services/data/", purpose="check"))
            newest = max(versions, key=lambda item: float(item["version"]))["version"]
        except (ConnectorError, TypeError, KeyError, ValueError):
            return "Check the API version and the addresses."
        return f"API version {self.session.version} may not exist there; the newest is {newest}."


def may_write(listed: Sequence[Mapping[str, Any]]) -> str:
    """Return the objects of the answer that lists all, as a person wants to hear it."""
    open_ones = {str(item["name"]) for item in listed if item.get("createable") and item.get("updateable")}
    named = [name for name in ASKED_ABOUT if name in open_ones]
    custom = sum(name.endswith("__c") for name in open_ones)
    if custom:
        named.append(f"{custom} custom objects" if custom > 1 else "1 custom object")
    return ", ".join(named) or "nothing"
