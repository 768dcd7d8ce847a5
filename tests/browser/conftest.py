"""A browser, a hub on a local port, and the demo's world behind it."""

from __future__ import annotations

import io
import os
import shutil
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import expect, sync_playwright
from rich.console import Console

from integration_hub.connectors.hubspot.connector import HubSpot
from integration_hub.demo import run, world
from integration_hub.demo.report import Report
from syncs.models import Delivery

PATIENCE = 10_000
"""Milliseconds the browser waits for what must appear."""
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)
"""The browser, too, reaches nothing beyond this machine."""


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory):
    """Use a file: the server's threads and the test would block each other in one connection to memory."""
    from django.db import connections

    default = connections["default"]
    if default.vendor == "sqlite":
        default.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("hub") / "browser.sqlite3")


@pytest.fixture(scope="session")
def live_server(django_db_setup, live_server):
    """Start the server after the database has its file; before, it would share our connection to memory."""
    return live_server


@pytest.fixture(scope="session")
def browser():
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        raise RuntimeError("These tests need Chromium: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    # Playwright keeps an event loop in this thread, so Django takes each query of a test for one out of a coroutine.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=list(QUIET))
        yield opened
        opened.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def hub(transactional_db, simulator, monkeypatch):
    """The demo's world before its first scene: configured, everybody known."""
    for name in ("SALESFORCE_CLIENT_SECRET", "SLACK_BOT_TOKEN"):
        monkeypatch.setenv(name, "")
    simulator.set_clock(timezone.now())
    monkeypatch.setattr(HubSpot, "rates", {})  # it is described by the real clock, not the moved one
    return run.opened(simulator, Report(Console(file=io.StringIO(), width=160)))


@pytest.fixture
def played(hub, simulator):
    """The demo's world after its last scene; its clock is right again, and nothing lies in the pages' future."""
    hub.sleep = lambda seconds: simulator.set_clock(simulator.clock() + timedelta(seconds=seconds))
    assert hub.play(60)
    simulator.set_clock(None)
    Delivery.objects.update(settled_at=F("settled_at") - timedelta(minutes=2))
    return hub


@pytest.fixture
def operator(hub):
    """Somebody who may do everything, and whom Slack knows by e-mail."""
    return User.objects.create_superuser("demo", world.ADMIN_EMAIL, "demo")


@pytest.fixture
def stranger(browser, live_server):
    """A page of somebody who has not logged in. What breaks or is missing, here or on the server, breaks the test."""
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    broken = []
    page.on("pageerror", lambda error: broken.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda said: broken.append(f"{page.url}: {said.text}") if "Content Security" in said.text else None,
    )
    page.on(
        "response",
        lambda answer: (
            broken.append(f"{answer.url}: {answer.status}")
            if answer.status >= 500 or answer.status == 404
            else None
        ),
    )
    yield page
    context.close()
    assert not broken


@pytest.fixture
def page(stranger, operator, client, live_server):
    """A page of the operator's."""
    client.force_login(operator)
    session = client.cookies["sessionid"].value
    stranger.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    return stranger
