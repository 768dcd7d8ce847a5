"""Salesforce's record ids: their two lengths, and the object type that their first three characters name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from integration_hub.connectors.salesforce.scanning import ID_LENGTH, checksum

PREFIX_LENGTH = 3
STANDARD: Mapping[str, str] = {
    "001": "Account",
    "002": "Note",
    "003": "Contact",
    "005": "User",
    "006": "Opportunity",
    "00D": "Organization",
    "00E": "UserRole",
    "00G": "Group",
    "00Q": "Lead",
    "00T": "Task",
    "00U": "Event",
    "00v": "CampaignMember",
    "012": "RecordType",
    "01s": "Pricebook2",
    "01t": "Product2",
    "500": "Case",
    "701": "Campaign",
}
"""Alike in every org; those of custom objects are the org's own."""

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?")


def full_id(text: str) -> str:
    """Return the id in its 18 characters, of which case may be ignored. ValueError: a sentence on what is wrong."""
    found = text.strip()
    if not _ID.fullmatch(found):
        raise ValueError(f"“{found[:40]}” is not a Salesforce id; it has 15 or 18 letters and digits.")
    whole = found[:ID_LENGTH] + checksum(found[:ID_LENGTH])
    if len(found) > ID_LENGTH and found != whole:
        raise ValueError(
            f"“{found}” is not a Salesforce id: its last three letters do not belong to it. "
            "Was it typed, or was its case changed? Export it again."
        )
    return whole


def object_type_of(record_id: str, custom: Mapping[str, str] | None = None) -> str:
    """Return the object type of the record, "" if its prefix is in neither table."""
    prefix = record_id[:PREFIX_LENGTH]
    return STANDARD.get(prefix) or (custom or {}).get(prefix, "")


def prefixes(listed: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Return object types by prefix, of the answer that lists all objects of the org; some have none."""
    return {str(item["keyPrefix"]): str(item["name"]) for item in listed if item.get("keyPrefix")}
