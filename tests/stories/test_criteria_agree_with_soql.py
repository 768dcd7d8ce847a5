"""A rule's criteria find the same records whether we evaluate them or Salesforce runs them as SOQL."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from integration_hub.connectors.filters import Operator
from integration_hub.connectors.operands import FITTING, NO_VALUE
from integration_hub.connectors.salesforce import soql
from integration_hub.connectors.schema import FieldSchema, FieldType
from integration_hub.simulator.salesforce.org import Org
from integration_hub.simulator.salesforce.query import run
from integration_hub.simulator.salesforce.schema import Field
from routing.conditions import Criterion, compile_filter, evaluate

NOON = datetime(2026, 11, 20, 12, 0, 0, 400_000, tzinfo=UTC)
OWNERS = ["005000000000001AAA", "005000000000002AAA"]
ZONES = st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Apia"])

CUSTOM = {
    "Text__c": ("string", FieldType.TEXT),
    "Pick__c": ("picklist", FieldType.PICKLIST),
    "Multi__c": ("multipicklist", FieldType.MULTIPICKLIST),
    "Score__c": ("double", FieldType.NUMBER),
    "Flag__c": ("boolean", FieldType.BOOLEAN),
    "Day__c": ("date", FieldType.DATE),
    "Moment__c": ("datetime", FieldType.DATETIME),
    "Parent__c": ("reference", FieldType.REFERENCE),
}
FIELDS = {name: FieldSchema(name, name, kind) for name, (_, kind) in CUSTOM.items()}
FIELDS["Parent__r.Name"] = FieldSchema("Parent__r.Name", "Parent", FieldType.TEXT)
FIELDS["Parent__r.IsActive"] = FieldSchema("Parent__r.IsActive", "Active", FieldType.BOOLEAN)

# What LIKE makes of a backslash is not documented, so none is asked for.
WORDS = st.text(alphabet="aAbBéÉ'\"%_,; 1", min_size=1, max_size=4).filter(str.strip)
MEMBERS = st.sampled_from(["a", "A", "b", "é", "É", "c%", "d'"])
NUMBERS = st.sampled_from(["-1.5", "0", "1", "+1", "1.0", "2.25", "0.1", "100000"])
DAYS = st.integers(-4, 4).map(lambda n: (NOON + timedelta(days=n)).date().isoformat())
MOMENTS = st.builds(
    lambda days, seconds: NOON.replace(microsecond=0) + timedelta(days=days, seconds=seconds),
    st.integers(-3, 3),
    st.sampled_from([-43_200, -19_800, -1, 0, 1, 19_800]),
)
VALUES = {
    FieldType.TEXT: WORDS,
    FieldType.PICKLIST: WORDS,
    FieldType.MULTIPICKLIST: st.lists(MEMBERS, min_size=1, max_size=3).map(";".join),
    FieldType.NUMBER: NUMBERS,
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATE: DAYS,
    FieldType.DATETIME: MOMENTS,
    FieldType.REFERENCE: st.sampled_from(OWNERS),
}
OPERANDS = VALUES | {
    FieldType.REFERENCE: st.sampled_from([*OWNERS, *(owner[:15] for owner in OWNERS)]),
    FieldType.DATETIME: st.one_of(
        DAYS,
        MOMENTS.map(lambda moment: moment.isoformat()),
        MOMENTS.map(lambda moment: moment.replace(tzinfo=None).isoformat(timespec="minutes")),
    ),
}


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


@st.composite
def criteria(draw, number):
    name = draw(st.sampled_from(sorted(FIELDS)))
    kind = FIELDS[name].type
    operator = draw(st.sampled_from(sorted(FITTING[kind])))
    if operator in NO_VALUE:
        return Criterion(number, name, operator)
    if operator is Operator.WITHIN_LAST_DAYS:
        return Criterion(number, name, operator, str(draw(st.integers(1, 3))))
    if operator in {Operator.ONE_OF, Operator.NOT_ONE_OF}:
        texts = draw(st.lists(OPERANDS[kind], min_size=1, max_size=3))
        return Criterion(number, name, operator, ",".join(quoted(text) for text in texts))
    return Criterion(number, name, operator, draw(OPERANDS[kind]))


RECORDS = st.fixed_dictionaries(
    {}, optional={name: st.none() | VALUES[kind] for name, (_, kind) in CUSTOM.items()}
)
LOGIC = st.sampled_from(
    [
        "",
        "1 AND 2 AND 3",
        "1 OR 2 OR 3",
        "NOT (1 AND (2 OR NOT 3))",
        "NOT 1 AND NOT (2 AND 3)",
        "(1 OR 2) AND NOT 3",
    ]
)


def make_org():
    org = Org(lambda: NOON)
    for name, (kind, _) in CUSTOM.items():
        targets, relationship = ((), "") if kind != "reference" else (("User",), "Parent__r")
        field = Field(name, name, kind, reference_to=targets, relationship=relationship)
        org.schema.add_field("Lead", field)
    users = [org.add_user("aB", "one@example.test"), org.add_user("É%", "two@example.test", active=False)]
    return org, dict(zip(OWNERS, users, strict=True))


@settings(max_examples=300, deadline=None)
@given(
    rows=st.tuples(criteria(1), criteria(2), criteria(3)),
    logic=LOGIC,
    records=st.lists(RECORDS, min_size=1, max_size=5),
    zone=ZONES.map(ZoneInfo),
)
def test_evaluating_finds_what_soql_finds(rows, logic, records, zone):
    org, users = make_org()
    rows = [Criterion(r.number, r.field, r.operator, with_users(r.value, users)) for r in rows]
    for record in records:
        parent = users.get(record.get("Parent__c"))
        org.add("Lead", record | ({"Parent__c": parent} if parent else {}))
    every_lead = run(org, soql.select(["Id", *FIELDS], "Lead"), "")
    leads = [every_lead.show(row) for row in every_lead.rows]

    where = soql.where(compile_filter(rows, logic, FIELDS), now=NOON, zone=zone)
    found = {row["Id"] for row in run(org, soql.select(["Id"], "Lead", where=where), "").rows}
    matched = {
        lead["Id"] for lead in leads if evaluate(rows, logic, lead, FIELDS, now=NOON, zone=zone).matched
    }

    assert len(leads) == len(records)
    assert matched == found, where


def with_users(text, users):
    for placeholder, user in users.items():
        text = text.replace(placeholder, user).replace(placeholder[:15], user[:15])
    return text
