"""Somebody renames a stage or deletes a property in HubSpot: the hub says which syncs will break, before they do."""

from __future__ import annotations

import io
import json

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from integration_hub.connectors.schema import FieldType
from integration_hub.simulator.hubspot import ACCESS_TOKEN
from routing import schema_check
from routing.models import Flow, StepField
from syncs.models import Connection, FieldMapping, Incident, SchemaCheck, Stream
from tests.factories import (
    NOON,
    make_connection,
    make_rule,
    make_salesforce,
    make_stream,
    make_sync,
    make_value_map,
)
from tests.flow_factories import make_onboarding

pytestmark = pytest.mark.django_db


@pytest.fixture
def hubspot(simulator):
    cache.clear()
    return make_connection(
        "hubspot", key="hubspot", name="HubSpot", base_url=simulator.hubspot.url,
        settings={"credential": "token"}, secrets={"access_token": ACCESS_TOKEN},
    )  # fmt: skip


@pytest.fixture
def leads(simulator):
    return make_stream(make_salesforce(simulator, key="salesforce"), key="leads")


@pytest.fixture
def deals(leads, hubspot):
    """A sync that writes deals, with stages by a value map."""
    stages = make_value_map("stages", Open="appointmentscheduled", Closed="closedwon")
    return make_sync(
        ("Name", "dealname"),
        {"source": "Status", "destination": "dealstage", "value_map": stages},
        key="deals", name="Deals", stream=leads, destination=hubspot, object_type="deals", match_path="dealname",
    )  # fmt: skip


def texts(report):
    return [problem.text for problem in report.every()]


def open_incidents():
    return list(Incident.objects.filter(closed_at=None, kind="schema").values_list("origin", flat=True))


def test_all_is_well_while_everything_is_there(deals):
    report = schema_check.run(NOON)

    assert texts(report) == []
    assert report.unasked == ()
    assert SchemaCheck.objects.get(origin="sync:deals").problems == []


def test_a_stage_that_is_gone_opens_one_incident_that_names_it_and_who_writes_it(deals, simulator):
    for pipeline in simulator.hubspot.portal.pipelines:
        pipeline["stages"] = [one for one in pipeline["stages"] if one["id"] != "closedwon"]

    schema_check.run(NOON)
    schema_check.run(NOON)

    incident = Incident.objects.get()
    assert incident.title == "The sync “Deals” uses what is not there"
    assert incident.detail.startswith(
        "“closedwon” is no value of “dealstage” of deals at HubSpot; the value map “Stages” writes it."
    )
    assert open_incidents() == ["sync:deals"]


def test_it_closes_when_the_value_is_there_again(deals):
    entry = FieldMapping.objects.exclude(value_map=None).get().value_map.entries.get(source="Closed")
    type(entry).objects.filter(pk=entry.pk).update(destination="nowhere")
    schema_check.run(NOON)
    assert open_incidents() == ["sync:deals"]

    type(entry).objects.filter(pk=entry.pk).update(destination="closedwon")
    schema_check.run(NOON)

    assert open_incidents() == []


def test_a_property_that_is_missing_is_named_and_could_be_made(deals):
    FieldMapping.objects.create(sync=deals, position=3, source="AnnualRevenue", destination="order_total")
    FieldMapping.objects.create(sync=deals, position=4, source="Id", destination="hub_external_id")
    deals.match_path = "hub_external_id"
    deals.save()

    report = schema_check.run(NOON)

    assert texts(report)[0].startswith(
        "AnnualRevenue → order_total: There is no field “order_total” of deals"
    )
    made = {one.field.name: (one.field.type, one.field.unique) for one in report.missing}
    assert made == {"order_total": (FieldType.NUMBER, False), "hub_external_id": (FieldType.TEXT, True)}


def test_a_field_that_is_gone_at_the_source_breaks_the_sync_and_the_rule(deals, simulator):
    make_rule(("Region__c", "equals", "EMEA"), key="emea", stream=deals.stream)
    FieldMapping.objects.create(sync=deals, position=3, source="Region__c", destination="description")

    report = schema_check.run(NOON)

    assert "Region__c → description: There is no field “Region__c”." in texts(report)
    assert sorted(open_incidents()) == ["rule:emea", "sync:deals"]


def test_a_value_that_a_rule_compares_with_and_that_is_no_longer_offered_is_told(leads, simulator):
    simulator.salesforce.add_field("Lead", "Heat__c", "picklist", picklist=["Hot", "Cold"], restricted=True)
    make_rule(("Heat__c", "equals", "Scorching"), key="hot", stream=leads)

    report = schema_check.run(NOON)

    assert any("Heat__c offers no “Scorching”" in text for text in texts(report))
    assert open_incidents() == ["rule:hot"]


def test_what_a_picklist_only_suggests_breaks_nothing(leads, simulator):
    simulator.salesforce.add_field("Contact", "Lead__c", external_id=True, unique=True)
    make_rule(("Rating", "equals", "Scorching"), key="hot", stream=leads)
    heats = make_value_map("heats", Hot="Scorching")
    make_sync(
        ("Id", "Lead__c"), ("LastName", "LastName"),
        {"source": "Rating", "destination": "LeadSource", "value_map": heats, "default": "From nowhere"},
        key="back", stream=leads, destination=leads.connection, object_type="Contact", match_path="Lead__c",
    )  # fmt: skip

    report = schema_check.run(NOON)

    assert texts(report) == []
    assert open_incidents() == []
    assert Stream.objects.get().object_schema.fields["Rating"].any_value


def test_an_object_type_that_is_gone_is_told(deals):
    Stream.objects.update(object_type="Leed")

    [problem] = [text for text in texts(schema_check.run(NOON)) if "Leed" in text]

    assert problem.startswith("Salesforce has no Leed: ")


def test_who_does_not_answer_neither_opens_nor_closes_anything(deals):
    FieldMapping.objects.create(sync=deals, position=3, source="Name", destination="nothing_there")
    schema_check.run(NOON)
    Connection.objects.filter(key="hubspot").update(enabled=False)

    report = schema_check.run(NOON)

    assert report.unasked == ("HubSpot is switched off.",)
    assert open_incidents() == ["sync:deals"]
    assert SchemaCheck.objects.get(origin="sync:deals").unasked == ["HubSpot is switched off."]


def test_what_is_switched_off_alarms_nobody(deals):
    FieldMapping.objects.create(sync=deals, position=3, source="Name", destination="nothing_there")
    type(deals).objects.update(enabled=False)

    report = schema_check.run(NOON)

    assert texts(report)
    assert open_incidents() == []


def test_a_flow_that_writes_to_what_is_not_there_is_told_by_its_step(hubspot, simulator):
    step = make_onboarding(connection=hubspot).steps.get(key="contact")
    StepField.objects.create(step=step, position=9, source="event.customer.name", destination="lastname")
    Flow.objects.update(enabled=True)
    Connection.objects.update(base_url=simulator.hubspot.url)
    del simulator.hubspot.portal.types["contacts"].properties["lastname"]

    report = schema_check.run(NOON)

    [flow] = [origin for origin, found in report.problems.items() if found]
    assert any("lastname" in text for text in texts(report)), texts(report)
    assert open_incidents() == [flow]


def test_streams_are_known_anew_after_the_check(deals, simulator):
    Stream.objects.update(described_at=None, schema={})

    schema_check.run(NOON)

    stream = Stream.objects.get()
    assert stream.described_at == NOON
    assert "Rating" in stream.object_schema.fields


def test_the_command_says_what_breaks_and_fails(deals):
    FieldMapping.objects.create(sync=deals, position=3, source="Name", destination="nothing_there")
    out = io.StringIO()

    with pytest.raises(CommandError):
        call_command("check_schemas", "--json", stdout=out)

    told = json.loads(out.getvalue())
    assert list(told["broken"]) == ["sync:deals"]
    assert "nothing_there" in told["broken"]["sync:deals"][0]
