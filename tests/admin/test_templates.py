"""Message templates: checked while they are written, shown on a real record."""

import pytest
from django.urls import reverse

from integration_hub.console.preview import markup
from tests.admin.factories import change_url, make_template
from tests.factories import make_change, make_rule, make_stream


def form(template, value="{{ lead.Rating }}", **values):
    field = template.fields.get()
    return {
        "name": template.name, "header": template.header, "body": "", "link_label": "Open", "context": "",
        "fields-TOTAL_FORMS": 1, "fields-INITIAL_FORMS": 1, "fields-0-id": field.pk,
        "fields-0-template": template.pk, "fields-0-position": 1, "fields-0-label": "Rating",
        "fields-0-value": value, **values,
    }  # fmt: skip


@pytest.fixture
def template(db):
    template = make_template()
    make_rule(template=template)
    return template


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"body": "{{ lead.Compny }}"}, "Did you mean “lead.Company”?"),
        ({"header": "{% if %}"}, "Line 1"),
        ({"body": "{{ lead.Name | shout }}"}, "there is no filter “shout”"),
        ({"value": "{{ lead.Raitng }}"}, "Did you mean “lead.Rating”?"),
    ],
)
def test_a_mistake_in_a_text_is_said_next_to_it(page, template, values, sentence):
    response = page.post(change_url(template), form(template, **values))

    assert response.status_code == 200
    assert sentence in response.content.decode().replace("&quot;", '"')


def test_a_good_template_is_saved(page, template):
    page.post(change_url(template), form(template, body="*{{ lead.Company }}*"))

    template.refresh_from_db()
    assert template.body == "*{{ lead.Company }}*"


def test_preview_uses_the_newest_record_of_the_stream(page, template):
    make_change(template.rules.get().stream, title="Ann <!channel>")

    content = page.get(
        reverse("admin:routing_messagetemplate_do", args=[template.pk, "preview"])
    ).content.decode()

    assert "New lead: Ann &lt;!channel&gt;" in content


def test_preview_works_before_anything_was_read(page, template):
    content = page.get(
        reverse("admin:routing_messagetemplate_do", args=[template.pk, "preview"])
    ).content.decode()

    assert "On a made-up record" in content


def test_preview_of_a_broken_template_is_a_sentence(page, db):
    make_stream()
    template = make_template(header="{{ lead.Name | shout }}")

    response = page.get(reverse("admin:routing_messagetemplate_do", args=[template.pk, "preview"]))

    assert response.status_code == 200
    assert "shout" in response.content.decode()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* and _soft_", "<b>bold</b> and <i>soft</i>"),
        ("&lt;!channel&gt; &amp; co", "&lt;!channel&gt; &amp; co"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<https://acme.test|Open>", '<span class="hub-link">Open</span>'),
        ("a\nb", "a<br>b"),
        ("2 * 3 * 4", "2 * 3 * 4"),
    ],
)
def test_markup_is_shown_as_slack_would_and_never_runs(text, html):
    assert markup(text) == html
