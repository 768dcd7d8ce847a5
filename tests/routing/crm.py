"""A tiny CRM at the border, for tests of flows: companies by domain, contacts by e-mail, ties; and any REST call."""

from __future__ import annotations

from collections import Counter
from typing import Any

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.errors import RejectedError, RetryableError, UnknownOutcomeError
from integration_hub.connectors.records import Check, Operation, Outcome, Record, RecordResult
from routing.models import Flow, FlowStep, StepField, Transition
from syncs.models import EventSource
from tests.factories import NOON, make_connection

KEYS = {"companies": "domain", "contacts": "email"}


class World:
    def __init__(self) -> None:
        self.records: dict[str, dict[str, dict[str, Any]]] = {"companies": {}, "contacts": {}}
        self.ties: list[tuple[str, str]] = []
        self.calls: list[Any] = []
        self.batches: Counter[str] = Counter()
        self.down = False
        self.answer: Any = None
        self.lose_answers = 0

    def find(self, object_type, value):
        field = KEYS[object_type]
        rows = self.records[object_type].items()
        return next((pk for pk, one in rows if str(one.get(field)).casefold() == value.casefold()), "")

    def add(self, object_type, **values):
        pk = str(len(self.records[object_type]) + 1)
        self.records[object_type][pk] = values
        return pk


WORLD = World()


class Crm(Destination):
    kind = "crm"
    label = "CRM"
    settings = ()
    production_url = sandbox_url = "http://127.0.0.1:9"
    batch_size = 100
    repeatable = frozenset({Operation.UPSERT, Operation.ASSOCIATE})

    def check(self):
        return Check(True, "It works.")

    def write(self, request):
        if WORLD.down:
            raise RetryableError("It does not answer.", status=503)
        WORLD.batches[f"{request.operation}:{request.object_type}"] += 1
        results = [self._write(request, write) for write in request.writes]
        if WORLD.lose_answers:
            WORLD.lose_answers -= 1
            raise UnknownOutcomeError("No answer came.")
        return results

    def look_up(self, object_type, keys):
        found = {key: WORLD.find(object_type, key) for key in keys}
        rows = WORLD.records[object_type]
        return {key: Record(pk, rows[pk], "1", NOON) for key, pk in found.items() if pk}

    def recall(self, request):
        found = []
        for write in request.writes:
            pk = WORLD.find(request.object_type, write.match.value) if write.match else ""
            found.append(RecordResult(write.ref, Outcome.CREATED, pk, status=201) if pk else None)
        return found

    def _write(self, request, write):
        if request.operation is Operation.CALL:
            return self._call(write)
        if request.operation is Operation.ASSOCIATE:
            WORLD.ties.append((write.values["from_id"], write.values["to_id"]))
            return RecordResult(write.ref, Outcome.TIED, status=200)
        values = dict(write.values)
        if "bad" in str(values.get("email")):
            return RecordResult(
                write.ref,
                Outcome.FAILED,
                error=RejectedError("It is no address.", code="invalid", status=400),
            )
        known = write.remote_id or (write.match and WORLD.find(request.object_type, write.match.value))
        if known and known not in WORLD.records[request.object_type]:
            error = RejectedError("It is gone.", code="gone", status=404)
            return RecordResult(write.ref, Outcome.FAILED, error=error)
        if known and request.operation is Operation.CREATE:
            return RecordResult(write.ref, Outcome.EXISTING, known, status=409)
        if known:
            WORLD.records[request.object_type][known].update(values)
            return RecordResult(write.ref, Outcome.UPDATED, known, status=200)
        pk = WORLD.add(request.object_type, **values)
        return RecordResult(
            write.ref, Outcome.CREATED, pk, status=201, answer={"id": pk, "properties": values}
        )

    def _call(self, write):
        WORLD.calls.append(write.values)
        if isinstance(WORLD.answer, int):
            error = RejectedError("Refused.", code="refused", status=WORLD.answer)
            answer = {"why": "no"}
            return RecordResult(write.ref, Outcome.FAILED, error=error, status=WORLD.answer, answer=answer)
        return RecordResult(write.ref, Outcome.SENT, status=200, answer=WORLD.answer or {"ok": True})


def make_crm(**values: Any):
    return make_connection("crm", **values)


def make_source(key: str = "product", **values: Any) -> EventSource:
    source, _ = EventSource.objects.get_or_create(key=key, defaults={"name": key.title(), **values})
    return source


def make_flow(key: str = "register", **values: Any) -> Flow:
    values.setdefault("name", key.title())
    values.setdefault("source", make_source())
    values.setdefault("event_name", key)
    values.setdefault("enabled", True)
    return Flow.objects.create(key=key, **values)


def make_step(flow: Flow, key: str, *, sent=(), remembered=(), to=(), **values: Any) -> FlowStep:
    """`sent` and `remembered` are (source, destination); `to` are (outcome, key of the step), made by `link`."""
    position = flow.steps.count() + 1
    step = FlowStep.objects.create(flow=flow, key=key, name=key.title(), position=position, **values)
    for role, lines in (("write", sent), ("remember", remembered)):
        for number, (source, destination) in enumerate(lines, start=1):
            StepField.objects.create(
                step=step, role=role, position=number, source=source, destination=destination
            )
    step.planned = to
    return step


def link(*steps: FlowStep) -> None:
    by_key = {step.key: step for step in steps}
    for step in steps:
        for number, (outcome, target, *condition) in enumerate(step.planned, start=1):
            more = dict(zip(("field", "operator", "value"), condition, strict=False))
            Transition.objects.create(
                step=step, position=number, outcome=outcome, target=by_key[target], **more
            )


def make_onboarding(connection, **values: Any) -> Flow:
    """Company by domain, contact by e-mail, a tie between them, whether they were there or not."""
    flow = make_flow(**{"subject_path": "customer.id", **values})
    link(
        make_step(
            flow, "company", connection=connection, operation="create", object_type="companies",
            match_field="domain", sent=[("event.company.domain", "domain"), ("event.company.name", "name")],
            remembered=[("answer.id", "company_id")], to=[("created", "contact"), ("existing", "contact")],
        ),
        make_step(
            flow, "contact", connection=connection, operation="create", object_type="contacts",
            match_field="email", sent=[("event.customer.email", "email")],
            remembered=[("answer.id", "contact_id")], to=[("created", "tie"), ("409", "tie")],
        ),
        make_step(
            flow, "tie", kind="tie", connection=connection, from_type="contacts", from_id="session.contact_id",
            to_type="companies", to_id="session.company_id", to=[("any", "end")],
        ),
        make_step(flow, "end", kind="end"),
    )  # fmt: skip
    return flow


def make_update(connection, register: Flow, **values: Any) -> Flow:
    """What a customer changes, written to their contact; it waits for the register."""
    flow = make_flow("update", **{"subject_path": "customer.id", "waits_for": register, **values})
    link(
        make_step(
            flow, "contact", connection=connection, operation="update", object_type="contacts",
            match_field="email", sent=[("event.customer.email", "email"), ("event.customer.city", "city")],
            to=[("updated", "end")],
        ),
        make_step(flow, "end", kind="end"),
    )  # fmt: skip
    return flow
