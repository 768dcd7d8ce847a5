"""Finding the records that writes mean, for many of them in one call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from integration_hub.connectors.errors import RejectedError
from integration_hub.connectors.hubspot.api import Api
from integration_hub.connectors.hubspot.batches import Raw, emails_of, values_of
from integration_hub.connectors.hubspot.errors import NOT_UNIQUE
from integration_hub.connectors.hubspot.identity import Key, domain_of, key_kind, normalized, oldest
from integration_hub.connectors.moments import instant
from integration_hub.connectors.records import Outcome, RecordResult, RecordWrite

CLOCKS_APART = timedelta(seconds=30)
"""So far HubSpot's clock and ours may differ: a record that is older than a try by more was there before it."""
_ALSO = {Key.EMAIL: ("email", "hs_additional_emails"), Key.DOMAIN: ("domain",)}


class Finder:
    """Looks records of one object type up by one property."""

    def __init__(self, api: Api, object_type: str, kind: Key, name: str) -> None:
        self.api = api
        self.object_type = object_type
        self.kind = kind
        self.name = name

    def find(self, keys: Sequence[str], names: Sequence[str]) -> dict[str, Raw]:
        """Return what is there, by key in lower case, with the properties `names`."""
        wanted = list(dict.fromkeys(key for key in keys if key))
        if not wanted or self.kind is Key.NONE:
            return {}
        asked = list(dict.fromkeys([*_ALSO.get(self.kind, (self.name,)), *names]))
        if self.kind is Key.EMAIL:
            return self._by_email(wanted, asked)
        if self.kind is Key.DOMAIN:
            return self._by_domain(wanted, asked)
        if self.kind is Key.ID:
            return {str(raw["id"]): raw for raw in self.api.read_many(self.object_type, wanted, names)}
        return self._by_unique(wanted, asked)

    def _by_email(self, emails: list[str], names: list[str]) -> dict[str, Raw]:
        found: dict[str, Raw] = {}
        strangers = False
        wanted = {email.lower() for email in emails}
        for raw in self.api.read_many(self.object_type, emails, names, by="email"):
            own = [email for email in emails_of(raw) if email in wanted]
            strangers = strangers or not own
            for email in own:
                found.setdefault(email, raw)
        if strangers:
            # Something came back that shows none of the addresses: only a single read tells whose it is.
            for email in wanted - set(found):
                raw_one = self.api.read_one(self.object_type, email, names, by="email")
                if raw_one is not None:
                    found[email] = raw_one
        return found

    def _by_domain(self, domains: list[str], names: list[str]) -> dict[str, Raw]:
        """The domain of companies is not unique, and only the search knows it: the oldest company wins."""
        by_domain: dict[str, list[Raw]] = {}
        for raw in self.api.search_values(self.object_type, "domain", domains, names):
            by_domain.setdefault(domain_of(str(values_of(raw).get("domain") or "")), []).append(raw)
        return {domain: oldest(by_domain[domain]) for domain in domains if domain in by_domain}

    def _by_unique(self, keys: list[str], names: list[str]) -> dict[str, Raw]:
        try:
            raws = self.api.read_many(self.object_type, keys, names, by=self.name)
        except RejectedError as error:
            if error.status != 400:
                raise
            raise RejectedError(
                f"HubSpot cannot find records by {self.name}: {error.message}",
                code=NOT_UNIQUE,
                remedy=f"Match by a property with unique values. Create {self.name} with “Require unique values”.",
                status=400,
            ) from None
        return {str(values_of(raw).get(self.name) or "").strip().lower(): raw for raw in raws}


def recalled(api: Api, object_type: str, writes: Sequence[RecordWrite]) -> list[RecordResult | None]:
    """Look for the records of unanswered creates, all matched by the same property; None: not there, or not yet."""
    matches = [write.match for write in writes if write.match]
    kind = key_kind(object_type, matches[0].field)
    keys = [normalized(kind, match.value) for match in matches]
    found = Finder(api, object_type, kind, matches[0].field).find(keys, [])
    return [
        _landed(write, raw) if (raw := found.get(key.lower())) else None
        for write, key in zip(writes, keys, strict=True)
    ]


def _landed(write: RecordWrite, raw: Raw) -> RecordResult:
    created = instant(str(raw.get("createdAt") or ""))
    is_ours = bool(write.attempted_at and created and created >= write.attempted_at - CLOCKS_APART)
    answer = {"id": str(raw["id"]), "properties": dict(raw.get("properties") or {})}
    outcome = Outcome.CREATED if is_ours else Outcome.EXISTING
    return RecordResult(write.ref, outcome, str(raw["id"]), status=201 if is_ours else 200, answer=answer)
