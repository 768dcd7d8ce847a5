"""Refuses impossible settings at start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.apps.config import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Doubt
from django.core.exceptions import ImproperlyConfigured

from syncs.schedules import ALERTS, QUEUES

TAG = "hub"
TRIAL_SECRET_KEYS = frozenset({"aHViLXRyaWFsLWtleS1ub3QtZm9yLXByb2R1Y3Rpb24="})
SQLITE_WORKERS = 2
"""So many processes of a queue take turns at writing without being noticed."""


def refuse_impossible_settings() -> None:
    """Raise ImproperlyConfigured if these settings cannot work.

    Commands run the checks by themselves; a web server that imports the application does not.
    """
    errors = [message for message in checks.run_checks(tags=[TAG]) if message.is_serious()]
    if errors:
        raise ImproperlyConfigured("\n".join(f"{error.msg} {error.hint}" for error in errors))


@checks.register(TAG)
def check_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Outside DEBUG both kinds of keys are there and are one's own."""
    return [*_secret_key(), *_hub_secret_keys()]


def _secret_key() -> Iterator[CheckMessage]:
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        key = ""
    if not key:
        yield Error(
            "SECRET_KEY is not set.",
            hint="Set it to a long random text of your own, the same on all hosts. "
            "`manage.py make_key --secret-key` makes one.",
            id="hub.E001",
        )
    elif key == settings.TRIAL_KEY and not settings.DEBUG:
        yield Error(
            "SECRET_KEY is the published trial key: anybody could sign in with it.",
            hint="Set one of your own, the same on all hosts. `manage.py make_key --secret-key` makes one.",
            id="hub.E002",
        )


def _hub_secret_keys() -> Iterator[CheckMessage]:
    keys: Sequence[str] = settings.HUB_SECRET_KEYS
    if not keys:
        yield Error(
            "HUB_SECRET_KEYS is not set: the connections' secrets cannot be stored or read.",
            hint="Make a key with `manage.py make_key` and set it, the same on all hosts. Keep a copy of it.",
            id="hub.E003",
        )
    for number, key in enumerate(keys, start=1):
        if not _is_fernet_key(key):
            yield Error(
                f"Key {number} in HUB_SECRET_KEYS is not a valid key.",
                hint="A key is 32 random bytes in URL-safe base64, 44 characters; `manage.py make_key` makes one. "
                "Separate several by commas.",
                id="hub.E004",
            )
        elif key in TRIAL_SECRET_KEYS and not settings.DEBUG:
            yield Error(
                f"Key {number} in HUB_SECRET_KEYS is the published trial key: it protects nothing.",
                hint="Put a key of your own, made with `manage.py make_key`, in front of it, run `manage.py "
                "rotate_secrets` with DEBUG on, and take the trial key out.",
                id="hub.E005",
            )


def _is_fernet_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


@checks.register(TAG)
def check_queues(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """No queue may be set so that a task runs twice at once, never ends, or waits where nobody looks."""
    queues = _queues()
    messages = [message for name, queue in queues.items() for message in _queue(name, queue)]
    if set(queues) != set(QUEUES):
        messages.append(
            Error(
                f"Q_CLUSTER has the queues {', '.join(sorted(queues))}; the hub needs {', '.join(QUEUES)}.",
                hint="What is sent to a queue that nobody serves stays there for ever. Restore the names.",
                id="hub.E012",
            )
        )
    chosen = os.environ.get("Q_CLUSTER_NAME")
    if chosen and chosen not in queues:
        messages.append(
            Error(
                f"Q_CLUSTER_NAME is “{chosen}”; there is no such queue.",
                hint=f"Run one `manage.py qcluster` with each of: {', '.join(QUEUES)}.",
                id="hub.E014",
            )
        )
    return messages


def _queues() -> dict[str, dict[str, Any]]:
    """Return each queue's settings as its cluster will have them."""
    common: dict[str, Any] = settings.Q_CLUSTER
    others: dict[str, dict[str, Any]] = common.get("ALT_CLUSTERS", {})
    return {str(common.get("name", "default")): common} | {name: common | own for name, own in others.items()}


def _queue(name: str, queue: dict[str, Any]) -> Iterator[CheckMessage]:
    yield from _times(name, queue)
    for key, (allowed, wanted, why) in QUEUE_RULES.items():
        if not allowed(queue.get(key)):
            yield Error(
                f"Q_CLUSTER: {key} of the queue {name} is {queue.get(key)!r}. {why}",
                hint=f"Set it to {wanted}.",
                id="hub.E011",
            )
    workers: Any = queue.get("workers")
    limit: Any = queue.get("queue_limit")
    if not (_is_count(workers) and _is_count(limit) and limit <= workers):
        yield Error(
            f"Q_CLUSTER: the queue {name} has {workers!r} workers and a queue_limit of {limit!r}. A task that is "
            "taken early waits while its time to be finished already runs.",
            hint="Set both to whole numbers, queue_limit to at most the number of workers.",
            id="hub.E013",
        )
    elif name == ALERTS and workers < 2:
        yield Error(
            "The queue alerts has one worker, and that one is always busy looking for work.",
            hint="Set ALERT_WORKERS to at least 2.",
            id="hub.E015",
        )


def _times(name: str, queue: dict[str, Any]) -> Iterator[CheckMessage]:
    times: list[Any] = [
        settings.TASK_SECONDS,
        queue.get("timeout"),
        settings.LEASE_SECONDS,
        queue.get("retry"),
    ]
    if not all(_is_count(one) for one in times):
        problem = "must be whole numbers of seconds: with anything else a task is never stopped."
    elif sorted(set(times)) != times:
        problem = "must grow in this order: else a task is handed out again while it still runs."
    else:
        return
    yield Error(
        f"Q_CLUSTER, queue {name}: TASK_SECONDS, timeout, LEASE_SECONDS and retry are "
        f"{', '.join(repr(one) for one in times)}; they {problem}",
        hint="Take HUB_TASK_SECONDS, HUB_TASK_TIMEOUT, HUB_LEASE_SECONDS and HUB_TASK_RETRY out of the environment: "
        "without them they are 30, 60, 90 and 120.",
        id="hub.E010",
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


QUEUE_RULES: Mapping[str, tuple[Callable[[Any], bool], str, str]] = {
    "ack_failures": (
        lambda value: value is True,
        "True",
        "A failed task would be repeated; repeating is the outbox's business.",
    ),
    "max_attempts": (lambda value: value == 1, "1", "The outbox counts the attempts, not the queue."),
    "catch_up": (
        lambda value: value is False,
        "False",
        "After a stop each missed wake-up would be made up for; one does it all.",
    ),
    "bulk": (lambda value: value == 1, "1", "Tasks taken in bulk wait while their time already runs."),
    "guard_cycle": (
        lambda value: value in (0.5, 1),
        "0.5 or 1",
        "With other values a task that hangs is never killed.",
    ),
}


@checks.register(TAG)
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The database stands the forks and the number of workers."""
    messages: list[CheckMessage] = []
    config = settings.DATABASES["default"]
    if config.get("OPTIONS", {}).get("pool"):
        messages.append(
            Error(
                "The database connections are pooled; the workers are forked, and a pool does not survive that.",
                hint="Take `pool` out of the options of DATABASES; DATABASE_CONN_MAX_AGE keeps connections open.",
                id="hub.E020",
            )
        )
    if config["ENGINE"].endswith("sqlite3") and any(
        _is_count(queue.get("workers")) and queue["workers"] > SQLITE_WORKERS for queue in _queues().values()
    ):
        messages.append(
            Doubt(
                f"The database is SQLite and a queue has more than {SQLITE_WORKERS} workers: they wait for each "
                "other to write.",
                hint="Use PostgreSQL (DATABASE_URL), or set ALERT_WORKERS=2 and SYNC_WORKERS=1.",
                id="hub.W021",
            )
        )
    return messages
