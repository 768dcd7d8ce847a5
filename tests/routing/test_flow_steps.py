"""What steps of flows send, remember and choose: tables, without a database."""

from __future__ import annotations

import json
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.records import Operation
from routing.conditions import CriterionError
from routing.flows import steps as flow_steps
from routing.flows.shapes import BookedField, BookedStep, BookedTransition, Refusal
from syncs.engine.mapping import Line
from tests.factories import NOON

EVENT = {
    "event": "register",
    "email": "Ann@Acme.test",
    "amount": 12.5,
    "vip": True,
    "tags": ["a", "b"],
    "company": {"name": "Acme", "domain": "Acme.test"},
    "note": 'says "hi"\r\nX-Evil: 1',
}
SCOPE = {"event": EVENT, "session": {"contact_id": "7", "company_id": 9}, "answer": {"id": "12"}}


def line(source, destination, **values):
    return BookedField.of(Line(source, destination, root="", **values))


def make_step(kind="write", **values):
    values.setdefault("operation", "create" if kind == "write" else "")
    values.setdefault("object_type", "companies" if kind == "write" else "")
    return BookedStep(1, "step", "Step", kind, connection_id=5, **values)


COMPANY = (line("event.company.name", "name"), line("event.company.domain", "domain", transform="lower"))


def test_a_write_carries_values_match_key_and_lane():
    request = flow_steps.prepare(make_step(sent=COMPANY, match_field="domain"), SCOPE)

    assert request.payload == {
        "values": {"name": "Acme", "domain": "acme.test"},
        "match": ["domain", "acme.test"],
        "remote_id": "",
    }
    assert (request.operation, request.connection_id, request.lane) == (
        Operation.CREATE,
        5,
        "companies:acme.test",
    )


@pytest.mark.parametrize(
    ("operation", "values", "on_create", "if_empty"),
    [
        ("create", {"domain": "acme.test", "name": "Acme", "stage": "new"}, {}, {}),
        ("upsert", {"domain": "acme.test"}, {"stage": "new"}, {"name": "Acme"}),
        ("update", {"domain": "acme.test"}, {}, {"name": "Acme"}),
    ],
)
def test_write_modes_by_operation(operation, values, on_create, if_empty):
    sent = (
        line("event.company.name", "name", write_mode="if_empty"),
        line("event.company.domain", "domain", transform="lower"),
        line("", "stage", default="new", write_mode="on_create"),
    )

    request = flow_steps.prepare(make_step(operation=operation, sent=sent, match_field="domain"), SCOPE)

    assert (request.values, request.on_create, request.if_empty) == (values, on_create, if_empty)


def test_liquid_knows_event_session_and_answer_and_nothing_else():
    texts = (
        "{{ event.company.name }} {{ session.contact_id }}",
        "{{ record.name }}{{ settings.SECRET_KEY }}",
    )
    sent = tuple(line("", f"field{n}", transform="liquid", expression=text) for n, text in enumerate(texts))

    request = flow_steps.prepare(make_step(sent=sent), SCOPE)

    assert request.values == {"field0": "Acme 7"}


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"sent": (line("event.gone", "domain"),), "match_field": "domain"}, "no_match_value"),
        ({"sent": COMPANY, "operation": "update"}, "no_record"),
        ({"sent": COMPANY, "operation": "upsert", "remote_id": "session.gone"}, "no_record"),
        ({"sent": (line("event.gone", "name", required=True),)}, "required"),
        ({"sent": (line("event.company", "name"),)}, "does_not_fit"),
        (
            {
                "operation": "update",
                "remote_id": "session.company_id",
                "sent": (line("event.email", "name", write_mode="if_empty"),),
            },
            "no_match_value",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_without_its_values(values, code):
    refusal = flow_steps.prepare(make_step(**values), SCOPE)

    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert "Acme" not in refusal.reason + refusal.remedy


def test_a_known_id_needs_no_match_key():
    step = make_step(operation="update", sent=COMPANY, remote_id="session.company_id")

    request = flow_steps.prepare(step, SCOPE)

    assert (request.remote_id, request.match, request.lane) == ("9", None, "companies:9")


def test_a_tie_names_both_records():
    step = make_step(
        "tie",
        from_type="contacts",
        from_id="session.contact_id",
        to_type="companies",
        to_id="session.company_id",
    )

    request = flow_steps.prepare(step, SCOPE)

    assert request.payload["values"] == {
        "from_type": "contacts",
        "from_id": "7",
        "to_type": "companies",
        "to_id": "9",
    }
    assert request.lane == "tie:contacts:7:companies:9"
    assert (
        flow_steps.prepare(step, {**SCOPE, "session": {"company_id": 9}}).reason
        == "session.contact_id is empty: it is not known which records to tie."
    )


def call(**values):
    values.setdefault("method", "POST")
    values.setdefault("path", "/customers")
    return flow_steps.prepare(make_step("call", **values), SCOPE)


@pytest.mark.parametrize(
    ("path", "rendered"),
    [
        ("customers/{{ event.email }}", "/customers/Ann%40Acme.test"),
        ("/customers/{{ event.email | url_encode }}?a={{ event.vip }}", "/customers/Ann%40Acme.test?a=true"),
        ("/customers/{% echo event.note %}", "/customers/says%20%22hi%22%0D%0AX-Evil%3A%201"),
    ],
)
def test_values_in_a_path_are_encoded(path, rendered):
    assert call(path=path).path == rendered


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.test/",
        "//evil.test/",
        "/a/../admin",
        "/a/%2e%2e/b",
        "/a b",
        "/a\\b",
        "/a#b",
        "/{{ event.gone }}/b",
    ],
)
def test_a_path_does_not_leave_its_address(path):
    assert call(path=path).code == "bad_path"


@given(value=st.text())
def test_no_value_leads_a_path_elsewhere(value):
    scope = {"event": {"id": value}, "session": {}}
    request = flow_steps.prepare(
        make_step("call", method="GET", path="/orders/{{ event.id }}/lines?of={{ event.id }}"), scope
    )

    if isinstance(request, Refusal):
        assert value in ("", ".", "..") or not unquote(value)
        return
    url = urlsplit(f"https://api.test{request.path}")
    assert (url.netloc, url.path.count("/"), url.fragment) == ("api.test", 3, "")
    assert url.query.count("&") == 0


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ("X-Note: {{ event.note }}", "bad_headers"),
        ("Authorization: Bearer abc", "bad_headers"),
        ("Host: evil.test", "bad_headers"),
        ("no header", "bad_headers"),
        ("X Y: 1", "bad_headers"),
    ],
)
def test_headers_that_are_refused(headers, code):
    assert call(headers=headers).code == code


def test_headers_are_rendered():
    request = call(headers="X-Customer: {{ session.contact_id }}\n\nX-Kind: a\n")

    assert request.headers == {"X-Customer": "7", "X-Kind": "a"}


@pytest.mark.parametrize(
    ("body", "parsed"),
    [
        ("", None),
        ('{"name": "{{ event.note }}"}', {"name": 'says "hi"\nX-Evil: 1'}),
        (
            '{"n": {{ event.amount | json }}, "t": {{ event.tags | json }}, "x": {{ event.gone | json }}}',
            {"n": 12.5, "t": ["a", "b"], "x": None},
        ),
        ("{{ event.company | json }}", EVENT["company"]),
        (
            '[{% for tag in event.tags %}"{{ tag }}"{% unless forloop.last %},{% endunless %}{% endfor %}]',
            ["a", "b"],
        ),
    ],
)
def test_bodies(body, parsed):
    assert call(body=body).body == parsed


@pytest.mark.parametrize(
    "body", ['{"n": {{ event.note }}}', "{", "{{ event.gone }}", '{"n": {{ event.x | default: "NaN" }}}']
)
def test_a_body_that_is_no_json_is_refused(body):
    assert call(body=body).code == "bad_body"


def test_a_text_that_cannot_be_read_is_refused():
    assert call(body="{% if %}").code == "liquid"


@given(value=st.text(alphabet=st.characters(exclude_characters="\r", codec="utf-8")))
def test_no_value_adds_to_a_body(value):
    request = flow_steps.prepare(
        make_step("call", method="POST", path="/", body='{"a": "{{ event.v }}", "b": {"c": "x"}}'),
        {"event": {"v": value}, "session": {}},
    )

    assert request.body == {"a": value, "b": {"c": "x"}}
    assert json.loads(json.dumps(request.payload)) == request.payload


def test_the_session_keeps_what_has_no_new_value():
    step = make_step(
        "remember",
        remembered=(
            line("answer.id", "company_id"),
            line("event.company.name", "about.name"),
            line("event.gone", "contact_id"),
        ),
    )

    session = flow_steps.remember(step, SCOPE)

    assert session == {"contact_id": "7", "company_id": "12", "about": {"name": "Acme"}}
    assert SCOPE["session"] == {"contact_id": "7", "company_id": 9}


def test_a_required_value_that_is_missing_is_a_refusal():
    step = make_step("remember", remembered=(line("answer.gone", "company_id", required=True),))

    assert flow_steps.remember(step, SCOPE).code == "required"


@pytest.mark.parametrize(
    ("wanted", "outcome", "status", "fits"),
    [
        ("any", "created", 201, True),
        ("any", "rejected", 400, False),
        ("created", "created", 201, True),
        ("created", "existing", 200, False),
        ("existing", "existing", None, True),
        ("409", "existing", None, True),
        ("409", "existing", 200, True),
        ("409", "rejected", 409, True),
        ("4xx", "rejected", 422, True),
        ("4xx", "existing", None, False),
        ("2xx", "sent", 204, True),
        ("201", "sent", 200, False),
        ("rejected", "rejected", 404, True),
    ],
)
def test_which_transitions_fit(wanted, outcome, status, fits):
    step = make_step(transitions=(BookedTransition(wanted, "next"),))

    chosen = flow_steps.choose(step, outcome, status, SCOPE, NOON)

    assert (chosen is not None) is fits


@pytest.mark.parametrize(
    ("field", "operator", "value", "holds"),
    [
        ("event.amount", "greater", "12", True),
        ("event.amount", "equals", "12.5", True),
        ("event.vip", "is_true", "", True),
        ("event.vip", "equals", "true", True),
        ("event.gone", "is_empty", "", True),
        ("event.gone", "is_true", "", False),
        ("event.tags", "is_not_empty", "", True),
        ("event.tags", "contains", "b", True),
        ("event.company", "is_not_empty", "", True),
        ("event.email", "contains", "@acme", True),
        ("event.company.name", "one_of", "Acme, Other", True),
        ("answer.id", "greater", "3", True),
        ("session.contact_id", "equals", "8", False),
        ("event.gone", "greater", "2026-01-01", False),
    ],
)
def test_conditions(field, operator, value, holds):
    step = make_step(transitions=(BookedTransition("any", "next", field, operator, value),))

    assert (flow_steps.choose(step, "sent", 200, SCOPE, NOON) is not None) is holds


def test_a_condition_that_cannot_be_told_is_not_a_no():
    step = make_step(transitions=(BookedTransition("any", "next", "event.email", "greater", "3"),))

    with pytest.raises(CriterionError):
        flow_steps.choose(step, "sent", 200, SCOPE, NOON)


def test_the_first_that_fits_is_taken():
    step = make_step(
        transitions=(
            BookedTransition("any", "rich", "event.amount", "greater", "1000"),
            BookedTransition("sent", "poor"),
            BookedTransition("any", "never"),
        )
    )

    assert flow_steps.choose(step, "sent", 200, SCOPE, NOON).target == "poor"
