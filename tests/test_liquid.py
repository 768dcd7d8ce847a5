"""Liquid for data: values keep their kind; what is shared with messages is tested with them."""

import pytest

from integration_hub.liquid import Liquid, Sandbox, TemplateError

LIQUID = Liquid(Sandbox())
VALUES = {"value": "Ann & Co", "record": {"Score": 5, "Tags": ["a"], "Owner": {"Name": "Omar"}}}


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("{{ value }}", "Ann & Co"),
        ("{{ record.Score }}", 5),
        ("{{ record.Score | plus: 1 }}", 6),
        ("{{ record.Tags }}", ["a"]),
        ("{{ record.Missing.Deeper }}", None),
        (" {{ record.Score }}", " 5"),
        ("{% if value %}yes{% endif %}", "yes"),
        ("{{ value | escape }}", "Ann &amp; Co"),
    ],
)
def test_a_single_output_keeps_its_kind_and_everything_else_is_text(source, wanted):
    assert LIQUID.value(source, VALUES) == wanted


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ value", "Line 1"),
        ("{{ 1 | divided_by: 0 }}", "Line 1"),
        ("{% include 'x' %}", "the tag “include” is not available"),
        ("{% for a in (1..5000) %}x{% endfor %}", "use fewer repetitions"),
    ],
)
def test_what_cannot_be_rendered_is_a_sentence(source, words):
    with pytest.raises(TemplateError) as failed:
        LIQUID.value(source, VALUES)

    assert words in str(failed.value)


def test_problems_and_paths_are_those_of_the_text():
    assert LIQUID.problems("{{ value | nope }}", VALUES) == ["Line 1: there is no filter “nope”."]
    assert LIQUID.problems("{{ value | safe }}", VALUES) == [
        "Line 1: leave out the filter “safe”; there is nothing it could do here."
    ]
    assert LIQUID.paths("{{ record.Owner.Name }}{{ record.Tags.size }}", "record") == {"Owner.Name", "Tags"}


@pytest.mark.parametrize(
    "source",
    [
        "{{ (1..many) | join: ',' }}",
        "{% assign all = (1..many) | reverse %}{{ all.size }}",
        "{{ (1..99999999999999999999999) | sort | size }}",
        "{{ long | replace: 'a', long | replace: 'a', long | size }}",
        "{{ long | replace: '', long | size }}",
        "{{ long | split: '' | join: long | size }}",
    ],
)
def test_no_filter_fills_the_memory(source):
    """A value of an event may be the number or the text that makes it large."""
    with pytest.raises(TemplateError):
        LIQUID.rendered(source, {"many": 1_000_000_000, "long": "a" * 20_000})


def test_filters_do_what_they_do_within_their_bounds():
    source = "{{ (1..3) | join: '-' }} {{ long | replace: 'a', 'bc' | truncate: 8 }} {{ list | join }}"

    assert LIQUID.rendered(source, {"long": "a" * 100_000, "list": ["x", 1]}) == "1-2-3 bcbcb... x 1"
