"""The pretend Iterable as one object: its project, its doors, its troubles."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from integration_hub.simulator.faults import Fault
from integration_hub.simulator.iterable.control import iterable_verbs
from integration_hub.simulator.iterable.errors import BadBodyError, IterableError
from integration_hub.simulator.iterable.lists import add_list, members
from integration_hub.simulator.iterable.pace import Pace
from integration_hub.simulator.iterable.project import PROJECT_TYPES, Project
from integration_hub.simulator.iterable.routes import ROUTES, Asked, find_route, forget
from integration_hub.simulator.iterable.writing import Manner
from integration_hub.simulator.serving import Call, MalformedBodyError, Response, html_response, json_response
from integration_hub.simulator.vendor import Vendor
from integration_hub.simulator.world import Clock

API = "/api/"
API_KEY = "iterable-demo-server-key"
MOBILE_KEY = "iterable-demo-mobile-key"
BODY_SHOWN = 2_000

TROUBLES: dict[str, IterableError] = {
    "server_error": IterableError(500, "GenericError", "An unexpected error occurred"),
    "server_error_after": IterableError(500, "DatabaseError", "An unexpected error occurred"),
    "bad_key": IterableError(401, "BadApiKey", "Invalid API key"),
    "forbidden": IterableError(403, "Forbidden", "Not allowed"),
}


class ParsedOnceCall(Call):
    """A call whose JSON is read once: bodies are large here, and the log keeps what was read."""

    def json(self) -> Any:
        return self._parsed

    @cached_property
    def _parsed(self) -> Any:
        return super().json()


class Iterable(Vendor):
    """A pretend project. The API is at `url`, its paths begin with /api/."""

    name = "iterable"
    fault_kinds = frozenset({*TROUBLES, "rate_limited", "malformed"})
    done_first = frozenset({"server_error_after", "malformed"})

    project: Project
    pace: Pace
    manner: Manner
    """Batch limits, strictness and the completeness of answers."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.verbs = iterable_verbs(self)

    def reset(self) -> None:
        with self.lock:
            self.project = Project(self.clock, PROJECT_TYPES[0])
            self.pace = Pace()
            self.manner = Manner()
            self.enforce_limits = False
            self._key_refused = False

    @property
    def users(self) -> dict[str, dict[str, Any]]:
        """All users as they were written, by e-mail in an e-mail based project, else by userId if they have one."""
        with self.lock:
            return {self.project.key(user): user.plain() for user in self.project}

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events, oldest first."""
        return self.project.events

    @property
    def lists(self) -> dict[str, list[str]]:
        """Who is on each list, by the list's name."""
        with self.lock:
            return {name: members(self.project, str(at)) for at, name in self.project.lists.items()}

    def add_list(self, name: str) -> int:
        """Make a list; return its id."""
        with self.lock:
            return add_list(self.project, name)

    def disallow_event(self, name: str) -> None:
        """Take no more events of this name."""
        self.project.disallowed_events.add(name)

    @property
    def project_type(self) -> str:
        """Which identity users have: "email", "userid" or "hybrid". Choose it while there are no users."""
        return self.project.kind

    @project_type.setter
    def project_type(self, kind: str) -> None:
        if kind not in PROJECT_TYPES:
            raise ValueError(f"There is no project type {kind!r}. Choose one of: {', '.join(PROJECT_TYPES)}.")
        with self.lock:
            if any(True for _ in self.project):
                raise ValueError("The type of a project that has users cannot be changed.")
            self.project = Project(self.clock, kind)

    @property
    def strict_batches(self) -> bool:
        """Whether one value of the wrong type refuses the whole batch, instead of its row."""
        return self.manner.strict_batches

    @strict_batches.setter
    def strict_batches(self, on: bool) -> None:
        self.manner.strict_batches = on

    @property
    def create_new_fields(self) -> bool:
        """The project's own setting, for calls that do not say."""
        return self.project.create_new_fields

    @create_new_fields.setter
    def create_new_fields(self, on: bool) -> None:
        self.project.create_new_fields = on

    @property
    def latency(self) -> float:
        """Seconds added to every answer; set to a mapping it is by path: {"users/bulkUpdate": 1.0}."""
        return self._latency

    @latency.setter
    def latency(self, seconds: float | Mapping[str, float]) -> None:
        by_path = isinstance(seconds, Mapping)
        self._latencies: dict[str, float] = dict(seconds) if isinstance(seconds, Mapping) else {}
        self._latency = 0.0 if by_path else float(seconds)  # type: ignore[arg-type]  # no mapping here

    def forget(self, identifier: str) -> None:
        """Erase a user (e-mail or userId) for good; later writes to it fail."""
        with self.lock:
            forget(self.project, identifier)

    def revoke(self, on: bool = True) -> None:
        """Let the key be refused, or be good again."""
        self._key_refused = on

    def answer(self, call: Call) -> Response | None:
        once = ParsedOnceCall(
            call.method, call.path, call.query, call.headers, call.body, call.uri_bytes, call.header_bytes
        )
        response = super().answer(once)
        seconds = self._latencies.get(call.path.removeprefix(API), 0.0)
        if seconds > 0:
            time.sleep(seconds)
        return response

    def handle(self, call: Call) -> Response:
        try:
            route, named = find_route(call.method, call.path.removeprefix(API))
        except LookupError:
            return html_response(404, "Action not found")
        with self.lock:
            try:
                self._check_key(call)
                if self.enforce_limits:
                    self.pace.call(_pace_name(call.method, route), self.clock())
                found = ROUTES[call.method, route](Asked(self.project, self.manner, call, named))
                return found if isinstance(found, Response) else json_response(found)
            except MalformedBodyError:
                return _refusal(BadBodyError(), call)
            except IterableError as error:
                return _refusal(error, call)

    def broken(self, fault: Fault) -> Response:
        if fault.kind == "malformed":
            return Response(200, b'{"successCount":1,"failCo')
        if fault.kind == "rate_limited":
            response = Response(429, b"Too many requests", "text/plain")
            if not fault.options.get("plain"):
                response = json_response({"msg": "Exceeded rate limit.", "code": "RateLimitExceeded"}, 429)
            if "retry_after" in fault.options:
                response.headers["Retry-After"] = str(fault.options["retry_after"])
            return response
        error = TROUBLES[fault.kind]
        return json_response({"msg": error.message, "code": error.code, "params": None}, error.status)

    def _check_key(self, call: Call) -> None:
        key = call.headers.get("Api-Key") or call.headers.get("Api_Key") or ""
        if key == API_KEY and not self._key_refused:
            return
        where: dict[str, Any] = {"endpoint": call.path}
        if not key:
            raise IterableError(401, "BadApiKey", "No API key provided", {"ip": "127.0.0.1", **where})
        if key == MOBILE_KEY:
            kind = {"ip": "127.0.0.1", "apiKeyIdentifier": key[:8], "apiKeyType": "Mobile", **where}
            raise IterableError(401, "BadApiKey", "Invalid API key", kind)
        # The code says "Success" all the same: so it was recorded.
        raise IterableError(401, "Success", "Invalid API key", where)


def _pace_name(method: str, route: str) -> str:
    if route.startswith("users/byUserId") or route == "users/":
        return "users/delete" if method == "DELETE" else "users/byUserId"
    return route


def _refusal(error: IterableError, call: Call) -> Response:
    message = error.message
    if isinstance(error, BadBodyError):
        # So it was recorded: the request comes back whole, the key among its headers.
        headers = dict(call.headers.items())
        shown = call.body[:BODY_SHOWN].decode("utf-8", "replace")
        message = f"[{call.path}] Invalid JSON body: {shown} headers: {headers}"
    response = json_response({"msg": message, "code": error.code, "params": error.params}, error.status)
    response.headers.update({name.replace("_", "-"): value for name, value in error.headers.items()})
    return response
