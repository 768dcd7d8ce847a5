"""Flows for tests: the onboarding of a customer, and plain make_*() functions for its parts."""

from __future__ import annotations

from typing import Any

from routing.models import Flow, FlowRun, FlowStep, StepField, Transition
from routing.models.flows import FieldRole
from syncs.models import Connection, EventSource, EventType, InboundEvent
from tests.factories import NOON, make_connection

SAMPLE = {
    "event": "register",
    "id": "evt-1",
    "customer": {"id": "c-17", "email": "ann@acme.test", "name": "Ann Lee", "seats": 12, "trial": True},
    "company": {"name": "Acme", "domain": "acme.test"},
}


def make_source(key: str = "product", **values: Any) -> EventSource:
    values.setdefault("name", key.title())
    source = EventSource.objects.create(key=key, **values)
    for name in ("register", "update"):
        EventType.objects.create(source=source, name=name, sample={**SAMPLE, "event": name})
    return source


def make_event(source: EventSource, data: Any = None, **values: Any) -> InboundEvent:
    data = SAMPLE if data is None else data
    values.setdefault("name", data.get("event", "register"))
    values.setdefault("received_at", NOON)
    return InboundEvent.objects.create(source=source, data=data, body=b"{}", **values)


def make_step(flow: Flow, key: str, kind: str = "write", **values: Any) -> FlowStep:
    values.setdefault("name", key.replace("-", " ").capitalize())
    values.setdefault("position", flow.steps.count() + 1)
    return FlowStep.objects.create(flow=flow, key=key, kind=kind, **values)


def send(step: FlowStep, **lines: str) -> None:
    """Add lines `destination=source`."""
    _add(step, FieldRole.WRITE, lines)


def remember(step: FlowStep, **lines: str) -> None:
    _add(step, FieldRole.REMEMBER, lines)


def lead(step: FlowStep, outcome: str, target: FlowStep, **values: Any) -> Transition:
    values.setdefault("position", step.transitions.count() + 1)
    return Transition.objects.create(step=step, outcome=outcome, target=target, **values)


def make_onboarding(connection: Connection | None = None, **values: Any) -> Flow:
    """Company, then contact, then the two are tied; a contact that exists already is tied just so."""
    connection = connection or make_connection("iterable", base_url="http://127.0.0.1:9")
    source = values.pop("source", None) or make_source()
    values.setdefault("key", "register")
    values.setdefault("name", "Register")
    values.setdefault("event_name", "register")
    values.setdefault("subject_path", "customer.id")
    flow = Flow.objects.create(source=source, **values)
    write = {"connection": connection}
    company = make_step(
        flow, "company", operation="upsert", object_type="companies", match_field="domain", **write
    )
    contact = make_step(
        flow, "contact", operation="create", object_type="contacts", match_field="email", **write
    )
    tie = make_step(
        flow, "tie", "tie", from_type="contacts", from_id="session.contact_id", to_type="companies",
        to_id="session.company_id", **write,
    )  # fmt: skip
    end = make_step(flow, "onboarded", "end")
    send(company, domain="event.company.domain", name="event.company.name")
    remember(company, company_id="answer.id")
    send(contact, email="event.customer.email")
    remember(contact, contact_id="answer.id")
    lead(company, "any", contact)
    lead(contact, "created", tie)
    lead(contact, "existing", tie)
    lead(tie, "tied", end)
    return flow


def make_run(flow: Flow, event: InboundEvent | None = None, **values: Any) -> FlowRun:
    values.setdefault("started_at", NOON)
    values.setdefault("step", flow.steps.first())
    values.setdefault("subject", "product:c-17")
    return FlowRun.objects.create(flow=flow, event=event or make_event(flow.source), **values)


def _add(step: FlowStep, role: str, lines: dict[str, str]) -> None:
    for position, (destination, source) in enumerate(lines.items(), start=1):
        StepField.objects.create(
            step=step, role=role, position=position, source=source, destination=destination
        )
