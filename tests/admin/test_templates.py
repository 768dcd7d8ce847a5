"""Message templates: checked while they are written, shown on a real record."""

import pytest
from django.contrib.auth.models import Permission, User
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


def preview_url(template):
    return reverse("admin:routing_messagetemplate_do", args=[template.pk, "preview"])


def test_preview_shows_what_is_typed_and_saves_nothing(page, template):
    extra = {
        "fields-TOTAL_FORMS": 3, "fields-1-label": "Company", "fields-1-value": "{{ lead.Company | upcase }}",
        "fields-1-position": 0, "fields-2-label": "", "fields-2-value": "",
    }  # fmt: skip
    make_change(template.rules.get().stream, values={"Name": "Ann", "Company": "Acme", "Rating": "Hot"})

    response = page.post(preview_url(template), form(template, header="Typed: {{ lead.Name }}", **extra))

    shown = response.context["message"]
    assert shown["header"] == "Typed: Ann"
    assert [(one["label"], one["value"]) for one in shown["fields"]] == [
        ("Company", "ACME"),
        ("Rating", "Hot"),
    ]
    template.refresh_from_db()
    assert template.header == "New lead: {{ lead.Name }}"
    assert template.fields.count() == 1


def test_a_typed_field_that_is_to_be_removed_is_not_shown(page, template):
    response = page.post(preview_url(template), form(template, **{"fields-0-DELETE": "on"}))

    assert response.context["message"]["fields"] == []


def test_what_is_typed_is_kept_when_another_stream_is_chosen(page, template):
    other = make_stream(object_type="Contact", key="contacts")
    typed = form(template, header="Typed: {{ contact.Name }}", context="small")

    response = page.post(f"{preview_url(template)}?stream={other.key}", typed)

    assert response.context["stream"] == other
    content = response.content.decode()
    assert '<input type="hidden" name="header" value="Typed: {{ contact.Name }}">' in content
    assert '<input type="hidden" name="context" value="small">' in content
    assert content.count("csrfmiddlewaretoken") == 2  # the tabs', and the theme's way out


def test_those_who_may_only_look_see_what_is_saved(visitor, template):
    visitor_user = User.objects.get(username="guest")
    visitor_user.user_permissions.add(Permission.objects.get(codename="view_messagetemplate"))

    response = visitor.post(preview_url(template), form(template, header="{{ lead.Email }}"))

    assert response.context["message"]["header"].startswith("New lead:")


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
