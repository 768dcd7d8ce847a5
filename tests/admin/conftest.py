"""The admin as its users see it."""

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages

from tests.admin import factories


@pytest.fixture(autouse=True)
def _no_worker_is_woken(monkeypatch):
    monkeypatch.setattr("syncs.queues.wake", lambda *args, **kwargs: None)


@pytest.fixture
def page(client, db):
    """A client signed in as somebody who may do everything."""
    client.force_login(User.objects.create_superuser("boss", "boss@acme.test", "secret"))
    return client


@pytest.fixture
def visitor(client, db):
    """A client signed in as staff without any rights."""
    client.force_login(User.objects.create_user("guest", password="secret", is_staff=True))
    return client


@pytest.fixture
def everything(db):
    """At least one row of everything."""
    return factories.everything()


@pytest.fixture
def said():
    """Return what the pages said to the user, in one text."""

    def text(response):
        return " | ".join(str(one) for one in get_messages(response.wsgi_request))

    return text
