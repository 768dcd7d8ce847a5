"""What every stand-in does around its own answers: faults, latency, the request log and the control door."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any, ClassVar

from integration_hub.simulator.faults import Fault, Faults
from integration_hub.simulator.serving import Call, MalformedBodyError, Response, html_response, json_response
from integration_hub.simulator.world import Clock, Request, RequestLog

CONTROL = "/_control"
Body = dict[str, Any]
DONE_FIRST = frozenset({"delay", "drop_after"})


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that `POST /_control/<name>` does with the JSON it is given."""

    run: Callable[[Body], Any]
    example: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def calling(cls, run: Callable[..., Any], **example: Any) -> Verb:
        """Return the verb that hands the JSON's entries to `run` by name."""
        return cls(lambda body: run(**body), example)


class Vendor(ABC):
    """One pretend vendor. All state changes happen under `lock`."""

    name: ClassVar[str]
    fault_kinds: ClassVar[frozenset[str]] = frozenset()
    done_first: ClassVar[frozenset[str]] = frozenset()
    """Faults of this vendor that strike after the work was done."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.url = ""
        self.lock = threading.RLock()
        self.latency = 0.0
        self.faults = Faults(self.fault_kinds)
        self.requests = RequestLog()
        self.verbs: dict[str, Verb] = {}
        self.reset()

    @abstractmethod
    def reset(self) -> None:
        """Return to an empty account; credentials stay, tokens handed out do not."""

    @abstractmethod
    def handle(self, call: Call) -> Response:
        """Answer as the healthy vendor does."""

    @abstractmethod
    def broken(self, fault: Fault) -> Response:
        """Answer as the vendor does in this trouble of its own."""

    def answer(self, call: Call) -> Response | None:
        """Answer `call`; None: drop the connection."""
        if call.path.startswith(CONTROL):
            return self._control(call)
        at = self.clock()
        fault = self.faults.take(call.path)
        response = self._respond(call, fault)
        seconds = self.latency
        if fault is not None and fault.kind == "delay":
            seconds += float(fault.options.get("seconds", 1.0))
        status = response.status if response is not None else None
        self.requests.record(Request(call.method, call.path, call.query, call.recorded_body(), at, status))
        if response is not None:
            response.headers.setdefault("Date", format_datetime(self.clock(), usegmt=True))
        if seconds > 0:
            time.sleep(seconds)
        return response

    def _respond(self, call: Call, fault: Fault | None) -> Response | None:
        if fault is None:
            return self.handle(call)
        if fault.kind in DONE_FIRST or fault.kind in self.done_first:
            response = self.handle(call)
            if fault.kind == "delay":
                return response
        if fault.kind in {"drop", "refuse", "drop_after"}:
            return None
        if fault.kind == "unavailable":
            return html_response(503, "Service Unavailable")
        if fault.kind == "status":
            body = str(fault.options.get("body", "")).encode()
            return Response(int(fault.options.get("status", 500)), body)
        return self.broken(fault)

    def _control(self, call: Call) -> Response:
        name = call.path.removeprefix(CONTROL).strip("/")
        if not name:
            return json_response({verb: self.verbs[verb].example for verb in sorted(self.verbs)})
        if name not in self.verbs:
            return json_response({"error": f"There is no verb {name!r}; GET {CONTROL}/ lists them."}, 404)
        if call.method != "POST":
            return json_response({"error": "Send a POST with a JSON object."}, 405)
        try:
            return json_response({"ok": True, "result": self.verbs[name].run(call.json())})
        except KeyError as error:
            return json_response({"error": f"{error} is missing or not known."}, 400)
        except (MalformedBodyError, ValueError, TypeError, AttributeError) as error:
            return json_response({"error": str(error)}, 400)
