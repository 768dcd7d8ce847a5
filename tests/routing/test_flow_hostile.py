"""What a hostile author, product or vendor, or a careless edit, can do to a flow: nothing to anybody else."""

from __future__ import annotations

import json

import pytest
from django.db.models import ProtectedError
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.liquid import TemplateError
from routing.flows import calls as flow_calls
from routing.flows import verbs as flow_verbs
from routing.flows.shapes import Refusal
from routing.models import FlowRun
from syncs import holds
from syncs.engine import mapping
from syncs.engine.mapping import LIQUID, Line
from syncs.models import Connection, Delivery
from tests.routing.crm import link as linked
from tests.routing.crm import make_flow, make_onboarding, make_step
from tests.routing.test_flows import Hub, history, hub, stages, world  # noqa: F401 - the last but two are fixtures

SCOPE = {"event": {"email": "a@x.test"}, "session": {"id": "7"}, "answer": {"id": "8"}}
REACHING = (
    "{{ event.__class__ }}",
    "{{ event['__class__']['__mro__'] }}",
    "{{ event.__init__.__globals__ }}",
    "{{ event.email.__class__.__mro__[1].__subclasses__ }}",
    "{{ session.__dict__ }}{{ session.pop }}{{ session.keys }}",
    "{{ event.items }}{{ event.get }}{{ event.email.format }}",
    "{{ settings.SECRET_KEY }}{{ environ.PATH }}{{ env.SECRET_KEY }}{{ os.environ }}",
    "{{ run.session }}{{ runs }}{{ flow }}{{ self }}{{ globals }}{{ request }}",
    "{% assign x = event %}{{ x.__class__ }}",
    "{% for pair in event %}{{ pair.__class__ }}{{ pair[0].__class__ }}{% endfor %}",
    "{% capture x %}{{ event.__doc__ }}{% endcapture %}{{ x }}",
    "{{ event | map: '__class__' }}",
    "{{ event.email | where: '__class__' }}",
)
FORBIDDEN = (
    "{% include '/etc/passwd' %}",
    "{% render '../settings.py' %}",
    "{% import os %}",
    "{{ event | attr: '__class__' }}",
    "{{ event | eval }}",
)


def rendered(text):
    """Return what comes of a text in each place where a flow renders one."""
    line = Line("event.email", "x", "liquid", expression=text, root="")
    found = [
        LIQUID.rendered(text, SCOPE),
        str(LIQUID.value(text, SCOPE) or ""),
        str(mapping.reader(line)(SCOPE) or ""),
    ]
    sent = flow_calls.path_of(f"/{text}", SCOPE), flow_calls.body_of(json.dumps({"x": text}), SCOPE)
    return [*found, *(str(one.reason if isinstance(one, Refusal) else one) for one in sent)]


@pytest.mark.parametrize("text", REACHING)
def test_a_template_reaches_neither_python_nor_settings_nor_other_runs(text):
    try:
        found = " ".join(rendered(text))
    except (TemplateError, mapping.Refusal) as error:
        found = str(error)

    assert not any(
        one in found for one in ("<class", "<built-in", "object at", "dict(", "SECRET", "/usr", "/bin")
    )


@pytest.mark.parametrize("text", FORBIDDEN)
def test_what_would_read_files_or_run_code_cannot_be_written(text):
    with pytest.raises(TemplateError):
        rendered(text)


@given(st.lists(st.sampled_from(sorted({*dir({}), *dir(""), "event", "email", "0"})), min_size=1, max_size=4))
def test_a_path_finds_values_of_the_event_only(names):
    found = mapping.at(SCOPE, ["event", *names])

    assert found in (None, "a@x.test")


@given(st.text(max_size=40))
def test_no_value_breaks_a_header_or_leaves_the_address(value):
    scope = {"event": {"v": value}, "session": {}}

    headers, path = (
        flow_calls.headers_of("X-Name: a{{ event.v }}b", scope),
        flow_calls.path_of("/a/x{{ event.v }}", scope),
    )

    assert isinstance(headers, Refusal) or not set("\r\n\0") & set(headers["X-Name"])
    assert isinstance(path, Refusal) or (path.startswith("/a/x") and path.isascii() and path.isprintable())
    assert isinstance(path, Refusal) or not {" ", "?", "#", "\\"} & set(path)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\0b", "ab"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("\\u0000 as six letters", "\\u0000 as six letters"),
        ("\U0001f600", "\U0001f600"),
        (float("nan"), None),
        ([{"\0": [float("inf")]}], [{"": [None]}]),
    ],
    ids=["NUL", "surrogate", "an escape", "emoji", "NaN", "deep"],
)
def test_an_answer_that_no_database_stores_as_it_is_stops_nothing(hub, world, said, kept):  # noqa: F811
    flow = make_flow(subject_path="customer.id")
    call = make_step(
        flow, "call", kind="call", connection=hub.connection, method="POST", path="/x", to=[("sent", "end")]
    )
    linked(call, make_step(flow, "end", kind="end"))
    world.answer = {"said": said}
    hub.post()

    hub.go()

    assert stages() == ["done"]
    assert FlowRun.objects.get().history.first().answer == {"said": kept}


@pytest.mark.django_db
def test_a_step_that_is_deleted_under_a_run_parks_it_with_its_answer(hub, world):  # noqa: F811
    flow = make_onboarding(hub.connection)
    hub.post()
    hub.go(rounds=1)
    world.down = True
    hub.go(rounds=1)
    flow.steps.get(key="contact").delete()
    world.down = False
    hub.wait(60)
    hub.go()

    run = FlowRun.objects.get()
    assert (run.stage, run.code) == ("parked", "no_step")
    assert Delivery.objects.filter(state="delivered").count() == 2, "what was under way arrived"
    flow_verbs.skip(run, flow.steps.get(key="end"), None, hub.now)
    hub.go()
    assert stages() == ["done"]


@pytest.mark.django_db
def test_a_step_that_is_renamed_under_a_run_changes_nothing_for_it(hub, world):  # noqa: F811
    flow = make_onboarding(hub.connection)
    hub.post()
    hub.go(rounds=1)
    flow.steps.filter(key="contact").update(key="person", name="Person")

    hub.go()

    assert stages() == ["done"]
    assert [key for key, _, _ in history(FlowRun.objects.get())] == ["company", "person", "tie", "end"]


@pytest.mark.django_db
def test_a_held_connection_parks_no_run_and_cannot_be_deleted_from_under_it(hub, world):  # noqa: F811
    make_onboarding(hub.connection)
    hub.post()
    holds.hold(hub.connection, code="auth", reason="The token was revoked.", now=hub.now)
    hub.go()
    assert stages() == ["sending"]
    with pytest.raises(ProtectedError):
        Connection.objects.filter(pk=hub.connection.pk).delete()

    holds.release(hub.connection, hub.now)
    hub.go()

    assert stages() == ["done"]


@pytest.mark.django_db
def test_an_event_as_large_as_may_be_goes_through(hub, world):  # noqa: F811
    flow = make_flow(subject_path="customer.id")
    remember = make_step(
        flow, "keep", kind="remember", remembered=[("event.customer.note", "note")], to=[("done", "end")]
    )
    linked(remember, make_step(flow, "end", kind="end"))
    hub.post(note="ü" * 125_000)

    hub.go()

    assert stages() == ["done"]
