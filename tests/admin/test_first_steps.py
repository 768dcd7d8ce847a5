"""An empty hub says what to do next: the steps to a first alert, and what each empty list is for."""

import pytest
from django.urls import reverse

from tests.admin import factories
from tests.factories import (
    NOON,
    make_rule,
    make_salesforce,
    make_slack,
    make_stream,
    make_template,
    make_working_hours,
)

LISTS = {
    "syncs_connection": "No connections yet",
    "syncs_stream": "No streams yet",
    "syncs_delivery": "Nothing was sent yet",
    "syncs_change": "Nothing was read yet",
    "syncs_incident": "No open incident",
    "syncs_syncrun": "Nothing ran yet",
    "syncs_calloutlog": "No vendor was called yet",
    "routing_rule": "No rules yet",
    "routing_messagetemplate": "No message templates yet",
    "routing_decision": "No rule has decided anything yet",
    "routing_alert": "No alerts yet",
    "routing_person": "Nobody is known yet",
    "routing_directorylink": "No accounts are known yet",
    "routing_workinghours": "No working hours yet",
    "django_q_failure": "No task has failed",
}


def steps(page):
    return page.get(reverse("admin:index")).context["steps"]


def ticks(page):
    return [step.done for step in steps(page)]


def test_an_empty_hub_shows_all_six_steps_and_each_leads_somewhere(page, db):
    found = steps(page)

    assert [step.title for step in found] == [
        "Connect Salesforce",
        "Connect Slack",
        "Add a stream",
        "Enter working hours",
        "Write a message template",
        "Write a rule and enable it",
    ]
    assert [page.get(step.url).status_code for step in found] == [200] * 6
    assert not any(step.done for step in found)


def test_the_first_step_opens_a_form_that_is_half_filled_in(page, db):
    content = page.get(steps(page)[0].url).content.decode()

    assert 'value="salesforce" selected' in content
    assert 'name="key" value="salesforce"' in content


def test_a_connection_that_was_not_checked_is_gone_on_with(page, db):
    salesforce = make_salesforce(name="Production")

    first = steps(page)[0]

    assert (first.done, first.url) == (False, factories.change_url(salesforce))
    assert "Fill in its settings, save, and press “Check connection”" in first.text


def test_what_is_done_is_ticked(page, db):
    make_salesforce(check_ok=False)
    salesforce = make_salesforce(check_ok=True)
    make_stream(salesforce)
    make_template()

    assert ticks(page) == [True, False, True, False, True, False]
    make_slack(check_ok=True)
    make_working_hours()
    assert ticks(page) == [True, True, True, True, True, False]


def test_the_steps_are_over_once_a_rule_was_on(page, db):
    rule = make_rule(enabled=False, active_from=None)
    last = steps(page)[-1]

    assert last.url == factories.change_url(rule)
    type(rule).objects.update(active_from=NOON)
    assert steps(page) == []
    assert "The way to your first alert" not in page.get(reverse("admin:index")).content.decode()


def test_the_steps_are_for_those_who_may_take_them(visitor, db):
    assert steps(visitor) == []


@pytest.mark.parametrize(("name", "words"), LISTS.items())
def test_an_empty_list_says_what_it_is_for(page, db, name, words):
    content = page.get(reverse(f"admin:{name}_changelist")).content.decode()

    assert words in content


def test_a_search_without_a_find_says_so_instead(page, db):
    make_slack()

    content = page.get(reverse("admin:syncs_connection_changelist"), {"q": "nobody"}).content.decode()

    assert "Nothing matches" in content
    assert "No connections yet" not in content
