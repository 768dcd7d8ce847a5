"""What could not be written because of its data: found on one page, corrected there, and written."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import reverse

from integration_hub.console.quality import address
from routing import timeline
from syncs import quality
from syncs.engine.mapping import IGNORED
from syncs.models import Correction, RecordLink
from tests.admin.factories import change_url, press
from tests.factories import make_iterable, make_stream, make_sync, make_value_map
from tests.stories.world import Company


class Audience(Company):
    def __init__(self, simulator):
        super().__init__(simulator)
        self.iterable = simulator.iterable
        self.project = make_iterable(simulator, key="iterable")
        stream = make_stream(
            self.crm, key="contacts", object_type="Contact", described_at=None, started_at=None
        )
        self.map = make_value_map("titles", Boss="CEO")
        lines = [
            ("Email", "email"),
            {
                "source": "Title",
                "destination": "dataFields.Title",
                "value_map": self.map,
                "unknown_value": "refuse",
            },
        ]
        self.sync = make_sync(*lines, key="contacts", stream=stream, destination=self.project)
        self.tick()

    def contact(self, email, title="Boss"):
        return self.salesforce.add("Contact", LastName="Lee", Email=email, Title=title)


@pytest.fixture
def world(simulator, db):
    return Audience(simulator)


@pytest.fixture
def page(client, world, monkeypatch):
    client.force_login(User.objects.create_superuser("boss", "boss@acme.test", "secret"))
    monkeypatch.setattr("syncs.queues.wake", lambda *args, **kwargs: None)
    return client


def only():
    [group] = quality.groups()
    return group


def link():
    return RecordLink.objects.get(problem__isnull=False)


def correct(page, group, **data):
    place = address(group).partition("?")[2]
    return page.post(f"{reverse('console:quality_correct', args=[link().pk])}?{place}", data)


def replay(page, world, group):
    place = address(group).partition("?")[2]
    page.post(f"{reverse('console:quality_replay')}?{place}")
    world.pass_time(60)


def test_refused_records_are_grouped_by_line_and_reason_with_counts_and_examples(world):
    for number in range(3):
        world.contact(f"ann{number}(at)acme.test")
    world.contact("fine@acme.test")
    world.contact("cook@acme.test", title="Cook")
    world.pass_time(60)

    found = [(group.problem, group.field, group.count, len(group.examples)) for group in quality.groups()]

    assert found == [
        ("invalid_email", "Email → email", 3, 2),
        ("unknown_value", "Title → dataFields.Title", 1, 1),
    ]


def test_a_corrected_value_is_written_until_the_source_says_something_else(world, page):
    ann = world.contact("ann(at)acme.test")
    world.pass_time(60)
    group = only()

    correct(page, group, source="Email", value="ann@acme.test", do="replace")
    assert quality.try_out(group, world.now).would_pass == 1
    replay(page, world, group)

    assert "ann@acme.test" in world.iterable.users
    assert quality.groups() == []
    assert "Email of record" in LogEntry.objects.earliest("pk").change_message

    world.salesforce.update(ann, Email="ann.lee@acme.test")
    world.pass_time(60)

    assert "ann.lee@acme.test" in world.iterable.users


def test_an_entry_added_to_the_value_map_lets_the_group_pass(world, page):
    world.contact("cook@acme.test", title="Cook")
    world.pass_time(60)
    group = only()
    place = address(group).partition("?")[2]

    shown = page.get(address(group)).content.decode()
    page.post(f"{reverse('console:quality_entry')}?{place}", {"from": "Cook", "to": "Chef"})
    replay(page, world, group)

    assert 'value="Cook"' in shown
    assert world.iterable.users["cook@acme.test"]["dataFields"]["Title"] == "Chef"


def test_an_ignored_record_leaves_the_list_until_its_value_changes(world, page):
    ann = world.contact("ann(at)acme.test")
    world.pass_time(60)

    correct(page, only(), source="Email", note="a test", do="ignore")
    assert quality.groups() == []
    world.salesforce.update(ann, LastName="Leigh")
    world.pass_time(60)
    assert link().problem == IGNORED

    world.salesforce.update(ann, Email="ann(at)acme.example")
    world.pass_time(60)

    assert only().problem == "invalid_email"


def test_a_correction_is_told_in_the_timeline_and_on_the_record_page(world, page):
    ann = world.contact("ann(at)acme.test")
    world.pass_time(60)
    correct(page, only(), source="Email", value="ann@acme.test", do="replace")

    [told] = [one for one in timeline.events(ann) if "corrected" in one.title]
    record = page.get(change_url(link())).content.decode()

    assert told.title == f"{world.sync.name}: Email corrected by boss"
    assert told.text == "“ann@acme.test” is taken in its place. It holds until the source changes."
    assert "becomes “ann@acme.test” by boss" in record

    world.salesforce.update(ann, Email="lee@acme.test")
    world.pass_time(60)

    [told] = [one for one in timeline.events(ann) if "corrected" in one.title]
    assert told.text.endswith("Over: the source changed since.")


def test_a_record_that_was_left_out_is_taken_in_again(world, page):
    ann = world.contact("ann@acme.test", title="Cook")
    world.pass_time(60)
    correct(page, only(), source="Title", note="not ours", do="ignore")
    [told] = [one for one in timeline.events(ann) if "left out" in one.title]
    listed = page.get(reverse("admin:syncs_correction_changelist")).content.decode()
    world.map.entries.create(source="Cook", destination="Chef")

    press(page, Correction.objects.get(), "take_back")
    world.pass_time(60)

    assert told.text == "By choice. Note: not ours. It holds until the source changes."
    assert "not ours" in listed
    assert world.iterable.users["ann@acme.test"]["dataFields"]["Title"] == "Chef"
    assert not Correction.objects.exists()


def test_the_pages_show_groups_values_and_a_trial(world, page):
    world.contact("ann(at)acme.test")
    world.pass_time(60)

    overview = page.get(reverse("console:quality")).content.decode()
    group = page.get(f"{address(only())}&try=1&values=1").content.decode()

    assert "1 record not written" in overview
    assert "Email → email" in overview
    assert "Email: ann(at)acme.test" in group
    assert "Of the newest 1, 0 would be written now" in group


def test_who_may_only_look_changes_nothing(world, client):
    world.contact("ann(at)acme.test")
    world.pass_time(60)
    client.force_login(User.objects.create_user("guest", password="secret", is_staff=True))
    place = address(only()).partition("?")[2]

    assert client.get(reverse("console:quality")).status_code == 403
    assert client.post(f"{reverse('console:quality_replay')}?{place}").status_code == 403
    assert correct(client, only(), source="Email", value="x", do="replace").status_code == 403
    assert not Correction.objects.exists()
