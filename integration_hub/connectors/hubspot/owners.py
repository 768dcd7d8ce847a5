"""The owners of an account as people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from integration_hub.connectors.hubspot.api import Api
from integration_hub.connectors.records import Member


def owners(api: Api) -> Iterator[Sequence[Member]]:
    """Yield all owners, page by page; those who left come last, as inactive: records still name them."""
    for archived in ("false", "true"):
        params = {"limit": "100", "archived": archived}
        for rows in api.pages(api.paths.owners(), params, purpose="list owners"):
            yield [_member(row) for row in rows]


def owner_with(api: Api, email: str) -> Member | None:
    for rows in api.pages(api.paths.owners(), {"email": email, "limit": "100"}, purpose="find owner"):
        for row in rows:
            if str(row.get("email") or "").lower() == email.strip().lower():
                return _member(row)
    return None


def _member(row: Mapping[str, Any]) -> Member:
    """The id of an owner is what a record's hubspot_owner_id holds; the user id is another number."""
    name = f"{row.get('firstName') or ''} {row.get('lastName') or ''}".strip()
    email = str(row.get("email") or "")
    return Member(
        remote_id=str(row["id"]),
        name=name or email or str(row["id"]),
        email=email,
        active=not row.get("archived"),
        is_group=row.get("type") == "QUEUE",
    )
