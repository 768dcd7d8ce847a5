"""Wrong input is said with the name of its field and what to enter; what was typed stays."""

import re

import pytest

from tests.admin.factories import change_url
from tests.factories import make_template


def alert(answer):
    [said] = re.findall(r'<p role="alert"[^>]*>(.*?)</p>', answer.content.decode())
    return said


def template_form(**values):
    return {
        "name": "Lead", "key": "lead", "header": "New", "body": "", "link_label": "", "context": "",
        "fields-TOTAL_FORMS": 0, "fields-INITIAL_FORMS": 0, **values,
    }  # fmt: skip


def test_the_note_above_a_form_names_each_field_with_an_error(page, db):
    row = {"fields-TOTAL_FORMS": 1, "fields-0-position": "1", "fields-0-label": "", "fields-0-value": "x"}

    answer = page.post("/admin/routing/messagetemplate/add/", template_form(name="", header="", **row))

    assert alert(answer) == "Nothing was saved. Look at: Name; Header; Template field 1: Label."


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"name": ""}, "Name is missing: fill it in."),
        ({"key": "Not a key!"}, "Use letters, digits, hyphens and underscores only"),
        ({"name": "x" * 300}, "characters; this has 300."),
    ],
)
def test_an_error_says_what_to_enter(page, db, values, sentence):
    answer = page.post("/admin/routing/messagetemplate/add/", template_form(**values))

    assert sentence in answer.content.decode()


def test_what_was_typed_stays(page, db):
    template = make_template(key="lead")

    answer = page.post(change_url(template), template_form(header="{{ typed but open"))

    assert "{{ typed but open" in answer.content.decode()
    assert alert(answer) == "Nothing was saved. Look at: Header."


def test_a_login_that_fails_names_no_field(client, db):
    answer = client.post("/admin/login/", {"username": "ann", "password": "wrong"})

    assert "Please enter the correct username and password" in answer.content.decode()
    assert alert(answer) == "That was not taken: see below."
