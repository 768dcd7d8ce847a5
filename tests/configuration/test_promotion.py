"""From sandbox to production: slots are bound, the target is asked for what it lacks, and it can be made."""

from __future__ import annotations

import io

import pytest
import yaml
from django.core.cache import cache
from django.core.management import CommandError, call_command

from integration_hub.configuration import binding, target
from integration_hub.configuration.errors import ConfigurationError
from integration_hub.simulator.hubspot import ACCESS_TOKEN
from routing.models import Flow
from syncs.models import CalloutLog, Connection, Stream, Sync, Version
from tests.configuration.documents import imported
from tests.configuration.test_examples import given
from tests.factories import NOON, make_connection, make_salesforce

pytestmark = pytest.mark.django_db

FILE = """
connections:
  sandbox-crm: {name: Sandbox CRM, kind: salesforce, environment: sandbox, settings: {client_id: sandbox}}
  sandbox-hubspot: {name: Sandbox HubSpot, kind: hubspot, environment: sandbox}
streams:
  leads: {connection: sandbox-crm, object_type: Lead}
syncs:
  deals:
    name: Deals
    enabled: true
    stream: leads
    destination: sandbox-hubspot
    object_type: deals
    match_path: hub_external_id
    mappings:
      - {source: Id, destination: hub_external_id}
      - {source: Name, destination: dealname}
      - {source: AnnualRevenue, destination: order_total}
"""
BINDS = {"sandbox-crm": "crm", "sandbox-hubspot": "hubspot"}
WORDS = [word for slot, key in BINDS.items() for word in ("--bind", f"{slot}={key}")]


@pytest.fixture
def production(simulator):
    cache.clear()
    make_salesforce(simulator, key="crm", name="CRM", environment="production")
    return make_connection(
        "hubspot", key="hubspot", name="HubSpot", base_url=simulator.hubspot.url, environment="production",
        settings={"credential": "token"}, secrets={"access_token": ACCESS_TOKEN},
    )  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sandbox.yaml"
    path.write_text(FILE)
    return str(path)


def document():
    return yaml.safe_load(FILE)


def config(*words):
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("config", *words, stdout=out, stderr=err)
    except SystemExit as end:
        return out.getvalue(), err.getvalue(), end.code
    return out.getvalue(), err.getvalue(), 0


def test_bound_slots_lead_to_this_hubs_connections_which_stay_as_they_are(production, file):
    out, _, code = config("import", file, *WORDS)

    assert code == 0
    assert "+ streams[leads]: create" in out
    assert Stream.objects.get().connection.key == "crm"
    assert Sync.objects.get().destination == production
    assert set(Connection.objects.values_list("key", "environment")) == {
        ("crm", "production"), ("hubspot", "production")
    }  # fmt: skip


def test_an_unbound_slot_is_refused_by_name_and_nothing_is_written(production, file):
    with pytest.raises(CommandError) as caught:
        config("import", file, "--bind", "sandbox-crm=crm")

    assert str(caught.value) == (
        "connections[sandbox-hubspot] is not bound. Say which connection of this hub takes its place: "
        "--bind sandbox-hubspot=hubspot. Of its kind here: hubspot."
    )
    assert not Stream.objects.exists()


def test_a_slot_whose_key_is_here_is_bound_to_it(production):
    given = document()
    given["connections"] = {"crm": {"name": "x", "kind": "salesforce", "settings": {"client_id": "sandbox"}}}
    given["streams"]["leads"]["connection"] = "crm"
    given["syncs"] = {}

    imported(binding.bound(given, {}))

    assert Stream.objects.get().connection.settings["client_id"] != "sandbox"


@pytest.mark.parametrize(
    ("binds", "said"),
    [
        ({**BINDS, "sandbox-crm": "hubspot"}, "is salesforce and hubspot is hubspot; they do not fit"),
        ({**BINDS, "sandbox-crm": "cmr"}, "is bound to “cmr”, which is not here. Did you mean crm?"),
        ({**BINDS, "sandbox-cmr": "crm"}, "names no connection “sandbox-cmr”. Did you mean sandbox-crm?"),
    ],
)
def test_a_binding_that_cannot_be_is_said(production, binds, said):
    with pytest.raises(ConfigurationError) as caught:
        binding.bound(document(), binds)

    assert any(said in one for one in caught.value.sentences)


@pytest.mark.parametrize("words", [["x"], ["=x"], ["x="], ["a=b", "a=c"]])
def test_a_binding_that_is_not_one_is_said(words):
    with pytest.raises(ConfigurationError):
        binding.parse(words)


def test_steps_of_flows_and_the_hub_are_bound_too():
    example = given("hubspot-onboarding.yaml")
    make_connection("hubspot", key="production", name="HubSpot")

    imported(binding.bound(example, {"hubspot": "production"}))

    assert {
        step.connection.key for step in Flow.objects.get(key="register").steps.exclude(connection=None)
    } == {"production"}


def test_the_target_is_asked_for_what_the_file_needs_and_nothing_is_kept(production):
    report = target.check(NOON, binding.bound(document(), BINDS))

    assert [one.text.partition(":")[0] for one in report.every()] == [
        "Id → hub_external_id", "AnnualRevenue → order_total",
    ]  # fmt: skip
    assert not Stream.objects.exists()
    assert not Version.objects.exists()


def test_a_connection_that_only_the_file_has_is_not_asked():
    report = target.check(NOON, document())

    assert report.unasked == (
        "Sandbox CRM is not set up in this hub yet.", "Sandbox HubSpot is not set up in this hub yet.",
    )  # fmt: skip


def test_missing_properties_are_made_after_somebody_agreed(production, file, monkeypatch, simulator):
    asked = []
    monkeypatch.setattr("builtins.input", lambda words: asked.append(words) or "n")

    out, _, code = config("check", file, *WORDS, "--create-missing")

    assert code == 1
    assert asked
    assert "Nothing was made." in out
    assert "+ HubSpot: deals.hub_external_id (text, unique, “Lead ID”)" in out
    assert "order_total" not in simulator.hubspot.portal.types["deals"].properties

    out, _, code = config("check", file, *WORDS, "--create-missing", "--yes")

    made = simulator.hubspot.portal.types["deals"].properties
    assert code == 0
    assert "Made at HubSpot: deals: hub_external_id, order_total." in out
    assert (made["order_total"].type, made["hub_external_id"].unique) == ("number", True)
    assert CalloutLog.objects.filter(method="POST", purpose="create properties").exists()


def test_without_a_file_the_hub_itself_is_checked(production, file):
    config("import", file, *WORDS)

    out, _, code = config("check")

    assert code == 1
    assert "sync:deals\n  ! Id → hub_external_id: There is no field" in out
    assert out.endswith("Checked: 1. To break: 1.\n")


def test_a_scope_that_is_missing_is_said_with_its_remedy(production, file, simulator):
    simulator.hubspot.scopes.discard("crm.schemas.deals.write")

    with pytest.raises(CommandError, match=r"crm\.schemas\.deals\.write"):
        config("check", file, *WORDS, "--create-missing", "--yes")
