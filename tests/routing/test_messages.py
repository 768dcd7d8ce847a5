"""Messages: what templates print, what records cannot do to them, what authors are told."""

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.messages import MessageError, TemplateTexts, problems, record_fields, render

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TOO_MUCH = "; use fewer repetitions or shorter texts."
NO_ZONE = "not a time zone. Use a name such as Europe/Berlin or America/New_York."
LEAD = {
    "Name": "Ann & Bob <!channel>",
    "Company": "Acme",
    "AnnualRevenue": 1_200_000.0,
    "IsConverted": False,
    "Phone": None,
    "CreatedDate": "2026-11-20T10:00:00.000+0000",
    "Birth__c": "2026-11-20",
    "Owner": {"Name": "Priya", "Email": None},
    "Account": None,
}
VARIABLES = {
    "record": LEAD,
    "lead": LEAD,
    "owner": {"name": "Priya", "email": "priya@acme.test"},
    "rule": {"name": "Hot leads"},
    "person": {"name": "Priya", "time_zone": "Asia/Kolkata"},
    "age_minutes": 3,
    "now": NOON,
}


def body(text, **variables):
    return render(TemplateTexts("x", body=text), VARIABLES | variables)["body"]


def header(text, **variables):
    return render(TemplateTexts(text), VARIABLES | variables)["header"]


def test_a_message_has_all_its_parts():
    texts = TemplateTexts(
        header="New lead: {{ record.Name }}",
        body="*{{ record.Company }}* is <https://acme.test|ours> & waiting",
        fields=(("Revenue", "{{ record.AnnualRevenue | money: '$' }}"), ("Phone", "{{ record.Phone }}")),
        link_label="Open {{ record.Company }}",
        context="{{ rule.name }}, {{ age_minutes }} min ago",
    )

    payload = render(texts, VARIABLES, "https://acme.my.salesforce.com/00Q1")

    assert json.loads(json.dumps(payload)) == {
        "header": "New lead: Ann & Bob <!channel>",
        "body": "*Acme* is <https://acme.test|ours> & waiting",
        "fields": [{"label": "Revenue", "value": "$1,200,000"}],
        "link": {"label": "Open Acme", "url": "https://acme.my.salesforce.com/00Q1"},
        "context": "Hot leads, 3 min ago",
        "text": ("New lead: Ann &amp; Bob &lt;!channel&gt;\n*Acme* is <https://acme.test|ours> & waiting"),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ record.Name }}", "Ann &amp; Bob &lt;!channel&gt;"),
        ("{{ lead.Name }}", "Ann &amp; Bob &lt;!channel&gt;"),
        ("<!here> {{ record.Company }}", "<!here> Acme"),
        (
            "{{ record.Name | append: '\"' | replace: 'Ann', \"O'Neil\" }}",
            "O'Neil &amp; Bob &lt;!channel&gt;\"",
        ),
        ("{{ '<!here>' }}", "&lt;!here&gt;"),
        ("{{ '%3C!here%3E' | url_decode }}", "&lt;!here&gt;"),
        ("{{ 'PCFoZXJlPg==' | base64_decode }}", "&lt;!here&gt;"),
        ("{{ record.Name | truncate: 7, '' }}", "Ann &amp; B"),
        ("{% capture x %}{{ record.Name }}{% endcapture %}{{ x }}", "Ann &amp; Bob &lt;!channel&gt;"),
        (
            "{% capture x %}{{ record.Name }}{% endcapture %}{{ x | replace: '&lt;', '<' | truncate: 9, '' }}",
            "Ann &amp; Bob",
        ),
        ("{% assign x = record.Name %}{% echo x %}", "Ann &amp; Bob &lt;!channel&gt;"),
        ("{% liquid echo record.Name %}", "Ann &amp; Bob &lt;!channel&gt;"),
        ("{% for w in list %}{{ w }} {% endfor %}", "&lt; &amp;"),
        ("{{ list | join: '>' }}", "&lt;&gt;&amp;"),
        ("{{ list }}", "&lt;&amp;"),
        ("{% if record.Name contains '&' %}yes{% endif %}", "yes"),
        ("{% case record.Company %}{% when 'Acme' %}yes{% endcase %}", "yes"),
        ("{{ record.Phone }}{{ record.Account.Name }}{{ record.Missing.Name }}{{ record.Owner }}", ""),
        ("{{ record.Phone | default: 'none' }}", "none"),
        ("{{ record.AnnualRevenue }} {{ record.IsConverted }}", "1200000 false"),
        ("{{ bad }}", "ab\nc\nd"),
        ("{{ long | size }}", "4000"),
        ("{{ long }}", "y" * 3000 + "…"),
    ],
)
def test_what_a_text_prints_cannot_become_markup(text, expected):
    odd = {"list": ["<", "&"], "bad": "a\x00\u202eb\ud800\r\nc\u2028d", "long": "y" * 4000}

    assert body(text, **odd) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ record.Name }}", "Ann & Bob <!channel>"),
        ("  {{ name }}\n{{ record.Company }} ", "Two lines Acme"),
        ("{{ record.Company }}", "Acme"),
    ],
)
def test_a_header_is_plain_and_on_one_line(text, expected):
    assert header(text, name="Two\n\tlines") == expected


def test_a_message_without_any_text_still_has_a_fallback():
    assert render(TemplateTexts("{{ record.Phone }}"), VARIABLES)["text"] == "An alert without text"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ record.CreatedDate | date: '%d %b %H:%M' }}", "20 Nov 15:30"),
        ("{{ record.CreatedDate | date: '%H:%M', 'America/New_York' }}", "05:00"),
        ("{{ record.CreatedDate | date }}", "2026-11-20 15:30"),
        ("{{ now | date: '%H:%M' }}", "17:30"),
        ("{{ 'now' | date: '%H:%M' }}", "17:30"),
        ("{{ record.Birth__c | date: '%d %B' }}", "20 November"),
        ("{{ record.Phone | date: '%H' }}", ""),
        ("{{ record.Company | date: '%H' }}", "Acme"),
        ("{{ record.AnnualRevenue | money: 'USD' }}", "USD 1,200,000"),
        ("{{ 99.5 | money: '€' }}", "€99.50"),
        ("{{ '1234' | money }}", "1,234"),
        ("{{ record.Phone | money: 'USD' }}", ""),
        ("{{ record.Company | money: 'USD' }}", "Acme"),
    ],
)
def test_dates_are_shown_in_the_readers_zone_and_amounts_with_separators(text, expected):
    assert body(text) == expected


def test_without_a_reader_times_are_in_utc():
    assert body("{{ record.CreatedDate | date: '%H:%M' }}", person=None) == "10:00"


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("https://acme.my.salesforce.com/00Q1?a=b&c", True),
        ("http://127.0.0.1:8801/00Q1", True),
        ("javascript:alert(1)", False),
        ("ftp://acme.test/x", False),
        ("https://", False),
        ("https://[acme", False),
        ("https://acme.test/a b", False),
        ("https://acme.test/|x>", False),
        ("https://acme.test/\n", False),
        ("", False),
    ],
)
def test_only_web_addresses_are_linked(url, linked):
    link = render(TemplateTexts("x", link_label="Open"), VARIABLES, url)["link"]

    assert link == ({"label": "Open", "url": url} if linked else None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ record.Nmae }}", "Line 1: there is no “record.Nmae”. Did you mean “record.Name”?"),
        ("\n{{ record.name }}", "Line 2: there is no “record.name”. Did you mean “record.Name”?"),
        (
            "{{ record.Owner.Nam }}",
            "Line 1: there is no “record.Owner.Nam”. Did you mean “record.Owner.Name”?",
        ),
        ("{{ recrod.Name }}", "Line 1: there is no “recrod”. Did you mean “record”?"),
        ("{{ zzz }}", "Line 1: there is no “zzz”."),
        ("{% if record.IsConverted %}{{ zzz }}{% endif %}", "Line 1: there is no “zzz”."),
        ("{{ record }}", "Line 1: “record” is a whole record; name a field of it, such as record.Name."),
        ("{% assign r = lead %}", "Line 1: “lead” is a whole record; name a field of it, such as lead.Name."),
        ("{{ record.Name | upcas }}", "Line 1: there is no filter “upcas”. Did you mean “upcase”?"),
        (
            "{{ record.Name | safe }}",
            "Line 1: leave out the filter “safe”; what is printed is made safe anyway.",
        ),
        ("a\nb {{ x", "Line 2: expected '}}', found end of file."),
        ("{% include 'secrets' %}", "Line 1: the tag “include” is not available."),
        ("{% if record.Name %}", "expected tag endif, found end of expression."),
        ("{{ record.Name | truncate: 'x' }}", "Line 1: truncate expected an integer, found str."),
        (
            "{{ record.CreatedDate | date: '%H', 'Mars' }}",
            "A filter does not fit its value: “Mars” is " + NO_ZONE,
        ),
        ("{% for i in (1..100000) %}x{% endfor %}", "Line 1: loop iteration limit reached" + TOO_MUCH),
        ("{% for i in (1..900) %}{{ big }}{% endfor %}", "Line 1: output stream limit reached" + TOO_MUCH),
        (
            "{% assign x = big %}{% for i in (1..900) %}{% assign x = x | append: x %}{% endfor %}",
            "Line 1: local namespace limit reached" + TOO_MUCH,
        ),
        ("{{ " + "a[" * 5000 + "1" + "]" * 5000 + " }}", "The text is nested too deeply."),
    ],
)
def test_authors_are_told_what_is_wrong_and_where(text, message):
    found = problems(TemplateTexts("x", body=text), VARIABLES | {"big": "y" * 1000})

    assert found == [("body", message)]


@pytest.mark.parametrize(
    "text",
    [
        "{{ record.Account.Name }} {{ record.Phone }} {{ record.Name.size }}",
        "{% assign x = record.Name %}{{ x.anything }}",
        "{% for i in (1..3) %}{{ forloop.index }}{% endfor %}",
        "{% if record.Account %}{{ record.Owner.Name | upcase }}{% endif %}",
    ],
)
def test_what_is_only_empty_in_the_sample_is_no_problem(text):
    assert problems(TemplateTexts("x", body=text), VARIABLES) == []


def test_each_part_is_checked_under_its_name():
    texts = TemplateTexts("{{ a", "{{ b", (("One", "fine"), ("Two", "{{ c")), "{{ d", "{{ e")

    assert [part for part, _ in problems(texts, VARIABLES)] == [
        "header",
        "body",
        "fields.1",
        "link_label",
        "context",
    ]


def test_a_text_that_cannot_be_rendered_is_an_error_that_names_its_part():
    texts = TemplateTexts("x", fields=(("Name", "{{ record.Name | nosuch }}"),))

    with pytest.raises(
        MessageError, match=r"Template, fields\.0: Line 1: unknown filter 'nosuch'\."
    ) as raised:
        render(texts, VARIABLES)

    assert raised.value.part == "fields.0"


def test_the_fields_that_texts_read_are_known():
    texts = TemplateTexts(
        "{{ record.Name | append: record.Title }}",
        "{% if lead.Score__c > 5 %}{{ record.Account.Owner.Name.size }}{% endif %}{{ rule.name }}",
        (("Phone", "{{ record['Phone'] }}"), ("Bad", "{{ record.Broken")),
    )

    assert record_fields(texts) == {"Name", "Title", "Account.Owner.Name", "Phone"}
    assert record_fields(texts, ("lead",)) == {"Score__c"}


ENTITY = re.compile(r"&(amp|lt|gt);")
AUTHORED = [
    "{{ record.Name }}",
    "{{ record.Name | truncate: 5 }} {{ record.Name | upcase | strip_html | url_decode }}",
    "{% capture x %}{{ record.Name }}{% endcapture %}{{ x | slice: 1, 4 }}{{ x | reverse }}",
    "{% assign parts = record.Name | split: 'a' %}{% for p in parts %}{{ p }}{% endfor %}{{ parts | join }}",
    "{{ record.Name | date: '%H' }} {{ record.Name | money: record.Name }} {{ '%Y' | date: record.Name }}",
    "{{ record.Name | replace: '&', '<' | default: '>' }} {{ record | map: record.Name }}",
]
HOSTILE = st.one_of(
    st.text(),
    st.text(alphabet="<>&;!|@#a%3CcElgtmp\ufdd0\ufdd1\n\"'"),
    st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cf", "Lu"])),
)


@given(text=st.sampled_from(AUTHORED), value=HOSTILE)
def test_whatever_a_record_holds_no_markup_comes_of_it(text, value):
    rendered = body(text, record={"Name": value})

    assert not set("<>") & set(rendered)
    assert "&" not in ENTITY.sub("", rendered)
    assert not [char for char in rendered if ord(char) < 32 and char not in "\n\t"]
    rendered.encode()


@given(value=HOSTILE)
def test_a_plain_text_is_always_one_clean_line(value):
    rendered = header("{{ record.Name }}", record={"Name": value})

    assert rendered == " ".join(rendered.split())
    rendered.encode()


FRAGMENTS = [
    "{{",
    "}}",
    "{%",
    "%}",
    "if",
    "endif",
    "endfor",
    "record",
    ".Name",
    "|",
    "date",
    ":",
    "'x'",
    "1",
    ",",
    "assign",
    "=",
    "capture",
    "endcapture",
    "liquid",
    "[",
    "]",
]
FRAGMENTS += [" ", "\n", "for i in (1..2)"]


@given(
    st.one_of(
        st.text(),
        st.lists(st.sampled_from(FRAGMENTS)).map("".join),
    )
)
def test_any_text_is_either_fine_or_refused_in_sentences(text):
    found = problems(TemplateTexts(text), VARIABLES)

    assert all(part == "header" and message.endswith((".", "?")) for part, message in found)
    if not found:
        render(TemplateTexts(text), VARIABLES)
