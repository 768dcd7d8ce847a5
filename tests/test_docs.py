"""The documentation is true where a machine can tell: commands, links, names of variables, metrics, reasons."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands

from integration_hub.connectors import registry
from integration_hub.connectors.slack.connector import SCOPES
from routing.models.decisions import Reason
from routing.models.rules import OutsideHours, Trigger
from syncs.models.deliveries import DeliveryState
from syncs.models.incidents import IncidentKind

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "CHANGELOG.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
OPERATIONS = "docs/operations.md"
OWN = ("integration_hub", "syncs", "routing")
WIDEST_IMAGE = 250_000
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def section(page, heading):
    """Return what stands under a heading of the second level."""
    return text_of(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_column(table, pattern):
    return set(re.findall(rf"^\| `{pattern}` ", table, re.MULTILINE))


def anchors(page):
    """Return the fragments that GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page):
    return [
        target for target in LINK.findall(text_of(page)) if not target.startswith(("http://", "https://"))
    ]


def sources(folder):
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).rglob("*.py")))


@pytest.mark.parametrize("page", PAGES)
def test_commands_named_in_the_documentation_exist(page):
    named = set(re.findall(r"manage\.py ([a-z_]+)", text_of(page)))
    for block in re.findall(r"^```$.*?^```$", text_of(page), re.MULTILINE | re.DOTALL):
        named |= set(re.findall(r"^hub ([a-z_]+)", block, re.MULTILINE))  # the script of operations.md

    assert named <= set(get_commands())


def test_the_table_of_commands_names_each_of_ours():
    ours = {name for name, app in get_commands().items() if app in OWN}

    assert first_column(section(OPERATIONS, "Commands"), r"manage\.py ([a-z_]+)") == ours


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    broken = []
    for target in links(page):
        name, _, fragment = target.partition("#")
        found = (ROOT / page).parent / name if name else ROOT / page
        if not found.exists() or (fragment and fragment not in anchors(found.relative_to(ROOT.resolve()))):
            broken.append(target)

    assert broken == []


def test_every_image_is_shown_and_small():
    shown = {
        ((ROOT / page).parent / target).resolve()
        for page in PAGES
        for target in links(page)
        if target.endswith(".png")
    }
    images = set((ROOT / "docs" / "images").iterdir())

    assert shown == images
    for image in images:
        content = image.read_bytes()
        assert len(content) <= WIDEST_IMAGE
        assert struct.unpack(">I", content[16:20]) == (1400,)


def test_the_table_of_variables_is_what_is_read():
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text_of("integration_hub/settings.py")))
    for place in ("deploy/gunicorn.conf.py", "integration_hub/checks.py"):
        read |= set(re.findall(r'environ\.get\("([A-Z_]+)"', text_of(place)))
    read |= set(re.findall(r"\$\{([A-Z_]+):", text_of("deploy/compose.yaml")))

    assert first_column(section(OPERATIONS, "Environment variables"), "([A-Z_]+)") == read


def test_the_table_of_metrics_is_what_is_told():
    told = set(re.findall(r'"(hub_[a-z_]+)"', text_of("integration_hub/metrics.py")))

    assert first_column(section(OPERATIONS, "Metrics"), "(hub_[a-z_]+)") == told


def test_each_kind_of_incident_has_a_row():
    rows = set(re.findall(r"^\| ([A-Z][\w ]+) \|", section(OPERATIONS, "What to do when"), re.MULTILINE))

    assert rows == set(IncidentKind.labels)


def test_each_reason_and_state_has_a_row():
    part = section("docs/lead-alerts.md", "10. Why was this lead not sent?")
    rows = set(re.findall(r"^\| ([A-Z][\w ]+) \|", part, re.MULTILINE))

    assert set(Reason.labels) | set(DeliveryState.labels) <= rows


def test_each_choice_of_a_rule_is_explained():
    part = section("docs/lead-alerts.md", "8. A rule")

    assert [label for label in (*Trigger.labels, *OutsideHours.labels) if f"| {label} |" not in part] == []


def test_the_slack_manifest_has_the_scopes_that_are_needed():
    [manifest] = re.findall(
        r"^```yaml\n(display_information.*?)^```", text_of("docs/lead-alerts.md"), re.M | re.S
    )

    assert set(yaml.safe_load(manifest)["oauth_config"]["scopes"]["bot"]) >= set(SCOPES)


def test_the_table_of_connectors_names_each():
    assert first_column(section("README.md", "Connectors"), "([a-z_]+)") == set(registry.CONNECTORS)


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/connectors.md"])
def test_files_and_tests_that_are_named_exist(page):
    paths = re.findall(r"`((?:integration_hub|syncs|routing|tests)/[^`\s<>]+)`", text_of(page))
    tests = re.findall(r"`(test_\w+)`", text_of(page))
    written = set(re.findall(r"def (test_\w+)", sources("tests")))

    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [name for name in tests if name not in written] == []
