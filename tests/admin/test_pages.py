"""Every page of the admin answers, quickly, and only to those who may see it."""

import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integration_hub import metrics
from routing.models import Rule
from syncs.models import Change, Connection, Delivery, HubSettings
from tests import factories as rows_of
from tests.admin import factories

MODELS = [
    model._meta.label_lower
    for model in apps.get_models()
    if model._meta.app_label in ("syncs", "routing", "auth", "django_q") and admin.site.is_registered(model)
]
LOGS = [
    "syncs.change",
    "syncs.delivery",
    "syncs.syncrun",
    "syncs.calloutlog",
    "syncs.incident",
    "syncs.reconciliation",
    "routing.decision",
    "routing.alert",
    "routing.flowrun",
    "syncs.inboundevent",
    "syncs.version",
    "syncs.notice",
    "syncs.recordlink",
    "syncs.backfill",
    "syncs.recordpair",
    "syncs.conflict",
    "syncs.recordtie",
    "syncs.matchcandidate",
]
CONSOLE = ["admin:index", "console:timeline", "console:sla", "console:directory"]


def address(label, page="changelist", *args):
    return reverse(f"admin:{label.replace('.', '_')}_{page}", args=args)


@pytest.mark.parametrize("label", MODELS)
def test_list_and_form_of_every_model_open_with_rows_in_them(page, everything, label):
    model = apps.get_model(label)

    listed = page.get(address(label), follow=True)
    shown = page.get(address(label, "change", model.objects.first().pk))

    assert listed.status_code == 200
    assert shown.status_code == 200


@pytest.mark.parametrize(
    "label",
    [
        "syncs.connection",
        "syncs.stream",
        "syncs.sync",
        "syncs.valuemap",
        "routing.rule",
        "routing.flow",
        "syncs.eventsource",
        "routing.person",
        "routing.workinghours",
        "routing.messagetemplate",
        "auth.user",
    ],
)
def test_form_for_a_new_row_opens(page, db, label):
    response = page.get(address(label, "add"))

    assert response.status_code == 200


@pytest.mark.parametrize("label", LOGS)
def test_logs_cannot_be_added_to_changed_or_deleted(page, everything, label):
    row = apps.get_model(label).objects.first()
    added = 200 if label == "syncs.backfill" else 403  # its page starts one

    answers = [
        page.get(f"/admin/{label.replace('.', '/')}/add/").status_code,
        page.post(address(label, "delete", row.pk), {"post": "yes"}).status_code,
        page.post(address(label, "change", row.pk), {}).status_code,
    ]

    assert answers == [added, 403, 403]
    assert apps.get_model(label).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize(("label", "offered"), [*((label, False) for label in LOGS), ("routing.rule", True)])
def test_who_changed_a_row_is_asked_only_where_somebody_can(page, everything, label, offered):
    row = apps.get_model(label).objects.first()

    content = page.get(address(label, "change", row.pk)).content.decode()

    assert (address(label, "history", row.pk) in content) == offered


def test_login_leads_to_no_other_site_and_has_an_icon_that_exists(client, db):
    content = client.get(reverse("admin:login")).content.decode()

    assert "Return to site" not in content
    [icon] = re.findall(r'rel="icon" href="([^"]+)" type="image/svg', content)
    assert finders.find(icon.removeprefix("/static/"))


@pytest.mark.parametrize(
    "label",
    [
        *LOGS,
        "routing.person",
        "routing.directorylink",
        "routing.rule",
        "routing.flow",
        "routing.flowstep",
        "syncs.stream",
        "syncs.sync",
        "syncs.valuemap",
        "routing.workinghours",
    ],
)
def test_lists_need_the_same_few_queries_however_many_rows(page, django_assert_max_num_queries, label):
    factories.everything(rows=12)

    with django_assert_max_num_queries(16):
        page.get(address(label))


@pytest.mark.parametrize("label", LOGS)
def test_lists_of_logs_never_count_their_table(page, everything, label):
    table = apps.get_model(label)._meta.db_table

    with CaptureQueriesContext(connection) as asked:
        page.get(address(label))

    texts = [one["sql"] for one in asked]
    counting = [one for one in texts if "COUNT(" in one and f'FROM "{table}"' in one and "WHERE" not in one]
    assert counting == []


@pytest.mark.parametrize("label", LOGS)
def test_lists_of_logs_never_ask_their_table_for_all_its_values(page, everything, label):
    table = apps.get_model(label)._meta.db_table

    with CaptureQueriesContext(connection) as asked:
        page.get(address(label))

    texts = [one["sql"] for one in asked]
    assert [one for one in texts if f'DISTINCT "{table}"' in one and "WHERE" not in one] == []


@pytest.mark.parametrize("label", LOGS)
def test_a_search_of_a_log_has_no_condition_that_only_reading_every_row_can_meet(page, everything, label):
    table = apps.get_model(label)._meta.db_table

    with CaptureQueriesContext(connection) as asked:
        page.get(address(label), {"q": "Ann Lee"})

    texts = [one["sql"] for one in asked if f'FROM "{table}"' in one["sql"]]
    anywhere = ("LIKE '%", "LIKE UPPER(")  # an index finds a beginning, never a middle
    slow = [one for one in texts if any(part in one for part in anywhere) and '"id" >' not in one]
    assert slow + [one for one in texts if " OR " in one] == []


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("admin:index", {}),
        ("console:quality", {}),
        ("console:timeline", {"q": "nobody"}),
        ("console:directory", {}),
        ("/metrics", {}),
    ],
)
def test_pages_need_the_same_queries_however_many_rows(page, name, query):
    def asked():
        metrics.forget()
        with CaptureQueriesContext(connection) as found:
            page.get(name if name.startswith("/") else reverse(name), query)
        return len(found)

    factories.everything(rows=2)
    factories.make_troubles(2)
    few = asked()
    factories.make_troubles(12)

    assert asked() == few


@pytest.mark.parametrize("name", CONSOLE)
@pytest.mark.parametrize("filled", [True, False])
def test_pages_of_the_console_open_with_and_without_data(page, name, filled):
    if filled:
        factories.everything()

    response = page.get(reverse(name))

    assert response.status_code == 200


@pytest.mark.parametrize("name", CONSOLE)
def test_pages_of_the_console_are_for_signed_in_staff(client, db, name):
    response = client.get(reverse(name))

    assert response.status_code == 302
    assert "/login/" in response["Location"]


@pytest.mark.parametrize("name", CONSOLE[1:])
def test_pages_of_the_console_ask_for_the_right_to_see_their_data(visitor, name):
    response = visitor.get(reverse(name))

    assert response.status_code == 403


def test_sidebar_names_only_what_the_user_may_see(visitor, everything):
    response = visitor.get(reverse("admin:index"))

    assert b"Message templates" not in response.content


@pytest.mark.parametrize("label", ["syncs.connection", "routing.rule"])
def test_a_row_that_is_gone_is_said_to_be_gone(page, db, said, label):
    response = page.post(address(label, "do", 4711, "enable"))

    assert response.status_code == 302
    assert "doesn’t exist" in said(response)


def test_buttons_do_nothing_when_fetched_by_a_link(page, everything):
    rule = everything

    page.get(address("routing.rule", "do", rule.pk, "disable"))

    assert Rule.objects.get(pk=rule.pk).enabled


def test_buttons_are_refused_to_those_who_may_only_look(visitor, everything):
    response = visitor.post(address("routing.rule", "do", everything.pk, "disable"))

    assert response.status_code == 403
    assert Rule.objects.get(pk=everything.pk).enabled


def test_deleting_what_is_in_use_is_refused_with_who_uses_it(page, everything, said):
    slack = everything.destination

    response = page.post(address("syncs.connection", "delete", slack.pk), {"post": "yes"})

    assert Connection.objects.filter(pk=slack.pk).exists()
    assert f"“{slack}” is used by rules: “{everything}”" in said(response)


def test_deleting_what_has_much_history_is_refused_with_the_remedy(page, said, monkeypatch):
    monkeypatch.setattr("integration_hub.console.deletion.HISTORY", 2)
    stream = rows_of.make_stream()
    for _ in range(3):
        rows_of.make_change(stream)

    response = page.post(address("syncs.stream", "delete", stream.pk), {"post": "yes"})

    assert Change.objects.count() == 3
    assert "More than 2 changes belong to it. Switch it off instead" in said(response)


def test_deleting_what_nobody_uses_works(page, db):
    unused = rows_of.make_connection()

    page.post(address("syncs.connection", "delete", unused.pk), {"post": "yes"})

    assert not Connection.objects.exists()


def test_a_form_opened_before_somebody_else_saved_is_refused(page, everything):
    person = rows_of.make_person(name="Ann")
    url = factories.change_url(person)
    loaded = page.get(url).context["loaded"]
    type(person).objects.filter(pk=person.pk).update(name="Anna")

    response = page.post(url, _person_form("Annie", loaded))

    assert "Somebody else changed this" in response.content.decode()
    person.refresh_from_db()
    assert person.name == "Anna"


def test_a_form_opened_just_now_is_saved(page, db):
    person = rows_of.make_person(name="Ann")
    url = factories.change_url(person)
    loaded = page.get(url).context["loaded"]

    page.post(url, _person_form("Annie", loaded))

    person.refresh_from_db()
    assert (person.name, person.email) == ("Annie", "ann@acme.test")


def test_header_says_when_the_hub_is_off(page, everything):
    HubSettings.objects.update(enabled=False)

    content = page.get(reverse("admin:index")).content.decode()

    assert "Hub is off" in content
    assert "nothing is read and nothing is sent" in content


def test_dead_letters_are_counted_in_the_sidebar(page, everything):
    content = page.get(reverse("admin:index")).context["sidebar_navigation"]

    items = {item["title"]: item for group in content for item in group["items"]}
    assert items["Deliveries"]["badge"] == str(Delivery.objects.dead().count()) == "1"


def _person_form(name, loaded):
    form = {"name": name, "email": "Ann@Acme.test", "_loaded": loaded}
    for prefix in ("absences", "links"):
        form |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    return form


def test_pages_load_from_the_hub_only_and_stand_in_no_frame(client, db):
    policy = client.get("/admin/login/")["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
