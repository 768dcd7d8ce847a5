"""People and links: what only a person can know is set by hand and stays."""

from datetime import time, timedelta

import pytest
from django.urls import reverse

from routing.admin.hours import week
from routing.models import DirectoryLink, WorkingHours, WorkingSpan
from tests.admin.factories import change_url, make_link, press
from tests.factories import NOON, make_person, make_salesforce, make_slack, make_working_hours

DOUBTFUL = DirectoryLink.State.DOUBTFUL


def test_choosing_a_person_sets_the_link_by_hand(page, db, said):
    person = make_person(name="Ann <b>")
    link = make_link(make_slack(), state=DOUBTFUL, candidates=[person.pk])

    response = page.post(change_url(link), {"person": person.pk})

    link.refresh_from_db()
    assert (link.person, link.manual, link.state, link.candidates) == (person, True, "matched", [])
    assert "Linked by hand to <b>Ann &lt;b&gt;</b>" in said(response)


def test_saving_without_a_change_leaves_the_link_to_matching(page, db):
    link = make_link(make_slack(), make_person())

    page.post(change_url(link), {"person": link.person_id})

    link.refresh_from_db()
    assert not link.manual


def test_a_manual_link_can_be_released(page, db, said):
    link = make_link(make_slack(), make_person(), manual=True)

    response = press(page, link, "release")

    link.refresh_from_db()
    assert not link.manual
    assert "matched by e-mail again" in said(response)


def test_issues_name_owners_without_an_account_and_doubts_with_their_candidates(page, db):
    salesforce, slack = make_salesforce(), make_slack()
    make_link(salesforce, make_person(name="Ned"), name="Ned Noslack")
    lee = make_person(name="Lee One")
    make_link(slack, name="Lee", state=DOUBTFUL, candidates=[lee.pk])

    content = page.get(reverse("console:directory")).content.decode()

    assert "Ned Noslack" in content
    assert "Link to Lee One" in content


def test_one_click_settles_a_doubt(page, db, said):
    lee = make_person(name="Lee One")
    link = make_link(make_slack(), name="Lee", state=DOUBTFUL, candidates=[lee.pk])

    response = page.post(reverse("console:link_person", args=[link.pk, lee.pk]))

    link.refresh_from_db()
    assert (link.person, link.manual) == (lee, True)
    assert "is linked to Lee One by hand" in said(response)


def test_linking_needs_a_click_and_the_right(page, visitor, db):
    link, lee = make_link(make_slack(), name="Lee"), make_person()
    url = reverse("console:link_person", args=[link.pk, lee.pk])

    refused = visitor.post(url)

    assert refused.status_code == 403
    assert visitor.get(url).status_code == 405


def test_refreshing_says_what_was_read_and_what_failed(page, simulator, said):
    make_slack(simulator, key="slack")
    make_slack(key="down", base_url="http://127.0.0.1:9/")

    response = page.post(reverse("console:refresh_directory"))

    assert "slack: 1 accounts read" in said(response)
    assert "down: " in said(response)


def test_a_person_whose_zone_does_not_exist_is_refused(page, db):
    person = make_person()

    response = page.post(
        change_url(person),
        {"name": "Ann", "time_zone": "Mars/Olympus", "absences-TOTAL_FORMS": 0, "absences-INITIAL_FORMS": 0,
         "links-TOTAL_FORMS": 0, "links-INITIAL_FORMS": 0},
    )  # fmt: skip

    assert "“Mars/Olympus” is not a time zone" in response.content.decode()


def test_an_absence_that_ends_before_it_starts_is_refused(page, db):
    person = make_person()

    response = page.post(
        change_url(person),
        {"name": "Ann", "links-TOTAL_FORMS": 0, "links-INITIAL_FORMS": 0, "absences-TOTAL_FORMS": 1,
         "absences-INITIAL_FORMS": 0, "absences-0-person": person.pk, "absences-0-start_0": "2026-11-20",
         "absences-0-start_1": "10:00", "absences-0-end_0": "2026-11-19", "absences-0-end_1": "10:00"},
    )  # fmt: skip

    assert "The absence must end after it starts." in response.content.decode()


def test_a_person_is_shown_at_work_or_away_in_their_own_zone(page, db):
    person = make_person(time_zone="Asia/Kolkata")
    person.absences.create(
        start=NOON - timedelta(days=36500), end=NOON + timedelta(days=36500), reason="Sabbatical"
    )

    content = page.get(change_url(person)).content.decode()

    assert "Not at work" in content
    assert "in Asia/Kolkata" in content


def test_a_second_default_schedule_is_refused_with_the_remedy(page, db):
    make_working_hours(is_default=True)
    second = make_working_hours()

    response = page.post(
        change_url(second),
        {"name": "Second", "is_default": "on", "spans-TOTAL_FORMS": 0, "spans-INITIAL_FORMS": 0,
         "holidays-TOTAL_FORMS": 0, "holidays-INITIAL_FORMS": 0},
    )  # fmt: skip

    assert "Another schedule is the default already. Unmark it first." in response.content.decode()
    assert WorkingHours.objects.filter(is_default=True).count() == 1


@pytest.mark.parametrize(
    ("span", "bars"),
    [
        ((0, time(9), time(15)), ["left:37.50%;width:25.00%"]),
        ((0, time(0), time(0)), ["left:0.00%;width:100.00%"]),
        ((6, time(18), time(6)), ["left:75.00%;width:25.00%", "left:0.00%;width:25.00%"]),
    ],
)
def test_a_week_is_drawn_with_nights_going_on_next_day(span, bars):
    weekday, start, end = span

    drawn = week([WorkingSpan(weekday=weekday, start=start, end=end)])

    assert drawn.count("<span") == len(bars)
    assert all(bar in drawn for bar in bars)
