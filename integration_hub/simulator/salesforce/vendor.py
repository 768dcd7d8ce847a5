"""The pretend Salesforce as one object: its world, its doors, its troubles."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http.client import responses
from typing import Any

from integration_hub.simulator.faults import Fault
from integration_hub.simulator.salesforce.auth import USERNAME, Auth
from integration_hub.simulator.salesforce.bulk import Bulk
from integration_hub.simulator.salesforce.control import account_verbs, record_verbs, rule_verbs
from integration_hub.simulator.salesforce.org import ADMIN_EMAIL, ADMIN_NAME, Org
from integration_hub.simulator.salesforce.rest import NOT_FOUND, ApiError, Limits, Rest, error_response
from integration_hub.simulator.salesforce.rules import DuplicateRule, ValidationRule
from integration_hub.simulator.salesforce.schema import Field, Row
from integration_hub.simulator.salesforce.standard import label_of
from integration_hub.simulator.salesforce.writing import Writing
from integration_hub.simulator.serving import Call, MalformedBodyError, Response, html_response, json_response
from integration_hub.simulator.vendor import Vendor
from integration_hub.simulator.world import Clock

SIZE_LIMIT = 16_384
VERSION = re.compile(r"/services/data/(v(\d+)\.0)/?(.*)")
RETIRED, NEWEST = 30, 67

TROUBLES: dict[str, tuple[int, str, str]] = {
    "expired_session": (401, "INVALID_SESSION_ID", "Session expired or invalid"),
    "request_limit": (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    "concurrent_limit": (
        *(403, "REQUEST_LIMIT_EXCEEDED"),
        "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
    ),
    "query_timeout": (400, "QUERY_TIMEOUT", "Your query request was running for too long."),
    "lock_row": (400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
    "no_access": (403, "INSUFFICIENT_ACCESS", "insufficient access rights on object"),
    "api_disabled": (403, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner"),
    "server_error": (500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."),
}
PAGES = {"edge": (420, "Setting things up"), "rate_limited": (429, "Too Many Requests")}


class Salesforce(Vendor):
    """A pretend org. Add records in Python or over /_control, read them as from Salesforce."""

    name = "salesforce"
    fault_kinds = frozenset({*TROUBLES, *PAGES, "malformed_json", "invalid_grant"})

    org: Org
    auth: Auth
    rest: Rest
    bulk: Bulk
    writing: Writing

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.verbs = record_verbs(self) | rule_verbs(self) | account_verbs(self)

    def reset(self) -> None:
        with self.lock:
            self.org = Org(self.clock)
            self.auth = Auth(self.clock)
            self.rest = Rest(self.org)
            self.bulk = Bulk(self.org)
            self.rest.routes += self.bulk.routes()
            self.writing = Writing(self.org)
            self.rest.routes += self.writing.routes()
            self.rest.bulk_jobs_left = lambda: self.bulk.jobs_left

    @property
    def organization_id(self) -> str:
        return self.org.organization_id

    @property
    def admin_id(self) -> str:
        """Return the Id of the only user of an empty org, who also makes all changes."""
        return self.org.admin_id

    @property
    def limits(self) -> Limits:
        return self.rest.limits

    @property
    def page_size(self) -> int:
        return self.rest.page_size

    @page_size.setter
    def page_size(self, size: int) -> None:
        self.rest.page_size = size

    def add(
        self,
        object_type: str,
        *,
        created_at: datetime | None = None,
        visible_after: float = 0.0,
        **fields: Any,
    ) -> str:
        """Add a record and return its Id. With `visible_after`, it is seen only so many seconds later."""
        with self.lock:
            return self.org.add(object_type, fields, created_at, visible_after)

    def add_many(self, object_type: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Add records in one go, which no query sees half done."""
        with self.lock:
            return [self.org.add(object_type, row) for row in rows]

    def update(self, record_id: str, *, visible_after: float = 0.0, **fields: Any) -> None:
        with self.lock:
            self.org.update(record_id, fields, visible_after)

    def delete(self, record_id: str) -> None:
        with self.lock:
            self.org.delete(record_id)

    def merge(self, master_id: str, loser_id: str) -> None:
        with self.lock:
            self.org.merge(master_id, loser_id)

    def convert(self, lead_id: str) -> str:
        """Convert a lead; return the Id of the new contact."""
        with self.lock:
            return self.org.convert(lead_id)

    def add_user(self, name: str, email: str, active: bool = True) -> str:
        with self.lock:
            return self.org.add_user(name, email, active)

    def add_queue(self, name: str, member_ids: Sequence[str] = (), email: str = "") -> str:
        with self.lock:
            return self.org.add_queue(name, list(member_ids), email)

    def add_field(
        self,
        object_type: str,
        name: str,
        type: str = "string",  # noqa: A002 - the word Salesforce uses
        label: str = "",
        picklist: Sequence[str] = (),
        reference_to: str = "",
        external_id: bool = False,
        unique: bool = False,
        restricted: bool = False,
    ) -> None:
        """Add a custom field; a reference gets the relationship `<name>__r`."""
        relationship = name.replace("__c", "__r") if reference_to else ""
        targets = (reference_to,) if reference_to else ()
        default = False if type == "boolean" else None
        item = Field(
            name,
            label or label_of(name),
            type,
            255,
            False,
            True,
            tuple(picklist),
            targets,
            relationship,
            default,
            external_id=external_id,
            unique=unique,
            restricted=restricted,
        )
        with self.lock:
            self.org.schema.add_field(object_type, item)

    def hide_field(self, object_type: str, name: str) -> None:
        """Take away the API user's right to see a field."""
        with self.lock:
            self.org.schema.hide_field(object_type, name)

    def require(self, object_type: str, message: str, holds: Callable[[Row], bool]) -> None:
        """Add a validation rule: records for which it does not hold are refused with the message."""
        rule = ValidationRule(object_type, message, lambda row: not holds(row))
        with self.lock:
            self.writing.rules.validation.append(rule)

    def detect_duplicates(self, object_type: str, field: str, blocks: bool = False) -> None:
        """Add a duplicate rule: records with the same value in the field are taken for one."""
        with self.lock:
            self.writing.rules.duplicates.append(DuplicateRule(object_type, field, blocks))

    def relax(self) -> None:
        """Switch all validation and duplicate rules off."""
        with self.lock:
            self.writing.rules.validation.clear()
            self.writing.rules.duplicates.clear()

    def lock_rows(self, n: int = 1) -> None:
        """Let the next `n` records of collections run into somebody else's lock."""
        with self.lock:
            self.writing.lock_next(n)

    def records(self, object_type: str) -> list[dict[str, Any]]:
        """Return what is visible and not deleted, as stored."""
        with self.lock:
            return [dict(row) for row in self.org.live(object_type)]

    def expire_tokens(self) -> None:
        """End all sessions; the next login works."""
        self.auth.expire_tokens()

    def revoke(self, on: bool = True) -> None:
        """Withdraw the app's approval, or give it back: no login works while it is withdrawn."""
        self.auth.revoke(on)

    def expire_cursors(self) -> None:
        """Make every query locator handed out so far invalid."""
        self.rest.expire_cursors()

    def handle(self, call: Call) -> Response:
        with self.lock:
            return self._too_large(call) or self._routed(call)

    def broken(self, fault: Fault) -> Response:
        if fault.kind == "malformed_json":
            return Response(200, b'{"totalSize":3,"done":tru')
        if fault.kind == "invalid_grant":
            told = fault.options.get("description", "authentication failure")
            return json_response({"error": "invalid_grant", "error_description": told}, 400)
        if fault.kind in PAGES:
            return html_response(*PAGES[fault.kind])
        status, code, message = TROUBLES[fault.kind]
        return error_response(status, code, message)

    def _too_large(self, call: Call) -> Response | None:
        if call.uri_bytes > SIZE_LIMIT:
            return html_response(414, responses[414])
        if call.uri_bytes + call.header_bytes > SIZE_LIMIT:
            return html_response(431, responses[431])
        return None

    def _routed(self, call: Call) -> Response:
        path = call.path.rstrip("/")
        if path == "/services/oauth2/token":
            return self.auth.token(call, self.org, self._instance_url(call))
        if path == "/services/oauth2/userinfo":
            return self._userinfo(call)
        if path == "/services/data":
            return json_response(_versions())
        found = VERSION.fullmatch(call.path)
        if found is None or int(found[2]) > NEWEST:
            return _refused(NOT_FOUND)
        return self._data(call, found[1], int(found[2]), found[3])

    def _data(self, call: Call, version: str, number: int, rest: str) -> Response:
        if number <= RETIRED:
            return error_response(410, "UNSUPPORTED_API_VERSION", "This API version has been retired.")
        if not self.auth.accepts(call):
            return _refused(ApiError(*TROUBLES["expired_session"]))
        if self.limits.used >= self.limits.max:
            response = _refused(ApiError(*TROUBLES["request_limit"]))
        else:
            self.limits.used += 1
            response = self._attempt(call, version, rest)
        response.headers["Sforce-Limit-Info"] = f"api-usage={self.limits.used}/{self.limits.max}"
        return response

    def _attempt(self, call: Call, version: str, rest: str) -> Response:
        try:
            return self.rest.answer(call, version, rest)
        except ApiError as error:
            return _refused(error)
        except MalformedBodyError as error:
            return error_response(400, "JSON_PARSER_ERROR", str(error))

    def _instance_url(self, call: Call) -> str:
        """Return the address that this caller reached us under, unless it is one of the login hosts."""
        host = call.headers.get("Host", "")
        return f"http://{host}" if host.endswith(f":{self.url.rpartition(':')[2]}") else self.url

    def _userinfo(self, call: Call) -> Response:
        if not self.auth.accepts(call):
            return Response(403, b"Bad_OAuth_Token", "text/html;charset=UTF-8")
        base = self._instance_url(call)
        first, _, last = ADMIN_NAME.partition(" ")
        return json_response(
            {
                "sub": f"{base}/id/{self.organization_id}/{self.admin_id}",
                "user_id": self.admin_id,
                "organization_id": self.organization_id,
                "preferred_username": USERNAME,
                "nickname": "admin",
                "name": ADMIN_NAME,
                "given_name": first,
                "family_name": last,
                "email": ADMIN_EMAIL,
                "email_verified": True,
                "zoneinfo": "Europe/Berlin",
                "user_type": "STANDARD",
                "active": True,
                "urls": {"rest": f"{base}/services/data/v{{version}}/"},
            }
        )


def _refused(error: ApiError) -> Response:
    return error_response(error.status, error.code, error.message)


def _versions() -> list[dict[str, str]]:
    return [
        {"label": f"API {number}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in range(RETIRED + 1, NEWEST + 1)
    ]
