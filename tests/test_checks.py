"""Settings under which the hub must not start."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as current
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from integration_hub import checks

GOOD = {
    "name": "sync",
    "ALT_CLUSTERS": {"alerts": {"workers": 4, "queue_limit": 4}},
    "workers": 2,
    "queue_limit": 2,
}
GOOD |= {"timeout": 60, "retry": 120, "max_attempts": 1, "ack_failures": True, "catch_up": False, "bulk": 1}
GOOD |= {"guard_cycle": 0.5}


def ids(messages):
    return [message.id for message in messages]


@pytest.fixture(autouse=True)
def _no_queue_chosen(monkeypatch):
    monkeypatch.delenv("Q_CLUSTER_NAME", raising=False)


def test_the_settings_of_the_project_pass():
    assert [message for message in checks.checks.run_checks(tags=[checks.TAG]) if message.is_serious()] == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        (
            {"DEBUG": True, "SECRET_KEY": current.TRIAL_KEY, "HUB_SECRET_KEYS": [*checks.TRIAL_SECRET_KEYS]},
            [],
        ),
        ({"SECRET_KEY": current.TRIAL_KEY}, ["hub.E002"]),
        ({"SECRET_KEY": ""}, ["hub.E001"]),
        ({"HUB_SECRET_KEYS": []}, ["hub.E003"]),
        ({"HUB_SECRET_KEYS": [*checks.TRIAL_SECRET_KEYS]}, ["hub.E005"]),
        ({"HUB_SECRET_KEYS": ["too-short"]}, ["hub.E004"]),
        ({"HUB_SECRET_KEYS": ["ä" * 44]}, ["hub.E004"]),
        ({"HUB_SECRET_KEYS": [Fernet.generate_key().decode(), ""]}, ["hub.E004"]),
        ({"HUB_SECRET_KEYS": [Fernet.generate_key().decode(), *checks.TRIAL_SECRET_KEYS]}, ["hub.E005"]),
    ],
)
def test_keys(settings, changed, found):
    for name, value in changed.items():
        setattr(settings, name, value)

    assert ids(checks.check_keys(None)) == found


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"timeout": None}, "hub.E010"),
        ({"timeout": 60.0}, "hub.E010"),
        ({"timeout": 120}, "hub.E010"),
        ({"timeout": 30}, "hub.E010"),
        ({"retry": 90}, "hub.E010"),
        ({"retry": 60}, "hub.E010"),
        ({"ack_failures": False}, "hub.E011"),
        ({"max_attempts": 0}, "hub.E011"),
        ({"max_attempts": 3}, "hub.E011"),
        ({"catch_up": True}, "hub.E011"),
        ({"bulk": 10}, "hub.E011"),
        ({"guard_cycle": 0.3}, "hub.E011"),
        ({"guard_cycle": 1}, []),
        ({"queue_limit": 3}, "hub.E013"),
        ({"queue_limit": None}, "hub.E013"),
        ({"workers": 0}, "hub.E013"),
        ({"workers": True, "queue_limit": True}, "hub.E013"),
        ({"name": "default"}, "hub.E012"),
        ({"ALT_CLUSTERS": {}}, "hub.E012"),
        ({"ALT_CLUSTERS": {"alerts": {"retry": 30}}}, "hub.E010"),
        ({"ALT_CLUSTERS": {"alerts": {"workers": 1, "queue_limit": 1}}}, "hub.E015"),
        ({"workers": 1, "queue_limit": 1}, []),
    ],
)
def test_queues(settings, changed, found):
    settings.Q_CLUSTER = copy.deepcopy(GOOD) | changed

    messages = checks.check_queues(None)

    assert set(ids(messages)) == ({found} if found else set())
    assert all(message.hint for message in messages)


@pytest.mark.parametrize(
    "missing", ["timeout", "retry", "ack_failures", "max_attempts", "catch_up", "guard_cycle", "bulk"]
)
def test_the_defaults_of_the_task_queue_will_not_do(settings, missing):
    settings.Q_CLUSTER = {key: value for key, value in GOOD.items() if key != missing}

    assert checks.check_queues(None)


@pytest.mark.parametrize(
    ("task", "lease", "found"),
    [(30, 90, []), (60, 90, ["hub.E010"] * 2), (30, 60, ["hub.E010"] * 2), (30, 89.5, ["hub.E010"] * 2)],
)
def test_a_lease_lasts_longer_than_any_task(settings, task, lease, found):
    settings.Q_CLUSTER = copy.deepcopy(GOOD)
    settings.TASK_SECONDS, settings.LEASE_SECONDS = task, lease

    assert ids(checks.check_queues(None)) == found


@pytest.mark.parametrize(
    ("chosen", "found"), [("alerts", []), ("sync", []), ("alert", ["hub.E014"]), ("", [])]
)
def test_a_cluster_serves_a_queue_that_exists(monkeypatch, chosen, found):
    monkeypatch.setenv("Q_CLUSTER_NAME", chosen)

    assert ids(checks.check_queues(None)) == found


@pytest.mark.parametrize(
    ("database", "workers", "found"),
    [
        ({"ENGINE": "django.db.backends.postgresql"}, 8, []),
        ({"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"pool": True}}, 8, ["hub.E020"]),
        ({"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"pool": {"max_size": 4}}}, 8, ["hub.E020"]),
        ({"ENGINE": "django.db.backends.sqlite3"}, 2, []),
        ({"ENGINE": "django.db.backends.sqlite3"}, 3, ["hub.W021"]),
    ],
)
def test_databases(settings, monkeypatch, database, workers, found):
    monkeypatch.setitem(current.DATABASES, "default", database)
    settings.Q_CLUSTER = copy.deepcopy(GOOD) | {
        "ALT_CLUSTERS": {"alerts": {"workers": workers, "queue_limit": workers}}
    }

    assert ids(checks.check_database(None)) == found


def test_a_web_server_refuses_to_start_and_says_why(settings):
    settings.HUB_SECRET_KEYS = []

    with pytest.raises(ImproperlyConfigured, match=r"HUB_SECRET_KEYS is not set.*make_key"):
        checks.refuse_impossible_settings()


def test_a_web_server_starts_with_what_is_only_doubtful(settings, monkeypatch):
    monkeypatch.setitem(current.DATABASES, "default", {"ENGINE": "django.db.backends.sqlite3"})
    settings.Q_CLUSTER = copy.deepcopy(GOOD) | {"workers": 9}

    checks.refuse_impossible_settings()


@pytest.mark.parametrize("command", ["qcluster", "poll", "push"])
def test_a_command_refuses_to_start(settings, command):
    settings.HUB_SECRET_KEYS = []

    with pytest.raises(CommandError, match="HUB_SECRET_KEYS is not set"):
        call_command(command, skip_checks=False)


def test_a_key_can_be_made_before_there_is_one():
    bare = {
        name: value for name, value in os.environ.items() if name not in ("SECRET_KEY", "HUB_SECRET_KEYS")
    }

    made = subprocess.run(
        [sys.executable, "manage.py", "make_key"],
        env={**bare, "DJANGO_SETTINGS_MODULE": "integration_hub.settings", "DEBUG": "false"},
        cwd=current.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )

    assert Fernet(made.stdout.strip())


def test_a_new_secret_key_is_long_enough_for_django(settings, capsys):
    call_command("make_key", "--secret-key")

    key = capsys.readouterr().out.strip()
    assert len(key) >= 50
    assert len(set(key)) >= 5
