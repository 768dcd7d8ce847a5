"""What `POST /_control/<verb>` does to the pretend org."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from integration_hub.simulator.vendor import Body, Verb

if TYPE_CHECKING:
    from integration_hub.simulator.salesforce.vendor import Salesforce

LEAD = {"FirstName": "Ann", "LastName": "Lee", "Company": "Acme", "Email": "ann@acme.test"}
PERSON = {"name": "Ann Lee", "email": "ann@example.test", "active": True}
QUEUE = {"name": "Inbound", "member_ids": [], "email": ""}
SCORE = {"object_type": "Lead", "name": "Score__c", "type": "double", "label": "Score"}


def record_verbs(salesforce: Salesforce) -> dict[str, Verb]:
    """Return the verbs about records, people and fields."""

    def add(body: Body) -> list[str]:
        records = body.get("records") or [body["fields"]]
        created_at = datetime.fromisoformat(body["created_at"]) if body.get("created_at") else None
        late = float(body.get("visible_after", 0))
        with salesforce.lock:
            return [salesforce.org.add(body["type"], fields, created_at, late) for fields in records]

    def update(body: Body) -> None:
        with salesforce.lock:
            salesforce.org.update(body["id"], body["fields"], float(body.get("visible_after", 0)))

    return {
        "add": Verb(add, {"type": "Lead", "fields": LEAD, "visible_after": 0}),
        "update": Verb(update, {"id": "00Q…", "fields": {"Status": "Working - Contacted"}}),
        "delete": Verb.calling(salesforce.delete, record_id="00Q…"),
        "convert": Verb.calling(salesforce.convert, lead_id="00Q…"),
        "merge": Verb.calling(salesforce.merge, master_id="00Q…", loser_id="00Q…"),
        "add_user": Verb.calling(salesforce.add_user, **PERSON),
        "add_queue": Verb.calling(salesforce.add_queue, **QUEUE),
        "add_field": Verb.calling(salesforce.add_field, **SCORE),
        "hide_field": Verb.calling(salesforce.hide_field, object_type="Lead", name="Phone"),
        "records": Verb.calling(salesforce.records, object_type="Lead"),
    }


def rule_verbs(salesforce: Salesforce) -> dict[str, Verb]:
    """Return the verbs about what is refused when it is written."""

    def require(body: Body) -> None:
        name = str(body["field"])
        message = str(body.get("message") or f"{name} must have a value.")
        salesforce.require(str(body["object_type"]), message, lambda row: bool(row.get(name)))

    return {
        "validation_rule": Verb(
            require, {"object_type": "Contact", "field": "Email", "message": "A contact needs an e-mail."}
        ),
        "duplicate_rule": Verb.calling(
            salesforce.detect_duplicates, object_type="Contact", field="Email", blocks=False
        ),
        "relax": Verb.calling(salesforce.relax),
        "lock_rows": Verb.calling(salesforce.lock_rows, n=1),
    }


def account_verbs(salesforce: Salesforce) -> dict[str, Verb]:
    """Return the verbs about sessions, limits and pages."""

    def limits(body: Body) -> dict[str, int]:
        salesforce.limits.max = int(body.get("max", salesforce.limits.max))
        salesforce.limits.used = int(body.get("used", salesforce.limits.used))
        return {"max": salesforce.limits.max, "used": salesforce.limits.used}

    def page_size(body: Body) -> None:
        salesforce.page_size = int(body["size"])

    def bulk(body: Body) -> None:
        salesforce.bulk.processing = float(body.get("processing_seconds", salesforce.bulk.processing))
        if body.get("fail_next"):
            salesforce.bulk.fail_next(str(body["fail_next"]))

    def rotate(body: Body) -> None:
        salesforce.auth.rotate_refresh_tokens = bool(body["on"])

    return {
        "expire_tokens": Verb.calling(salesforce.expire_tokens),
        "expire_cursors": Verb.calling(salesforce.expire_cursors),
        "rotate_refresh_tokens": Verb(rotate, {"on": True}),
        "revoke": Verb.calling(salesforce.revoke, on=True),
        "limits": Verb(limits, {"max": 15_000, "used": 14_990}),
        "page_size": Verb(page_size, {"size": 200}),
        "bulk": Verb(bulk, {"processing_seconds": 5, "fail_next": "InternalServerError : …"}),
    }
