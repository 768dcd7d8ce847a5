"""The conflict inbox and the record pairs in the admin."""

import pytest
from django.urls import reverse
from django.utils import timezone

from routing import timeline
from syncs.mappings import check as mapping_check
from syncs.models import Change, Conflict, RecordPair
from tests import factories as rows_of
from tests.admin.factories import change_url, press
from tests.factories import NOON


@pytest.fixture
def pair(db):
    """Ann, whose phone was changed on both sides."""
    orders, portal = rows_of.make_connection("http_json"), rows_of.make_connection("hubspot")
    customers = rows_of.make_stream(orders, object_type="customers")
    contacts = rows_of.make_stream(portal, object_type="contacts")
    forward = rows_of.make_sync(
        ("phone", "phone"), stream=customers, destination=portal, object_type="contacts"
    )
    rows_of.make_sync(
        ("phone", "phone"), stream=contacts, destination=orders, object_type="customers", counterpart=forward
    )
    for stream, record_id, phone in ((customers, "c1", "1"), (contacts, "512", "2")):
        rows_of.make_change(stream, record_id=record_id, values={"phone": phone}, state="routed")
    agreed = {"phone|phone": {"left": "0", "right": "0"}}
    return RecordPair.objects.create(
        sync=forward, left_id="c1", right_id="512", title="Ann", agreed=agreed, created_at=NOON
    )


@pytest.fixture
def asked(pair):
    return Conflict.objects.create(
        sync=pair.sync, pair=pair, left_id="c1", right_id="512", title="Ann", field="phone|phone", label="phone",
        left_value="1", right_value="2", agreed_value="0", left_by="staff", opened_at=NOON,
    )  # fmt: skip


def test_the_inbox_shows_both_values_and_who_gave_them(page, asked):
    listed = page.get(reverse("admin:syncs_conflict_changelist")).content.decode()
    content = page.get(change_url(asked)).content.decode()

    for words in ("Ann", "staff", "phone"):
        assert words in listed
        assert words in content
    assert "not told" in content


@pytest.mark.parametrize(("name", "stream"), [("source_wins", "c1"), ("destination_wins", "512")])
def test_a_choice_lets_the_right_side_be_decided_again_and_is_kept_with_who_made_it(
    page, asked, said, name, stream
):
    answer = press(page, asked, name)
    again = press(page, asked, name)

    asked.refresh_from_db()
    settled = [one for one in timeline.events("c1") if "settled" in one.title]
    assert [one.text.partition(", ")[2] for one in settled] == ["chosen by boss."]
    assert "1 conflict settled" in said(answer)
    assert "That cannot be done now" in said(again)
    assert (asked.state, bool(asked.resolved_by)) == ("resolved", True)
    assert Change.objects.get(state="waiting").record_id == stream


def test_no_choice_is_made_ready_and_each_stands_beneath_its_value(page, asked):
    content = page.get(change_url(asked)).content.decode()

    source, destination = content.index("Source wins"), content.index("Destination wins")
    assert content.index("At the source") < source < content.index("At the destination") < destination
    assert "hub-button-primary" not in content


def test_several_are_settled_at_once(page, asked):
    address = reverse("admin:syncs_conflict_changelist")

    page.post(address, {"action": "destination_wins_chosen", "_selected_action": [asked.pk]})

    asked.refresh_from_db()
    assert asked.choice == "destination"


def test_a_typed_value_is_asked_for_before_it_is_written(page, asked):
    address = reverse("admin:syncs_conflict_do", args=[asked.pk, "own_value"])

    empty = page.post(address, {"value": " "})
    asked.refresh_from_db()

    assert "Use this value" in page.get(address).content.decode()
    assert empty.status_code == 200
    assert asked.state == "open"


def test_a_parked_record_is_released_from_its_page(page, pair, said):
    RecordPair.objects.filter(pk=pair.pk).update(parked_at=NOON, recent=[NOON.isoformat()])
    listed = page.get(reverse("admin:syncs_recordpair_changelist"), {"parked": "yes"}).content.decode()

    answer = press(page, pair, "release")

    pair.refresh_from_db()
    assert "Ann" in listed
    assert "1 record released" in said(answer)
    assert (pair.parked_at, pair.recent) == (None, [])
    assert "phone" in page.get(change_url(pair)).content.decode()


def test_a_way_back_that_does_not_lead_back_is_refused(db):

    forward = rows_of.make_sync(("Email", "email"))
    back = rows_of.make_sync(("Email", "email"), counterpart=forward)

    found = [one.message for one in mapping_check.problems(back, list(back.mappings.all()), timezone.now())]

    assert any("Both must be one connection" in one for one in found)
    assert any("No field goes both ways" in one for one in found)


@pytest.mark.parametrize("term", ["c1", "512", "ann l", "Nobody"])
def test_pairs_and_conflicts_are_found_by_either_id_and_by_the_beginning_of_the_name(page, asked, term):
    Change.objects.filter(record_id="c1").update(title="Ann Lee", title_key="ann lee")

    found = [
        list(page.get(reverse(f"admin:syncs_{name}_changelist"), {"q": term}).context["cl"].result_list)
        for name in ("recordpair", "conflict")
    ]

    assert found == ([[], []] if term == "Nobody" else [[asked.pair], [asked]])
