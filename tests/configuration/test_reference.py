from __future__ import annotations

from pathlib import Path

import pytest
from django.core.validators import MaxLengthValidator
from django.db.models import NOT_PROVIDED

from integration_hub.configuration import reading, reference, validate
from integration_hub.configuration.sections import SECTIONS
from integration_hub.connectors.filters import Operator
from routing.models import RuleCriterion, TemplateField

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "configuration.md"
PLAIN = [
    (section, name)
    for section in SECTIONS
    for name in section.properties
    if name not in section.parts and name not in section.references
]
ids = [f"{section.name}.{name}" for section, name in PLAIN]


def resolved(rule):
    name = rule.get("$ref", "").rpartition("/")[2]
    return {**(validate.schema()["$defs"][name] if name else {}), **rule}


@pytest.mark.parametrize(("section", "name"), PLAIN, ids=ids)
def test_a_default_in_the_schema_is_that_of_the_table(section, name):
    field = section.model._meta.get_field(name)
    rule = resolved(section.properties[name])

    if name in section.required:
        assert field.default is NOT_PROVIDED
    else:
        assert rule["default"] == field.get_default()


@pytest.mark.parametrize(("section", "name"), PLAIN, ids=ids)
def test_a_choice_in_the_schema_is_that_of_the_table(section, name):
    field = section.model._meta.get_field(name)

    # The kinds of connections are the connectors': a new one does not change the schema.
    if name != "kind":
        assert resolved(section.properties[name]).get("enum", []) == [
            value for value, _ in field.choices or []
        ]


@pytest.mark.parametrize(("section", "name"), PLAIN, ids=ids)
def test_the_schema_allows_no_longer_texts_than_the_table(section, name):
    rule = resolved(section.properties[name])
    limit = section.model._meta.get_field(name).max_length

    if limit and rule.get("type") == "string" and name != "kind":
        assert rule["maxLength"] == limit


@pytest.mark.parametrize(
    ("model", "section", "part"), [(RuleCriterion, "rule", "criteria"), (TemplateField, "template", "fields")]
)
def test_rows_in_the_schema_are_as_long_as_those_of_the_table(model, section, part):
    properties = validate.schema()["$defs"][section]["properties"][part]["items"]["properties"]
    limits = {name: rule["maxLength"] for name, rule in properties.items() if "maxLength" in rule}

    assert limits == {
        name: next(
            v.limit_value for v in model._meta.get_field(name).validators if isinstance(v, MaxLengthValidator)
        )
        for name in limits
    }


def test_the_schema_knows_every_operator():
    criteria = validate.schema()["$defs"]["rule"]["properties"]["criteria"]

    assert criteria["items"]["properties"]["operator"]["enum"] == [operator.value for operator in Operator]


def test_every_section_of_the_schema_is_imported():
    assert set(validate.schema()["properties"]) == {"version", *(section.name for section in SECTIONS)}


def test_the_documentation_holds_the_tables_of_the_schema():
    """If this fails: put the output of `manage.py config schema --markdown` behind the line “## Every key”."""
    _, _, tables = DOCUMENTATION.read_text().partition("<!-- manage.py config schema --markdown -->\n")

    assert tables.strip() == reference.markdown(validate.schema())


def test_the_examples_in_the_documentation_fit_the_schema():
    blocks = DOCUMENTATION.read_text().split("```yaml\n")[1:]

    documents = [reading.parse(block.partition("```")[0].encode()) for block in blocks]

    assert documents
    assert [validate.sentences(document) for document in documents] == [[]] * len(documents)
