from __future__ import annotations

import pytest

from integration_hub.connectors.schema import FieldSchema, FieldType
from syncs.mappings import check as mapping_check
from tests.factories import (
    LEAD_SCHEMA,
    NOON,
    make_connection,
    make_iterable,
    make_slack,
    make_stream,
    make_sync,
    make_value_map,
)

pytestmark = pytest.mark.django_db

TYPES = {
    "email": FieldType.TEXT,
    "dataFields.Score": FieldType.NUMBER,
    "dataFields.Source": FieldType.TEXT,
    "dataFields.Since": FieldType.DATETIME,
    "dataFields.NoCalls": FieldType.BOOLEAN,
}
THERE = {name: FieldSchema(name, name, kind) for name, kind in TYPES.items()}
EMAIL = ("Email", "email")


def line(source, destination, transform="", **more):
    return {"source": source, "destination": destination, "transform": transform, **more}


def found(*lines, here=LEAD_SCHEMA.fields, there=THERE, **values):
    sync = make_sync(*lines, **values)
    rows = list(sync.mappings.all())
    return [(one.place, one.message, one.warning) for one in mapping_check.judged(sync, rows, here, there)]


GOOD = [
    line("LeadSource", "dataFields.Source"),
    line("AnnualRevenue", "dataFields.Score"),
    line("Name", "dataFields.Score", "number"),
    line("CreatedDate", "dataFields.Since", "datetime"),
    line("DoNotCall", "dataFields.NoCalls"),
    line("LeadSource", "dataFields.Source", "list"),
    line("Owner.Name", "dataFields.New.Deep"),
    line("", "dataFields.Score", "liquid", expression="{{ record.AnnualRevenue | times: 2 }}"),
    line("Name", "dataFields.Phone", "phone", expression="in"),
    line("Name", "userId"),
    line("Name", "dataFields.New", "integer", default="0"),
]


@pytest.mark.parametrize("good", GOOD, ids=lambda one: f"{one['transform']} {one['destination']}")
def test_a_sound_line_is_let_pass(good):
    assert found(EMAIL, good) == []


WRONG = [
    (line("Emial", "x"), "source", "There is no field “Emial”. Did you mean “Email”?"),
    (line("owner.name", "x"), "source", "Did you mean “Owner.Name”?"),
    (line("", "x"), "source", "Name the field it comes from."),
    (line("Name", "dataFields..x"), "destination", "is not a path"),
    (line("Name", "dataFields. x"), "destination", "is not a path"),
    (line("Name", "FirstName"), "destination", "Did you mean “dataFields.FirstName”?"),
    (line("Name", "email.work"), "destination", "“email” cannot be a value and hold “email.work”"),
    (line("Name", "x", expression="US"), "expression", "Only Liquid, Phone and Country read it"),
    (line("Name", "x", "country", expression="iso"), "expression", "alpha-2 (DE), alpha-3 (DEU) or name"),
    (line("Name", "x", "phone", expression="Mars"), "expression", "country of two letters"),
    (line("Name", "x", "liquid"), "expression", "Write the Liquid expression"),
    (line("Name", "x", "liquid", expression="{{ value"), "expression", "Line 1"),
    (line("Name", "x", "liquid", expression="{{ value | shout }}"), "expression", "no filter “shout”"),
    (line("Name", "x", "liquid", expression="{{ record.Nmae }}"), "expression", "Did you mean “record.Name”?"),
    (line("Name", "x", "integer", default="many"), "default", "This is not a whole number"),
    (line("Name", "x.email", default="nobody"), "default", "not a valid e-mail address"),
    (line("Name", "dataFields.Score"), "transform", "holds a number there for good, and this line gives a text"),
    (line("AnnualRevenue", "dataFields.Source"), "transform", "this line gives a number"),
    (line("Name", "dataFields.NoCalls", "date"), "transform", "holds true or false there"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "field", "words"), WRONG, ids=lambda one: str(one)[:40])
def test_a_line_that_cannot_work_is_said_at_its_field(wrong, field, words):
    there = THERE if wrong["destination"] != "x" and wrong["destination"] != "x.email" else None

    [(place, message, warning)] = found(EMAIL, wrong, there=there)

    assert place == ("mappings", 1, field)
    assert words in message
    assert not warning


def test_what_a_value_map_gives_is_a_text():
    wrong = line("AnnualRevenue", "dataFields.Score", value_map=make_value_map(hot="1"))

    [(_, message, _)] = found(EMAIL, wrong)

    assert "this line gives a text" in message


@pytest.mark.parametrize(
    ("lines", "values", "place", "words"),
    [
        ([("Name", "dataFields.x")], {}, "match_path", "No line writes to “email”"),
        ([line("Email", "email", write_mode="on_create")], {}, ("mappings", 0, "write_mode"), "always be written"),
        ([EMAIL], {"when_deleted": "mark"}, "deleted_path", "Name the path"),
        ([EMAIL], {"when_deleted": "mark", "deleted_path": "a..b"}, "deleted_path", "is not a path"),
        ([EMAIL], {"when_deleted": "mark", "deleted_path": "email.x"}, "deleted_path", "path of its own"),
    ],
)  # fmt: skip
def test_a_sync_that_cannot_work_is_said_at_its_field(lines, values, place, words):
    [(said_at, message, warning)] = found(*lines, **values)

    assert (said_at, warning) == (place, False)
    assert words in message


@pytest.mark.parametrize("paths", [("dataFields.a", "dataFields.a.b"), ("dataFields.a.b", "dataFields.a")])
def test_a_value_and_an_object_at_one_path_clash_in_either_order(paths):
    [(place, message, _)] = found(EMAIL, ("Name", paths[0]), ("Rating", paths[1]))

    assert place == ("mappings", 2, "destination")
    assert "“dataFields.a” cannot be a value and hold “dataFields.a.b”" in message


def test_two_lines_with_one_path_clash_and_so_do_a_value_and_an_object():
    sync = make_sync(EMAIL, ("Name", "dataFields.a"), ("Rating", "dataFields.a.b"))
    rows = [*sync.mappings.all(), *sync.mappings.filter(destination="dataFields.a")]

    said = list(mapping_check.judged(sync, rows, None, None))

    assert [one.place for one in said] == [("mappings", 2, "destination"), ("mappings", 3, "destination")]
    assert "“dataFields.a” cannot be a value and hold “dataFields.a.b”" in said[0].message
    assert "another line already" in said[1].message


@pytest.mark.parametrize(
    ("doubtful", "words"),
    [
        (line("CreatedDate", "dataFields.New"), "Choose “Date and time (UTC)”"),
        (line("LeadSource", "dataFields.source"), "There is “dataFields.Source” already"),
    ],
)
def test_a_doubtful_line_is_only_warned_of(doubtful, words):
    [(_, message, warning)] = found(EMAIL, doubtful)

    assert words in message
    assert warning


def test_a_connection_that_sends_messages_takes_no_records():
    [(place, message, _)] = found(EMAIL, destination=make_slack())

    assert place == "destination"
    assert "takes no records" in message


def test_a_destination_that_does_not_answer_is_a_warning_and_the_rest_is_judged():
    sync = make_sync(EMAIL, ("Emial", "dataFields.x"), destination=make_iterable())

    said = mapping_check.problems(sync, list(sync.mappings.all()), NOON)

    assert [(one.place, one.warning) for one in said] == [
        ("destination", True),
        (("mappings", 1, "source"), False),
    ]


def test_a_source_that_does_not_answer_is_a_warning(simulator):
    stream = make_stream(described_at=None)
    sync = make_sync(EMAIL, ("Whatever", "dataFields.x"), stream=stream, destination=make_iterable(simulator))

    said = mapping_check.problems(sync, list(sync.mappings.all()), NOON)

    assert [(one.place, one.warning) for one in said] == [("stream", True)]


@pytest.mark.parametrize(
    ("project_type", "match_path", "lines", "words"),
    [
        ("email", "userId", [("Id", "userId")], "“email” as the match key"),
        ("userid", "email", [EMAIL], "“userId” as the match key"),
    ],
)
def test_a_match_key_that_identifies_nobody_in_this_project_is_refused(
    project_type, match_path, lines, words
):
    project = make_iterable(settings={"project_type": project_type})

    [(place, message, warning)] = found(*lines, destination=project, match_path=match_path, there=None)

    assert (place, warning) == ("match_path", False)
    assert words in message


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (line("Name", "userId", when_empty="clear"), "cannot be cleared"),
        (line("Name", "dataFields.x", when_empty="clear", write_mode="on_create"), "Always"),
        (line("Name", "dataFields.x", when_empty="clear", required=True), "never empty"),
    ],
)
def test_a_line_that_cannot_clear_says_so(one, words):
    [(place, message, _)] = found(EMAIL, one)

    assert place == ("mappings", 1, "when_empty")
    assert words in message


def test_an_event_must_have_a_name_and_writes_once():
    lines = [EMAIL, line("Name", "dataFields.Name", write_mode="if_empty")]

    said = found(*lines, there=None, object_type="event", when_deleted="remove")

    assert [place for place, _, _ in said] == ["match_path", "when_deleted", ("mappings", 1, "write_mode")]


PLAIN = {
    "Email": FieldSchema("Email", "Email", FieldType.TEXT),
    "Account.Number__c": FieldSchema("Account.Number__c", "Account", FieldType.TEXT),
}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("Email", []),
        ("Account.Number__c", []),
        ("Emial", ["The destination tells of no field “Emial”. Did you mean “Email”?"]),
    ],
)
def test_fields_that_stand_side_by_side_are_known_by_their_names(path, said):
    findings = found(("Email", path), there=PLAIN)

    own = [one for one in findings if one[0] == ("mappings", 0, "destination")]
    assert [message for _, message, _ in own] == said
    assert all(warning for _, _, warning in own)


STAGE = FieldSchema(
    "dealstage", "Deal stage", FieldType.PICKLIST, options=("won", "signed"), required=True,
    labels=(("won", "Closed won"), ("signed", "Signed")), within=(("default", "won"), ("renewals", "signed")),
)  # fmt: skip
DEALS = {
    "email": FieldSchema("email", "Email", FieldType.TEXT, unique=True),
    "dealname": FieldSchema("dealname", "Deal name", FieldType.TEXT, required=True),
    "dealstage": STAGE,
    "pipeline": FieldSchema(
        "pipeline", "Pipeline", FieldType.PICKLIST, options=("default", "renewals"),
        labels=(("renewals", "Renewals"),),
    ),
    "id": FieldSchema("id", "Id", FieldType.TEXT, required=True, read_only=True),
}  # fmt: skip


def to_deals(*lines, **values):
    values.setdefault("destination", make_connection("hubspot"))
    return found(EMAIL, *lines, there=DEALS, object_type="deals", **values)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([], "“Deal name” (dealname), “Deal stage” (dealstage)"),
        ([line("Name", "dealname")], "“Deal stage” (dealstage)"),
    ],
)
def test_what_is_needed_to_create_a_record_there_is_named_when_no_line_writes_it(lines, names):
    [(place, message, warning)] = to_deals(*lines)

    assert (place, warning) == ("object_type", True)
    assert f"creates no record without {names}." in message


def test_nothing_is_needed_where_no_record_is_created():
    assert to_deals(policy="update") == []


def test_a_required_parent_may_be_named_by_its_own_key():
    parent = FieldSchema("Ship_To__c", "Ship to", FieldType.REFERENCE, required=True)
    email = FieldSchema("email", "Email", FieldType.TEXT)
    there = {"email": email, "Ship_To__c": parent, "Ship_To__r.Number__c": email}
    lines = [EMAIL, line("Name", "Ship_To__r.Number__c")]

    said = [message for _, message, _ in found(*lines, there=there)]

    assert not any("creates no record" in message for message in said)


def pair_of(pipeline, stages):
    """Lines of a fixed pipeline, or of one by a value map, with stages by another map of the same field."""
    maps = {"dealstage": make_value_map("stages", **stages)}
    lines = [line("Name", "dealname")]
    if isinstance(pipeline, str):
        lines.append(line("", "pipeline", "liquid", expression=pipeline))
    else:
        maps["pipeline"] = make_value_map("pipelines", **pipeline)
    lines += [
        line("Status", path, value_map=entries, unknown_value="refuse") for path, entries in maps.items()
    ]
    return [(place, message) for place, message, _ in to_deals(*lines)]


@pytest.mark.parametrize(
    ("pipeline", "stages", "wrong"),
    [
        ("renewals", {"New": "signed"}, ""),
        (
            "renewals",
            {"New": "signed", "Old": "won"},
            "Closed won (won) is no stage of the pipeline Renewals",
        ),
        ({"New": "default", "Old": "renewals"}, {"New": "won", "Old": "signed"}, ""),
        ({"New": "default", "Old": "renewals"}, {"New": "signed", "Old": "signed"}, "pipeline default"),
        ("{{ record.Status }}", {"New": "won"}, ""),
    ],
)
def test_a_stage_of_another_pipeline_is_refused_at_its_line(pipeline, stages, wrong):
    said = pair_of(pipeline, stages)

    assert [bool(wrong and wrong in message) for _, message in said] == ([True] if wrong else [])
    assert [place[2] for place, _ in said] == (["value_map"] if wrong else [])


def test_choices_are_named_as_people_know_them():
    stage = line("Status", "dealstage", default="lost")

    [said] = [message for place, message, _ in to_deals(stage, line("Name", "dealname"))]

    assert said == "“lost” is no choice there. Choices: Closed won (won), Signed (signed)."
