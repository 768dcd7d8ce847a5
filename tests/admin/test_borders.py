"""Who may only look, or nothing at all, posts straight to every address there is: nothing changes."""

import re

import pytest
import responses
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core import serializers
from django.urls import reverse
from django.utils import timezone

from integration_hub.configuration import history
from integration_hub.configuration.sections import SECTIONS
from integration_hub.console.buttons import Button
from integration_hub.console.urls import urlpatterns as console_pages

WORDS = {
    "action": "x", "apply": "1", "check": "1", "confirmed": "1", "do": "off", "event": "{}", "field": "email",
    "from": "a", "hours": "1", "mapping": "mappings: []", "mark": "x", "name": "Changed", "note": "n", "post": "yes",
    "promote": "1", "save": "1", "source": "Email", "start": "1", "step": "1", "text": "rules: {}", "to": "b",
    "type": "1", "value": "v",
}  # fmt: skip
"""What the forms of the pages send, all at once."""
HOUSEKEEPING = {
    "sessions.session",
    "django_q.ormq",
    "syncs.callout",
    "syncs.calloutlog",
    "syncs.connectionusage",
}


def staff(client, *prefixes):
    user = User.objects.create_user("clerk", password="secret", is_staff=True)
    allowed = (
        [one for one in Permission.objects.all() if one.codename.startswith(prefixes)] if prefixes else []
    )
    user.user_permissions.set(allowed)
    client.force_login(user)
    return client


def stored():
    """Return every row there is, but for what a page may note by the way."""
    models = [one for one in apps.get_models() if one._meta.label_lower not in HOUSEKEEPING]
    return {
        (one._meta.label, row["pk"]): row["fields"]
        for one in models
        for row in serializers.serialize("python", one._default_manager.order_by("pk"))
    }


def addresses():
    """Yield each address of the admin that can be posted to: forms, deletions, lists and all buttons."""
    for model, pages in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist"), list(getattr(pages, "actions", ()) or ())
        yield reverse(f"{name}_add"), ()
        for row in model._default_manager.order_by("-pk")[:2]:
            for page in ("change", "delete"):
                yield reverse(f"{name}_{page}", args=[row.pk]), ()
            for button in buttons(pages):
                yield f"{reverse(f'{name}_changelist')}{row.pk}/do/{button}/", ()
    for page in console_pages:
        route = str(page.pattern)
        yield "/admin/" + re.sub(r"<[^>]+>", filled, route), ()


def buttons(pages):
    return [
        name
        for name in dir(type(pages))
        if isinstance(getattr(getattr(type(pages), name), "button", None), Button)
    ]


def filled(match):
    return {"int:": "1", "slug": "slack"}.get(match[0][1:5], "hub")


@pytest.mark.parametrize("rights", [(), ("view_",)], ids=["nobody", "viewer"])
def test_who_may_change_nothing_changes_nothing_by_posting_straight(client, everything, rights):
    staff(client, *rights)
    history.record([one.name for one in SECTIONS], timezone.now())  # else the first posts would do it
    before = stored()
    tried = 0

    with responses.RequestsMock(assert_all_requests_are_fired=False) as vendors:
        for address, actions in addresses():
            for action in actions or ("x",):
                named = action if isinstance(action, str) else action.__name__
                sent = {**WORDS, "action": named, "_selected_action": ["1", "2"]}
                answer = client.post(address, sent)
                tried += 1
                assert answer.status_code < 500, address
        assert not vendors.calls
    after = stored()
    assert {key: (row, after.get(key)) for key, row in before.items() if after.get(key) != row} == {}
    assert after.keys() == before.keys()
    assert tried > 200


def test_a_stranger_is_asked_to_sign_in_everywhere(client, everything):
    for address, _ in addresses():
        for ask in (client.get, client.post):
            answer = ask(address)
            assert answer.status_code == 302, address
            assert answer["Location"].startswith("/admin/login/"), address
