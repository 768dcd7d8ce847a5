"""Syncs and value maps: saved with their lines checked, previewed, exchanged as JSON, switched on and off."""

import json
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from integration_hub.connectors.schema import FieldSchema, FieldType
from syncs.models import Description, FieldMapping, MatchCandidate, Sync, ValueMap
from tests import factories as rows_of
from tests.admin import factories
from tests.factories import NOON

EMAIL = {"source": "Email", "destination": "email"}


@pytest.fixture
def sync(simulator, db):
    simulator.set_clock(NOON)
    stream = rows_of.make_stream(rows_of.make_salesforce(simulator), described_at=None)
    return rows_of.make_sync(stream=stream, destination=rows_of.make_iterable(simulator), enabled=False)


def form_of(sync, *lines, **values):
    """Return the sync's form as the browser sends it."""
    stored = list(sync.mappings.all()) if sync.pk else []
    usual = {one.name: one.default for one in Sync._meta.fields if one.has_default()}
    form = {
        **{name: value for name, value in usual.items() if not isinstance(value, bool)},
        "name": sync.name, "stream": sync.stream_id, "destination": sync.destination_id, "object_type": "user",
        "match_path": "email", "precedence": "20", "when_deleted": "ignore", "deleted_path": "",
        "mappings-TOTAL_FORMS": len(lines), "mappings-INITIAL_FORMS": min(len(stored), len(lines)),
        "mappings-MIN_NUM_FORMS": 0, "mappings-MAX_NUM_FORMS": 1000,
        "ties-TOTAL_FORMS": 0, "ties-INITIAL_FORMS": 0, **values,
    }  # fmt: skip
    for index, line in enumerate(lines):
        usual = {
            **{one.name: one.default for one in FieldMapping._meta.fields if one.choices},
            "position": "",
            "transform": "",
            "unknown_value": "keep",
            "when_empty": "keep",
            "write_mode": "always",
        }
        form |= {f"mappings-{index}-{name}": value for name, value in {**usual, **line}.items()}
        if index < len(stored):
            form |= {f"mappings-{index}-id": stored[index].pk, f"mappings-{index}-sync": sync.pk}
    return form


def faults(response):
    """Return the errors of the form and of its lines."""
    formset = response.context["inline_admin_formsets"][0].formset
    return dict(response.context["adminform"].errors), formset.errors


def view(page, sync, name, **query):
    return page.get(reverse("admin:syncs_sync_do", args=[sync.pk, name]), query)


def test_a_sync_is_saved_with_its_lines_in_the_order_they_were_written(page, sync):
    new = Sync(name="Fresh", stream=sync.stream, destination=sync.destination)
    lines = [EMAIL, {"source": "Owner.IsActive", "destination": "dataFields.Owner.IsActive"}]

    response = page.post(reverse("admin:syncs_sync_add"), form_of(new, *lines, key="fresh"))

    assert response.status_code == 302, faults(response)
    saved = Sync.objects.get(key="fresh")
    assert not saved.enabled
    assert [row.destination for row in saved.mappings.all()] == ["email", "dataFields.Owner.IsActive"]


def test_a_new_line_without_a_number_goes_to_the_end(page, sync):
    lines = [{**EMAIL, "position": 1}, {"source": "Name", "destination": "dataFields.Name", "position": 2}]

    page.post(
        factories.change_url(sync), form_of(sync, *lines, {"source": "Id", "destination": "dataFields.Id"})
    )

    assert [row.destination for row in sync.mappings.all()] == ["email", "dataFields.Name", "dataFields.Id"]


@pytest.mark.parametrize(
    ("lines", "field", "words"),
    [
        ([EMAIL, {"source": "Emial", "destination": "dataFields.x"}], "source", "Did you mean “Email”?"),
        ([EMAIL, {"source": "Name", "destination": "email.x"}], "destination", "cannot be a value and hold"),
        (
            [
                EMAIL,
                {"source": "Name", "destination": "dataFields.x", "transform": "liquid", "expression": "{{"},
            ],
            "expression",
            "Line 1",
        ),
    ],
)
def test_what_is_wrong_with_a_line_is_said_at_its_field_and_nothing_is_saved(page, sync, lines, field, words):
    before = list(sync.mappings.values_list("source", "destination"))

    response = page.post(factories.change_url(sync), form_of(sync, *lines))

    _, rows = faults(response)
    assert words in str(rows[1][field])
    assert list(sync.mappings.values_list("source", "destination")) == before


def test_what_is_wrong_with_the_sync_is_said_at_its_field(page, sync):
    response = page.post(factories.change_url(sync), form_of(sync, EMAIL, match_path="userId"))

    said, _ = faults(response)
    assert "No line writes to “userId”" in str(said["match_path"])


def test_a_type_that_the_destination_fixed_otherwise_is_said_at_the_line(page, sync):
    rows_of.write_user(sync.destination, {"email": "a@acme.test", "dataFields": {"Name": 5}})

    response = page.post(
        factories.change_url(sync), form_of(sync, EMAIL, {"source": "Name", "destination": "dataFields.Name"})
    )

    _, rows = faults(response)
    assert "holds a number there for good" in str(rows[1]["transform"])


def test_a_destination_that_does_not_answer_is_warned_of_and_the_sync_saved(page, sync, said):
    sync.destination.base_url = "http://127.0.0.1:9"
    sync.destination.save()

    response = page.post(factories.change_url(sync), form_of(sync, EMAIL, name="Renamed"))

    assert Sync.objects.get().name == "Renamed"
    assert "Types at the destination were not checked" in said(response)


def test_the_form_offers_what_both_sides_have(page, sync):
    rows_of.connect.check(sync.destination, NOON)
    factories.press(page, sync.stream, "describe")

    shown = page.get(factories.change_url(sync)).content.decode()

    assert '<datalist id="source-fields">' in shown
    assert '<option value="Owner.Id"' in shown
    assert '<option value="userId"' in shown


def test_a_connection_that_sends_messages_is_not_offered(page, sync):
    slack = rows_of.make_slack()

    form = page.get(factories.change_url(sync)).context["adminform"].form

    assert slack not in form.fields["destination"].queryset


def test_the_preview_shows_what_is_read_sent_and_changed(page, sync, simulator):
    lead = simulator.salesforce.add(
        "Lead", FirstName="Ann", LastName="Lee", Company="Acme", Email="ann@acme.test"
    )

    shown = view(page, sync, "preview", record=lead).content.decode()

    assert "ann@acme.test would be created" in shown
    assert "<code>dataFields.Name</code>" in shown
    assert "<b>Ann Lee</b>" in shown
    assert simulator.iterable.users == {}


def test_the_preview_of_one_way_of_two_says_what_it_leaves_out(page, sync):
    assert "its winner decides" not in view(page, sync, "preview").content.decode()

    rows_of.make_sync(counterpart=sync)

    assert "its winner decides" in view(page, sync, "preview").content.decode()


def test_the_preview_says_why_there_is_nothing_to_show(page, sync):
    assert "Enter the id of a record" in view(page, sync, "preview").content.decode()


def test_the_preview_says_that_the_source_does_not_answer(page, sync):
    sync.stream.connection.base_url = "http://127.0.0.1:9"
    sync.stream.connection.save()

    shown = view(page, sync, "preview", record="00Q000000000001AAA").content.decode()

    assert 'class="hub-alarm"' in shown


def test_the_mapping_is_exported_as_a_plain_object(page, sync):
    shown = view(page, sync, "export_mapping")

    assert json.loads(shown.context["text"]) == {"Email": "email", "Name": "dataFields.Name"}


def test_an_imported_mapping_takes_the_place_of_the_old(page, sync, said):
    response = factories.press(
        page, sync, "import_mapping", mapping='{"Email": "email", "Id": "dataFields.Id"}'
    )

    assert "The mapping has 2 lines now; 1 removed." in said(response)
    assert list(sync.mappings.values_list("source", flat=True)) == ["Email", "Id"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "This is not JSON"),
        ('{"Email": "email", "Nmae": "dataFields.x"}', "Nmae → dataFields.x: There is no field “Nmae”"),
        ('{"Name": "dataFields.x"}', "No line writes to “email”"),
    ],
)
def test_an_import_that_cannot_work_changes_nothing_and_says_why(page, sync, text, words):
    response = factories.press(page, sync, "import_mapping", mapping=text)

    assert words in str(response.context["problems"])
    assert FieldMapping.objects.count() == 2


def test_who_may_only_look_may_export_but_not_import(client, sync):
    guest = User.objects.create_user("guest", is_staff=True)
    guest.user_permissions.add(Permission.objects.get(codename="view_sync"))
    client.force_login(guest)

    answers = [
        view(client, sync, "export_mapping").status_code,
        factories.press(client, sync, "import_mapping", mapping='{"Email": "email"}').status_code,
    ]

    assert answers == [200, 403]
    assert FieldMapping.objects.count() == 2


def test_a_sound_sync_is_enabled_and_disabled_again(page, sync, said):
    enabled = factories.press(page, sync, "enable")

    assert "is on" in said(enabled)
    assert Sync.objects.get().enabled
    factories.press(page, sync, "disable")
    assert not Sync.objects.get().enabled


def test_a_sync_that_cannot_work_is_not_enabled(page, sync, said):
    sync.mappings.filter(destination="dataFields.Name").update(source="Nmae")

    response = factories.press(page, sync, "enable")

    assert "Nmae → dataFields.Name: There is no field “Nmae”" in said(response)
    assert not Sync.objects.get().enabled


def test_entries_of_a_value_map_differ_by_more_than_case(page, db):
    form = {
        "name": "Stages", "key": "stages",
        "entries-TOTAL_FORMS": 2, "entries-INITIAL_FORMS": 0, "entries-MIN_NUM_FORMS": 0, "entries-MAX_NUM_FORMS": 1000,
        "entries-0-source": "Hot", "entries-0-destination": "1",
        "entries-1-source": "hot ", "entries-1-destination": "2",
    }  # fmt: skip

    response = page.post(reverse("admin:syncs_valuemap_add"), form)
    assert "Another entry has this value already" in str(faults(response)[1][1]["source"])

    page.post(reverse("admin:syncs_valuemap_add"), {**form, "entries-1-source": "Cold"})
    assert ValueMap.objects.get().entries.count() == 2


def test_reconcile_now_starts_one_and_leads_to_it(admin_client, sync):
    page = reverse("admin:syncs_sync_change", args=[sync.pk])

    answer = admin_client.post(f"{page.removesuffix('change/')}do/reconcile_now/")

    one = sync.reconciliations.get()
    assert answer.url == reverse("admin:syncs_reconciliation_change", args=[one.pk])
    assert "Reconcile now" in admin_client.get(page).content.decode()


def test_a_sync_of_events_offers_no_backfill_and_no_reconciliation(admin_client, sync):
    Sync.objects.update(object_type="event")

    page = admin_client.get(reverse("admin:syncs_sync_change", args=[sync.pk])).content.decode()

    assert "do/preview" in page
    assert "do/reconcile_now" not in page
    assert "do/backfill" not in page


def test_the_page_shows_what_the_check_of_fields_found(page, said, sync):
    FieldMapping.objects.create(sync=sync, position=9, source="Nothing__c", destination="dataFields.Nothing")

    answer = factories.press(page, sync, "check_fields")

    assert "1 thing that it uses would break it" in said(answer)
    assert "There is no field “Nothing__c”" in page.get(factories.change_url(sync)).content.decode()


@pytest.fixture
def to_salesforce(simulator, db):
    simulator.set_clock(NOON)
    for name in ("Account", "Contact"):
        simulator.salesforce.add_field(name, "Number__c", external_id=True, unique=True)
    crm = rows_of.make_salesforce(simulator, check_ok=True)
    stream = rows_of.make_stream(crm, described_at=None)
    lines = [("Id", "Number__c"), ("LastName", "LastName")]
    return rows_of.make_sync(
        *lines, stream=stream, destination=crm, object_type="Contact", match_path="Number__c", enabled=False
    )


def test_a_sync_to_salesforce_is_offered_its_objects_and_fields(page, to_salesforce):
    shown = page.get(factories.change_url(to_salesforce)).content.decode()

    assert "Account.Number__c" in shown
    assert "MobilePhone" in shown
    assert "SystemModstamp</option>" not in shown


@pytest.mark.parametrize(
    ("line", "values", "said"),
    [
        ({"source": "Name", "destination": "Name"}, {}, "“Name” cannot be written there"),
        (
            {"source": "Email", "destination": "Email"},
            {"match_path": "Email"},
            "Match by an external id field",
        ),
        ({"source": "Company", "destination": "Account.Owner.Name"}, {}, "a parent by its external id"),
    ],
)
def test_what_salesforce_cannot_take_is_said_when_a_sync_is_saved(page, to_salesforce, line, values, said):
    lines = [{"source": "Id", "destination": "Number__c"}, line]
    form = form_of(to_salesforce, *lines, **{"object_type": "Contact", "match_path": "Number__c", **values})

    response = page.post(factories.change_url(to_salesforce), form)

    assert said in str(faults(response))


def test_what_salesforce_needs_to_create_a_record_is_named_when_a_sync_is_saved(page, to_salesforce, said):
    form = form_of(
        to_salesforce,
        {"source": "Id", "destination": "Number__c"},
        object_type="Contact",
        match_path="Number__c",
    )

    update_only = said(page.post(factories.change_url(to_salesforce), {**form, "policy": "update"}))
    lacking = said(page.post(factories.change_url(to_salesforce), form))

    assert "creates no record without" not in update_only
    assert "creates no record without “Last Name” (LastName). Add lines" in lacking


def test_a_sync_to_salesforce_is_saved_and_previewed_beside_what_stands_there(simulator, page, to_salesforce):
    lead = simulator.salesforce.add("Lead", LastName="Lee", Email="lee@x.test")
    simulator.salesforce.add("Contact", LastName="Formerly", Number__c=lead)
    lines = [{"source": "Id", "destination": "Number__c"}, {"source": "LastName", "destination": "LastName"}]

    saved = page.post(
        factories.change_url(to_salesforce),
        form_of(to_salesforce, *lines, object_type="Contact", match_path="Number__c"),
    )
    shown = view(page, to_salesforce, "preview", record=lead)

    assert saved.status_code == 302, faults(saved)
    assert "Formerly" in shown.content.decode()


def test_a_value_map_names_its_choices_and_warns_of_what_is_none(page, said, db):
    portal = rows_of.make_connection("hubspot")
    entries = rows_of.make_value_map("stages", accepted="won")
    line = {"source": "Status", "destination": "dealstage", "value_map": entries}
    rows_of.make_sync(
        ("Email", "email"), line, destination=portal, object_type="deals", name="Orders to deals"
    )
    stage = FieldSchema(
        "dealstage", "Stage", FieldType.PICKLIST, options=("won",), labels=(("won", "Closed won"),)
    )
    Description.keep(portal, "deals", {"dealstage": stage}, NOON)
    form = {
        "name": "Stages", "entries-TOTAL_FORMS": 1, "entries-INITIAL_FORMS": 1, "entries-MIN_NUM_FORMS": 0,
        "entries-MAX_NUM_FORMS": 1000, "entries-0-id": entries.entries.get().pk,
        "entries-0-value_map": entries.pk, "entries-0-source": "accepted", "entries-0-destination": "lost",
    }  # fmt: skip

    shown = page.get(factories.change_url(entries)).content.decode()
    answer = page.post(factories.change_url(entries), form)

    assert "Orders to deals: Status → dealstage" in shown
    assert "“won” is Closed won." in shown
    assert '<option value="won" label="Closed won">' in shown
    assert "offers no “lost” in “dealstage”" in said(answer)
    assert "Choices: Closed won (won)." in said(answer)


def test_a_new_line_of_a_mapping_has_no_number_yet(page, sync):
    content = page.get(factories.change_url(sync)).content.decode()

    [box] = [one for one in re.findall(r"<input[^>]*>", content) if "mappings-__prefix__-position" in one]
    assert "value=" not in box


def test_a_doubtful_pair_is_decided_on_its_page(page, said, sync):
    pair = MatchCandidate.objects.create(
        sync=sync, key="a@x.test", source_id="1", remote_id="501", why="Several."
    )

    before = page.get(factories.change_url(pair)).content.decode()
    answer = factories.press(page, pair, "different_one")
    after = page.get(factories.change_url(pair)).content.decode()

    assert "1 pair kept apart" in said(answer)
    assert "These are the same" in before
    assert "These are the same" not in after
