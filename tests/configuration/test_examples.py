from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from integration_hub.configuration import reading, rulecheck, validate
from integration_hub.configuration.plan import Action, Difference
from routing import preview, rulebook
from routing.models import Rule
from syncs import connect, streams
from syncs.models import Connection, Stream
from tests.configuration.documents import imported
from tests.factories import NOON

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))


def given(name):
    return reading.parse((EXAMPLES / name).read_bytes())


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "demo-client-secret")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-test")


@pytest.fixture
def both(db, simulator):
    """Both files in an empty hub whose Salesforce is the simulator, its objects described."""
    imported(given("lead-alerts.yaml"))
    imported(given("deal-closed.yaml"))
    Connection.objects.filter(key="salesforce").update(base_url=simulator.salesforce.url)
    for stream in Stream.objects.all():
        streams.describe(stream, NOON)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_example_fits_the_schema(file):
    assert validate.sentences(given(file.name)) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_example_names_secrets_only_by_variable(file):
    secrets = [c.get("secrets", {}) for c in given(file.name).get("connections", {}).values()]

    assert all(isinstance(secret, dict) for named in secrets for secret in named.values())


@pytest.mark.usefixtures("both")
def test_both_examples_are_in_place_after_two_imports():
    assert set(Rule.objects.filter(enabled=True).values_list("key", flat=True)) == {
        "hot-leads",
        "enterprise-leads",
        "deal-won",
    }
    assert imported(given("lead-alerts.yaml")).differences == ()
    assert imported(given("deal-closed.yaml")).differences == ()


@pytest.mark.usefixtures("both")
def test_the_rules_of_the_examples_fit_a_standard_org():
    written = [Difference("rules", key, Action.CREATE) for key in Rule.objects.values_list("key", flat=True)]

    said = [(where, text) for where, text, _ in rulecheck.problems(written, NOON)]

    assert said == []


@pytest.mark.usefixtures("both")
def test_the_connection_of_the_example_logs_in():
    result = connect.check(Connection.objects.get(key="salesforce"), NOON)

    assert result.ok, result.summary


@pytest.mark.usefixtures("both")
def test_the_won_deal_rule_finds_a_won_deal(simulator):
    simulator.set_clock(NOON)
    deal = {"Name": "Big", "StageName": "Closed Won", "CloseDate": "2026-11-20"}
    simulator.salesforce.add("Opportunity", **deal, created_at=NOON - timedelta(hours=1))
    rule = Rule.objects.get(key="deal-won")

    found = preview.preview(rulebook.draft_of(rule, list(rule.criteria.all())), NOON)

    assert [record.title for record in found.matching] == ["Big"]
