"""Properties are made in the pretend portal as an administrator would, once."""

import pytest

from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.schema import FieldSchema, FieldType
from tests.connectors.test_hubspot_against_simulator import make_hubspot

FIELDS = [
    FieldSchema("hub_external_id", "Hub id", FieldType.TEXT, unique=True),
    FieldSchema("order_total", "Order total", FieldType.NUMBER),
    FieldSchema("is_paid", "Paid", FieldType.BOOLEAN),
    FieldSchema("paid_on", "Paid on", FieldType.DATE),
    FieldSchema("paid_at", "Paid at", FieldType.DATETIME),
    FieldSchema("color", "Color", FieldType.PICKLIST),
]


@pytest.fixture(params=["v3", "2026-03"])
def hubspot(simulator, request):
    with make_hubspot(simulator.hubspot, api_version=request.param) as connector:
        yield connector


def test_missing_properties_are_made_with_their_types(hubspot):
    made = hubspot.create_fields("companies", FIELDS)

    there = hubspot.destination_schema("companies").fields
    assert made == [field.name for field in FIELDS]
    assert there["hub_external_id"].unique
    assert [there[field.name].type for field in FIELDS] == [
        *(field.type for field in FIELDS[:5]),
        FieldType.TEXT,
    ]
    assert there["order_total"].label == "Order total"


def test_asking_again_makes_only_what_is_still_missing(hubspot):
    hubspot.create_fields("deals", FIELDS[:1])

    assert hubspot.create_fields("deals", FIELDS[:2]) == ["order_total"]


def test_a_scope_that_is_missing_is_named(hubspot, simulator):
    simulator.hubspot.scopes.discard("crm.schemas.deals.write")

    with pytest.raises(ConfigError) as caught:
        hubspot.create_fields("deals", FIELDS[:1])

    assert "crm.schemas.deals.write" in caught.value.remedy


@pytest.mark.parametrize("name", ["Hub_Id", "1st", "order total", "straße", ""])
def test_a_name_that_hubspot_does_not_take_is_said_before_anything_is_made(hubspot, name):
    with pytest.raises(ConfigError, match="takes no property"):
        hubspot.create_fields("deals", [FieldSchema(name, "x", FieldType.TEXT)])
