"""Does the connection work, to which account, and what is it not allowed to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from integration_hub.connectors.errors import ConfigError, RejectedError
from integration_hub.connectors.hubspot.api import Api
from integration_hub.connectors.hubspot.auth import PLANS
from integration_hub.connectors.records import Check

PROBED = ("contacts", "companies", "deals")
_TYPES = {
    "STANDARD": "standard",
    "DEVELOPER_TEST": "developer test",
    "SANDBOX": "sandbox",
    "APP_DEVELOPER": "app developer",
}


class Checking:
    """A handful of calls that change nothing."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def result(self, config: Mapping[str, str]) -> Check:
        account = self.api.get(self.api.paths.account, purpose="check")
        account = account if isinstance(account, dict) else {}
        portal = str(account.get("portalId") or "unknown")
        kind = str(account.get("accountType") or "")
        facts = {
            "Account": portal,
            "Account type": _TYPES.get(kind, kind.lower().replace("_", " ") or "unknown"),
            "Currency": str(account.get("companyCurrency") or "unknown"),
            "Time zone": str(account.get("timeZone") or "unknown"),
            "Plan, as set": dict(PLANS).get(config.get("plan", ""), "Professional"),
            "API version": config.get("api_version") or "v3",
        }
        missing = list(dict.fromkeys(scope for refused in self._refusals() for scope in refused))
        if missing:
            facts["Missing scopes"] = ", ".join(missing)
        problems = (
            [f"Not granted: {', '.join(missing)}. Add what your syncs and flows need."] if missing else []
        )
        return Check(
            ok=True, summary=f"Connected to HubSpot account {portal}.", facts=facts, problems=problems
        )

    def _refusals(self) -> Iterator[list[str]]:
        """Yield the scopes that each call wants and has not got."""
        for name in PROBED:
            # A batch without inputs writes nothing, but its scopes are checked first.
            yield self._wanted("GET", self.api.paths.objects(name), params={"limit": "1"})
            yield self._wanted("POST", self.api.paths.objects(name, "batch/update"), json={"inputs": []})
            yield self._wanted("GET", self.api.paths.properties(name))
        yield self._wanted("GET", self.api.paths.owners(), params={"limit": "1"})

    def _wanted(self, method: str, path: str, **options: Any) -> list[str]:
        try:
            self.api.probe(method, path, **options)
        except ConfigError as error:
            if error.code != "MISSING_SCOPES":
                raise
            return error.remedy.partition(": ")[2].rstrip(".").split(", ")
        except RejectedError:
            return []  # it was let in, and refused for having no inputs
        return []
