"""What Salesforce's refusals of single records mean. Its sentences hold values of records, so ours take their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from integration_hub.connectors.errors import ConnectorError, RejectedError, RetryableError

GONE = 404
NOT_THERE = "NOT_FOUND"
PARENT_MISSING = "PARENT_NOT_FOUND"
GONE_CODES = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", NOT_THERE})
"""Said of the record itself, and not of one of its lookups, they mean that there is no such record."""

_RETRYABLE = {
    "UNABLE_TO_LOCK_ROW": ("Somebody else is changing the record", "It passes."),
    "PROCESSING_HALTED": ("Salesforce stopped before this record", "It goes with the next try."),
    "SERVER_UNAVAILABLE": ("Salesforce is not available", "See status.salesforce.com."),
    "REQUEST_RUNNING_TOO_LONG": ("Salesforce took too long for the record", "See its automation."),
    "UNKNOWN_EXCEPTION": ("Salesforce failed at the record", "See the e-mails about errors in Apex."),
}
_ACCESS = "Extend the permissions of the integration user, or its sharing."
_AUTOMATION = "See the trigger, flow or process in Salesforce that failed (Setup > Apex Jobs, Flow errors)."
_REFUSED: Mapping[str, tuple[str, str]] = {
    "REQUIRED_FIELD_MISSING": ("{} must have a value", "Map the field, or give the line a default."),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": (
        "A validation rule refuses the record",
        "Correct the record, or the rule (Setup > Object Manager > Validation Rules).",
    ),
    "INVALID_FIELD": (
        "{} does not exist, or the integration user may not see it",
        "Correct the mapping, or let the user edit the field (Field-Level Security).",
    ),
    "INVALID_FIELD_FOR_INSERT_UPDATE": (
        "{} cannot be written",
        "Take the field out of the mapping, or let the integration user edit it (Field-Level Security).",
    ),
    "STRING_TOO_LONG": (
        "{} is too long",
        "Shorten it by the transform Liquid: {{{{ value | truncate: 80 }}}}.",
    ),
    "NUMBER_OUTSIDE_VALID_RANGE": ("{} is too large a number", "Correct the value in the source."),
    "INVALID_EMAIL_ADDRESS": ("{} is not a valid e-mail", "Correct it in the source."),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": (
        "{} has a value that is not on its list",
        "Translate it by a value map, or add the value to the picklist.",
    ),
    "INVALID_TYPE_ON_FIELD_IN_RECORD": (
        "{} has a value of another type",
        "Choose a transform that fits the field: number, date, date and time, true or false.",
    ),
    "JSON_PARSER_ERROR": (
        "A value has not the type of its field",
        "Choose a transform that fits the field: number, date, date and time, true or false.",
    ),
    "MALFORMED_ID": ("{} is not a Salesforce id", "Map an id, or name the record by an external id."),
    "INVALID_CROSS_REFERENCE_KEY": (
        "{} points to a record that is not there",
        "Correct the id, or name the record by an external id.",
    ),
    "ENTITY_IS_DELETED": (
        "{} points to a record that was deleted",
        "Correct the id, or name the record by an external id.",
    ),
    "INSUFFICIENT_ACCESS_OR_READONLY": ("The integration user may not change the record", _ACCESS),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": (
        "The integration user may not refer to a record that this one names",
        _ACCESS,
    ),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": ("Automation in Salesforce failed at the record", _AUTOMATION),
    "CANNOT_EXECUTE_FLOW_TRIGGER": ("A flow in Salesforce failed at the record", _AUTOMATION),
    "APEX_ERROR": ("Apex in Salesforce failed at the record", _AUTOMATION),
    "ENTITY_IS_LOCKED": ("The record is locked by an approval", "Decide the approval in Salesforce."),
    "DELETE_FAILED": ("Other records depend on this one", "Delete or move those first."),
    "STORAGE_LIMIT_EXCEEDED": ("The org's storage is full", "Delete records or buy storage."),
    "INVALID_TYPE": (
        "There is no such object, or the integration user may not see it",
        "Choose another object, or extend the user's permissions.",
    ),
    "CANNOT_UPDATE_CONVERTED_LEAD": ("The lead is converted", "Write to its contact instead."),
}
_TWICE = "More than one record has the match value"
_TWICE_REMEDY = "Merge them in Salesforce, and make the external id field unique."

_ID = re.compile(r"\b[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?\b")
_NAME = re.compile(r"[A-Za-z]\w{0,79}")
_COLUMN = re.compile(r"No such column '([\w.]{1,80})'")
_PARENT = re.compile(
    r"Foreign key external ID: .* not found for field (\w{1,80}) in entity (\w{1,80})", re.DOTALL
)
_LIST_SHOWN = 3


class SalesforceRefusedError(RejectedError):
    """A refused record. `fields` are those it is about, `existing` the ids of records that stand in its way."""

    def __init__(
        self, message: str, *, fields: Sequence[str] = (), existing: Sequence[str] = (), **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.fields = tuple(fields)
        self.existing = tuple(existing)


def row_error(row: Mapping[str, Any], *, by_id: bool) -> ConnectorError:
    """Return what the first error of one row of an answer means; `by_id`: the record was named by its id."""
    errors = [one for one in row.get("errors") or () if isinstance(one, Mapping)]
    error = refusal(errors[0] if errors else {})
    if error.status == GONE and not by_id:
        return _listed("INVALID_CROSS_REFERENCE_KEY", "", [])  # then it is a lookup that leads nowhere
    return error


def refusal(said: Mapping[str, Any]) -> ConnectorError:
    """Return what one entry of a list of errors means; rows call the code `statusCode`, whole answers `errorCode`."""
    code = str(said.get("statusCode") or said.get("errorCode") or "UNKNOWN")
    code = code if _NAME.fullmatch(code) else "UNKNOWN"
    words = str(said.get("message") or "")
    fields = _fields(said, words)
    if "UNABLE_TO_LOCK_ROW" in words:
        code = "UNABLE_TO_LOCK_ROW"  # a trigger that ran into the lock reports it as its own failure
    if code in _RETRYABLE:
        text, remedy = _RETRYABLE[code]
        return RetryableError(f"{text}.", code=code, remedy=remedy)
    parent = _PARENT.search(words)
    if parent:
        return _parent_missing(parent[2], parent[1])
    if code == "DUPLICATES_DETECTED":
        return _duplicates(said, fields)
    if code == "DUPLICATE_VALUE":
        return _duplicate_value(words, fields)
    if code in {"DUPLICATE_EXTERNAL_ID", "MULTIPLE_CHOICES"}:
        return twice(code)
    if code in GONE_CODES and not set(fields) - {"Id"}:
        return gone(code)
    return _listed(code, words, fields)


def gone(code: str = NOT_THERE) -> SalesforceRefusedError:
    return SalesforceRefusedError(
        "Salesforce has no such record.",
        code=code,
        remedy="It was deleted or merged, or never there. An upsert would create it.",
        status=GONE,
    )


def twice(code: str = "DUPLICATE_EXTERNAL_ID", existing: Sequence[str] = ()) -> SalesforceRefusedError:
    named = f": {_some(existing)}" if existing else ""
    return SalesforceRefusedError(
        f"{_TWICE}{named}.", code=code, remedy=_TWICE_REMEDY, status=300, existing=existing
    )


def no_match_key() -> SalesforceRefusedError:
    return SalesforceRefusedError(
        "The record has no match key, and it is found by it.",
        code="no_match_key",
        remedy="Match by an external id field, or by Id.",
    )


def _parent_missing(entity: str, field: str) -> RetryableError:
    # Its own sync may be a moment behind this one; the tries end all the same.
    return RetryableError(
        f"The {entity} that {field} names is not in Salesforce yet.",
        code=PARENT_MISSING,
        remedy=f"Let a sync write the {entity} first, by the same external id.",
    )


def _duplicates(said: Mapping[str, Any], fields: Sequence[str]) -> SalesforceRefusedError:
    existing = list(dict.fromkeys(_matches(said)))
    named = f": {_some(existing)}" if existing else ""
    return SalesforceRefusedError(
        f"A duplicate rule takes the record for one that is there{named}.",
        code="DUPLICATES_DETECTED",
        remedy="Give the one there the external id. Or let the connection save past rules that only alert.",
        fields=fields,
        existing=existing,
        status=409,
    )


def _duplicate_value(words: str, fields: Sequence[str]) -> SalesforceRefusedError:
    found = _ID.search(words.rpartition("id:")[2]) if "id:" in words else None
    existing = [found[0]] if found else []
    named = f" ({existing[0]})" if existing else ""
    field = re.search(r"duplicate value found: (\w{1,80}) duplicates", words)
    about = field[1] if field else "a unique field"
    return SalesforceRefusedError(
        f"Another record{named} has the same value in {about}.",
        code="DUPLICATE_VALUE",
        remedy="Merge the two in Salesforce, or correct the value.",
        fields=[field[1]] if field else fields,
        existing=existing,
        status=409,
    )


def _listed(code: str, words: str, fields: Sequence[str]) -> SalesforceRefusedError:
    named = ", ".join(fields[:_LIST_SHOWN]) or "A field"
    text, remedy = _REFUSED.get(
        code, ("Salesforce refuses the record ({code})", "See the code in Salesforce's help.")
    )
    message = text.format(named, code=code)
    if code not in _REFUSED and fields:
        message = f"{message}: {named}"
    if code == "FIELD_CUSTOM_VALIDATION_EXCEPTION" and words:
        # The rule's own sentence: an administrator wrote it, it has no values in it.
        message = f"{message}: {' '.join(words.split())[:250].rstrip('.')}"
    return SalesforceRefusedError(f"{message}.", code=code, remedy=remedy.format(), fields=fields, status=400)


def _fields(said: Mapping[str, Any], words: str) -> list[str]:
    listed = said.get("fields")
    found = [str(one) for one in listed if _NAME.fullmatch(str(one))] if isinstance(listed, list) else []
    column = _COLUMN.search(words)
    return found or ([column[1]] if column else [])


def _matches(said: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids that a duplicate rule found; Salesforce spells the key in two ways."""
    result = said.get("duplicateResult") or said.get("duplicateResut")
    for match in _maps(result.get("matchResults") if isinstance(result, Mapping) else None):
        for one in _maps(match.get("matchRecords")):
            record = one.get("record")
            found = str(record.get("Id") or "") if isinstance(record, Mapping) else ""
            if _ID.fullmatch(found):
                yield found


def _maps(value: Any) -> Iterable[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else ()


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:_LIST_SHOWN])
    return f"{shown} and {len(ids) - _LIST_SHOWN} more" if len(ids) > _LIST_SHOWN else shown
