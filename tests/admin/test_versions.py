"""What people change in the admin can be looked at later, compared, and brought back."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from integration_hub.configuration import sections
from integration_hub.console import versioned
from routing.models import MessageTemplate, Rule
from syncs.models import Stream, Sync, Version
from tests.admin.factories import change_url, press
from tests.factories import NOON, make_rule, make_sync, make_template, make_value_map


def newest(section, key):
    return Version.objects.filter(section=section, key=key).order_by("-pk").first()


def history_of(section, key):
    found = Version.objects.filter(section=section, key=key).order_by("pk")
    return [(one.cause, one.actor) for one in found]


def template_form(template, **values):
    return {
        "name": template.name, "header": template.header, "body": template.body, "link_label": "Open",
        "context": "", "fields-TOTAL_FORMS": 0, "fields-INITIAL_FORMS": 0, "fields-MIN_NUM_FORMS": 0,
        "fields-MAX_NUM_FORMS": 1000, **values,
    }  # fmt: skip


def test_every_section_but_people_is_listed_with_its_model():
    ours = {one.model._meta.label_lower: one.name for one in sections.SECTIONS if one.name != "people"}

    assert ours == versioned.SECTIONS


def test_saving_a_form_makes_a_version_by_its_user(page):
    template = make_template(key="lead", header="Old")

    answer = page.post(change_url(template), template_form(template, header="New"))

    assert answer.status_code == 302
    assert history_of("templates", "lead") == [("noticed", ""), ("admin", "boss")]
    assert newest("templates", "lead").document["header"] == "New"


def test_a_form_that_is_refused_makes_none(page):
    template = make_template(key="lead")

    page.post(change_url(template), template_form(template, header=""))

    assert history_of("templates", "lead") == [("noticed", "")]


def test_a_button_that_switches_makes_a_version(page):
    rule = make_rule(key="hot")

    press(page, rule, "disable")

    assert newest("rules", "hot").document["enabled"] is False
    assert newest("rules", "hot").actor == "boss"


def test_what_somebody_else_changed_unnoticed_is_not_put_in_this_users_name(page):
    make_rule(key="other", max_age_seconds=300)
    rule = make_rule(key="hot")
    press(page, rule, "disable")
    Rule.objects.filter(key="other").update(max_age_seconds=60)

    press(page, rule, "disable")

    assert history_of("rules", "other") == [("noticed", ""), ("noticed", "")]


def test_looking_makes_no_version(page):
    page.get(change_url(make_rule(key="hot")))

    assert not Version.objects.exists()


def test_the_page_of_a_thing_leads_to_its_versions(page):
    rule = make_rule(key="hot")
    press(page, rule, "disable")
    content = page.get(change_url(rule)).content.decode()
    [address] = [line.split('"')[0] for line in content.split('href="') if "syncs/version/?" in line]

    listed = page.get(address.replace("&amp;", "&"))

    assert listed.status_code == 200
    assert listed.content.decode().count(f">{rule.name}<") == 2


def test_two_versions_are_compared_in_words_and_side_by_side(page):
    rule = make_rule(key="hot", max_age_seconds=300)
    press(page, rule, "disable")
    Rule.objects.update(max_age_seconds=60)
    press(page, rule, "disable")
    oldest, _, latest = Version.objects.filter(section="rules").order_by("pk")
    address = reverse("admin:syncs_version_do", args=[latest.pk, "compare"])

    content = page.get(address, {"old": oldest.pk, "new": latest.pk}).content.decode()

    assert "rules[hot].max_age_seconds: 300 → 60" in content
    assert "rules[hot].enabled: true → false" in content
    assert (
        '<tr class="hub-diff-replace"><td>max_age_seconds: 300</td><td>max_age_seconds: 60</td></tr>'
        in content
    )


@pytest.mark.parametrize(("shown", "pair"), [(2, (1, 2)), (1, (0, 1)), (0, (0, 2))])
def test_a_version_is_compared_with_the_one_before_it_and_the_first_with_the_newest(page, shown, pair):
    versions = [
        Version.objects.create(section="rules", key="hot", at=NOON, cause="admin", document={"priority": n})
        for n in range(3)
    ]
    address = reverse("admin:syncs_version_do", args=[versions[shown].pk, "compare"])

    content = page.get(address).content.decode()

    chosen = [int(one.split('"')[0]) for one in content.split('value="') if '" selected' in one.split(">")[0]]
    assert chosen == [versions[one].pk for one in pair]
    assert "rules[hot].priority: {} → {}".format(*pair) in content


def test_a_version_says_what_it_is_of_and_who_made_it(page):
    rule = make_rule(key="hot", name="Hot leads")
    press(page, rule, "disable")

    content = page.get(change_url(newest("rules", "hot"))).content.decode()

    assert "The rule “Hot leads”. Changed in the admin by boss." in content


def test_a_version_is_restored_after_its_changes_were_shown(page, said):
    value_map = make_value_map("stages", won="closedwon")
    Version.objects.create(
        section="value_maps", key="stages", at=NOON, cause="admin",
        document={"name": "Stages", "entries": {"won": "old"}},
    )  # fmt: skip
    version = Version.objects.get()
    address = reverse("admin:syncs_version_do", args=[version.pk, "restore"])

    shown = page.get(address).content.decode()
    assert "value_maps[stages].entries.won: closedwon → old" in shown
    assert value_map.entries.get().destination == "closedwon"

    answer = page.post(address)

    assert value_map.entries.get().destination == "old"
    assert newest("value_maps", "stages").actor == "boss"
    assert newest("value_maps", "stages").cause == "restore"
    assert "is as it was" in said(answer)


def test_a_restore_is_refused_in_words_when_what_it_refers_to_is_gone(page):
    sync = make_sync(key="leads")
    press(page, sync, "disable")
    Sync.objects.all().delete()
    Stream.objects.all().delete()
    version = newest("syncs", "leads")

    content = page.post(reverse("admin:syncs_version_do", args=[version.pk, "restore"])).content.decode()

    assert "It cannot be restored" in content
    assert "is not among the streams" in content
    assert not Sync.objects.exists()


def test_restoring_takes_the_right_to_change_the_thing(client, django_user_model):
    user = django_user_model.objects.create_user("ann", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_version"))
    client.force_login(user)
    template = make_template(key="lead")
    version = Version.objects.create(
        section="templates", key="lead", at=NOON, cause="admin", document={"name": "Else"}
    )

    answer = client.post(reverse("admin:syncs_version_do", args=[version.pk, "restore"]))

    assert answer.status_code == 403
    assert MessageTemplate.objects.get().name == template.name


@pytest.mark.parametrize("document", [None, {"name": "x"}])
def test_a_removal_can_be_looked_at(page, document):
    version = Version.objects.create(
        section="templates", key="lead", name="Lead", at=NOON, cause="admin", document=document
    )

    assert page.get(change_url(version)).status_code == 200
    assert page.get(reverse("admin:syncs_version_do", args=[version.pk, "compare"])).status_code == 200
