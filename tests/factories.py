"""Rows for tests: plain make_*() functions, overridable by keyword; they call nothing outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from integration_hub.connectors.records import MatchKey, Operation, RecordWrite, WriteRequest
from integration_hub.connectors.schema import FieldSchema, FieldType, ObjectSchema
from integration_hub.simulator import iterable, salesforce, slack
from routing.models import MessageTemplate, Person, Rule, RuleCriterion, WorkingHours, WorkingSpan
from syncs import connect, outbox
from syncs.events import sources as event_sources
from syncs.models import (
    Change,
    Connection,
    Delivery,
    EventSource,
    EventType,
    FieldMapping,
    Stream,
    Sync,
    ValueMap,
    ValueMapEntry,
)

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""A Friday."""
_number = count(1)

LEAD_FIELDS = {
    "Id": FieldType.TEXT,
    "Name": FieldType.TEXT,
    "Email": FieldType.TEXT,
    "Company": FieldType.TEXT,
    "OwnerId": FieldType.REFERENCE,
    "CreatedDate": FieldType.DATETIME,
    "SystemModstamp": FieldType.DATETIME,
    "Rating": FieldType.PICKLIST,
    "Status": FieldType.PICKLIST,
    "LeadSource": FieldType.PICKLIST,
    "AnnualRevenue": FieldType.NUMBER,
    "NumberOfEmployees": FieldType.NUMBER,
    "DoNotCall": FieldType.BOOLEAN,
    "Owner.Name": FieldType.TEXT,
    "Owner.Email": FieldType.TEXT,
}
LEAD_SCHEMA = ObjectSchema(
    "Lead", "Lead", {name: FieldSchema(name, name, kind) for name, kind in LEAD_FIELDS.items()}
)


def make_connection(kind: str = "salesforce", **values: Any) -> Connection:
    """`secrets` are given in the clear, by name."""
    secrets = values.pop("secrets", {})
    values.setdefault("key", f"{kind}-{next(_number)}")
    values.setdefault("name", values["key"].replace("-", " ").title())
    connection = Connection(kind=kind, **values)
    for name, value in secrets.items():
        connect.set_secret(connection, name, value)
    connection.save()
    return connection


def make_slack(simulator: Any = None, **values: Any) -> Connection:
    """With a simulator the connection leads there and works."""
    if simulator is not None:
        values.setdefault("base_url", f"{simulator.slack.url}/api/")
    values.setdefault("secrets", {"bot_token": slack.SLACK_TOKEN})
    return make_connection("slack", **values)


def make_salesforce(simulator: Any = None, **values: Any) -> Connection:
    """With a simulator the connection leads there and works."""
    if simulator is not None:
        values.setdefault("base_url", simulator.salesforce.url)
    values.setdefault(
        "settings",
        {"auth_flow": "client_credentials", "client_id": salesforce.CLIENT_ID},
    )
    values.setdefault("secrets", {"client_secret": salesforce.CLIENT_SECRET})
    return make_connection("salesforce", **values)


def make_iterable(simulator: Any = None, **values: Any) -> Connection:
    """With a simulator the connection leads there and works, else nobody answers."""
    values.setdefault("base_url", simulator.iterable.url if simulator is not None else "http://127.0.0.1:9")
    values.setdefault("settings", {"project_type": "email"})
    values.setdefault("secrets", {"api_key": iterable.API_KEY})
    return make_connection("iterable", **values)


def write_user(connection: Connection, payload: dict[str, Any]) -> None:
    """Put a user into the project behind an Iterable connection, as another integration would have."""
    write = RecordWrite("1", payload, MatchKey("email", payload["email"]))
    with connect.opened(connection) as connector:
        [result] = connector.write(WriteRequest("user", Operation.UPSERT, [write]))
    assert result.error is None


def make_stream(connection: Connection | None = None, **values: Any) -> Stream:
    """A stream of leads that has been described already."""
    values.setdefault("key", f"leads-{next(_number)}")
    values.setdefault("object_type", "Lead")
    values.setdefault("interval_seconds", 10)
    values.setdefault("started_at", NOON - timedelta(days=1))
    values.setdefault("described_at", NOON)
    stream = Stream(connection=connection or make_connection(), **values)
    if stream.described_at:
        stream.object_schema = LEAD_SCHEMA
    stream.save()
    return stream


def make_change(stream: Stream | None = None, **values: Any) -> Change:
    number = next(_number)
    stream = stream or make_stream()
    values.setdefault("record_id", f"00Q{number:012d}AAA")
    values.setdefault("modified_at", NOON)
    values.setdefault("created_at", values["modified_at"])
    values.setdefault("version", f"{values['modified_at'].isoformat()}~{number}")
    values.setdefault("captured_at", NOON)
    values.setdefault("title", f"Lead {number}")
    values.setdefault("title_key", values["title"].casefold())
    values.setdefault("values", {"Name": values["title"], "Rating": "Hot"})
    return Change.objects.create(stream=stream, **values)


def make_delivery(connection: Connection | None = None, **values: Any) -> Delivery:
    """A message that is due; fields of a settled one are set when given."""
    number = next(_number)
    settled = {
        name: values.pop(name)
        for name in list(values)
        if name not in outbox.Draft.__dataclass_fields__ and name != "now"
    }
    draft = {
        "connection_id": (connection or make_slack()).pk,
        "origin": "rule:hot-leads",
        "change_id": None,
        "lane": f"U{number}",
        "dedup_key": f"delivery-{number}",
        "payload": make_message(values.get("lane", f"U{number}")),
        "due_at": NOON,
        **values,
    }
    now = draft.pop("now", NOON)
    [delivery] = outbox.enqueue([outbox.Draft(**draft)], now)
    if settled:
        Delivery.objects.filter(pk=delivery.pk).update(**settled)
        delivery.refresh_from_db()
    return delivery


def make_message(channel: str, **values: Any) -> dict[str, Any]:
    return {
        "channel": channel,
        "header": "Ann Lee",
        "body": "A new lead",
        "fields": [],
        "link": None,
        "context": "",
        "text": "Ann Lee: a new lead",
        **values,
    }


def make_template(**values: Any) -> MessageTemplate:
    number = next(_number)
    values.setdefault("key", f"template-{number}")
    values.setdefault("name", f"Template {number}")
    return MessageTemplate.objects.create(**values)


def make_rule(*criteria: tuple[str, str, str], **values: Any) -> Rule:
    """`criteria` are (field, operator, value); the rule is on, and has been since long ago."""
    number = next(_number)
    values.setdefault("key", f"rule-{number}")
    values.setdefault("name", f"Rule {number}")
    values.setdefault("enabled", True)
    values.setdefault("active_from", NOON - timedelta(days=365))
    if "stream" not in values:
        values["stream"] = make_stream()
    if "destination" not in values:
        values["destination"] = make_slack()
    if "template" not in values:
        values["template"] = make_template()
    rule = Rule.objects.create(**values)
    for position, (field, operator, value) in enumerate(criteria, start=1):
        RuleCriterion.objects.create(rule=rule, number=position, field=field, operator=operator, value=value)
    return rule


def make_sync(*lines: Any, **values: Any) -> Sync:
    """`lines` are (source, destination) or dicts of a field mapping; without any, e-mail and name."""
    number = next(_number)
    values.setdefault("key", f"sync-{number}")
    values.setdefault("name", f"Sync {number}")
    values.setdefault("enabled", True)
    if "stream" not in values:
        values["stream"] = make_stream()
    if "destination" not in values:
        values["destination"] = make_iterable()
    sync = Sync.objects.create(**values)
    for position, line in enumerate(lines or [("Email", "email"), ("Name", "dataFields.Name")], start=1):
        given = line if isinstance(line, dict) else dict(zip(("source", "destination"), line, strict=True))
        FieldMapping.objects.create(sync=sync, position=position, **given)
    return sync


def make_value_map(key: str = "stages", **entries: str) -> ValueMap:
    value_map = ValueMap.objects.create(key=key, name=key.title())
    for source, destination in entries.items():
        ValueMapEntry.objects.create(value_map=value_map, source=source, destination=destination)
    return value_map


def make_person(**values: Any) -> Person:
    number = next(_number)
    values.setdefault("name", f"Person {number}")
    values.setdefault("email", f"person{number}@example.test")
    return Person.objects.create(**values)


def make_working_hours(
    days: range = range(5), start: str = "09:00", end: str = "17:00", **values: Any
) -> WorkingHours:
    number = next(_number)
    values.setdefault("key", f"hours-{number}")
    values.setdefault("name", f"Hours {number}")
    hours = WorkingHours.objects.create(**values)
    for day in days:
        WorkingSpan.objects.create(working_hours=hours, weekday=day, start=start, end=end)
    return hours


def make_event_source(*types: Any, secret: str = "s3cret", **values: Any) -> EventSource:
    """`types` are names, or dicts of an event type; without any, `register`."""
    number = next(_number)
    values.setdefault("key", f"source-{number}")
    values.setdefault("name", f"Source {number}")
    values.setdefault("per_minute", None)
    source = EventSource.objects.create(**values)
    for one in types or ("register",):
        EventType.objects.create(source=source, **(one if isinstance(one, dict) else {"name": one}))
    if secret:
        event_sources.add_secret(source, "first", secret, NOON)
    return source
