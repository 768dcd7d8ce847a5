"""Real processes for stories and the bench: scratch databases, task clusters, and ways to hurt both."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
HURRIED = {
    "HUB_TASK_SECONDS": "2",
    "HUB_TASK_TIMEOUT": "6",
    "HUB_LEASE_SECONDS": "7",
    "HUB_TASK_RETRY": "9",
}
"""The order that the product insists on, in seconds that a test can wait for."""
WORKERS = 2
BESIDES_WORKERS = 4
"""The first process, the one that guards, the one that fetches tasks, the one that notes their ends."""
ESTABLISHED = "01"
POLL = 0.05


def until(condition, seconds, what):
    """Wait for `condition` to hold and return what it gave; AssertionError when the time is over."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(POLL)


def environment(url, **more):
    """Return the environment of a process of the hub on the database at `url`; nothing else leaks in."""
    return {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "integration_hub.settings",
        "DATABASE_URL": url,
        "SECRET_KEY": settings.SECRET_KEY,
        "HUB_SECRET_KEYS": ",".join(settings.HUB_SECRET_KEYS),
        "ENV_FILE": os.devnull,
        "REDIS_URL": "",
        "DEBUG": "false",
        "LOG_LEVEL": "INFO",
        "ALERT_WORKERS": str(WORKERS),
        **more,
    }


def manage(url, *arguments):
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment(url), check=True, stdout=subprocess.DEVNULL)


class SqliteFile:
    """A scratch database in a file."""

    clusters = 1

    def __init__(self, path=None):
        self.path = Path(path or Path(mkdtemp(prefix="hub-scratch-")) / "hub.sqlite3")
        self.url = f"sqlite:///{self.path}"
        self.name = str(self.path)

    def create(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def copy(self):
        twin = SqliteFile()
        with sqlite3.connect(self.path) as source, sqlite3.connect(twin.path) as target:
            source.backup(target)
        return twin

    def drop(self):
        shutil.rmtree(self.path.parent, ignore_errors=True)

    def disturb(self):
        """Keep everybody from writing for a moment."""
        with sqlite3.connect(self.path, isolation_level=None, timeout=20) as blocker:
            blocker.execute("BEGIN EXCLUSIVE")
            time.sleep(2)
            blocker.execute("COMMIT")


class PostgresDatabase:
    """A scratch database on the server that DATABASE_URL names."""

    clusters = 2
    _number = 0

    def __init__(self, server, name=None):
        """`server` has the HOST, PORT, USER and PASSWORD of Django's DATABASES."""
        PostgresDatabase._number += 1
        self.server = server
        self.name = name or f"hub_chaos_{os.getpid()}_{PostgresDatabase._number}"
        user, host, port = server["USER"], server["HOST"] or "127.0.0.1", server["PORT"] or 5432
        password = f":{server['PASSWORD']}" if server["PASSWORD"] else ""
        self.url = f"postgres://{user}{password}@{host}:{port}/{self.name}"

    def create(self, template="template1"):
        self._do("CREATE DATABASE {} TEMPLATE {}", self.name, template)

    def copy(self):
        twin = PostgresDatabase(self.server)
        twin.create(self.name)
        return twin

    def drop(self):
        self._do("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)

    def disturb(self):
        """Cut every connection there is."""
        with self._admin() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [self.name]
            )

    def _do(self, statement, *names):
        with self._admin() as admin:
            admin.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))

    def _admin(self):
        return psycopg.connect(
            host=self.server["HOST"] or "127.0.0.1",
            port=self.server["PORT"] or 5432,
            user=self.server["USER"],
            password=self.server["PASSWORD"],
            dbname="postgres",
            autocommit=True,
        )


@contextmanager
def speaking_to(database):
    """Let Django's models in this process read and write the scratch database."""
    regular = connections["default"]
    ours = type(regular)({**regular.settings_dict, "NAME": database.name}, "default")
    connections["default"] = ours
    try:
        yield
    finally:
        ours.close()
        connections["default"] = regular


class Cluster:
    """One `manage.py qcluster` in a session of its own."""

    def __init__(self, url, queue="alerts", **environ):
        self.log = Path(mkdtemp(prefix="hub-cluster-")) / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "qcluster"],
                cwd=ROOT,
                env=environment(url, Q_CLUSTER_NAME=queue, **environ),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self, seconds=30):
        until(lambda: len(self.pids()) >= BESIDES_WORKERS + WORKERS, seconds, "the cluster starts")
        return self

    def output(self):
        return self.log.read_text()

    def pids(self):
        """Return the processes of the session, whoever started them."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it ended meanwhile
                state, _parent, _group, session = stat.read_text().rpartition(")")[2].split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found.append(int(stat.parent.name))
        return found

    def talking_to(self, port):
        """Return the processes that have a connection open to a port of this machine."""
        sockets = _sockets_to(port)
        return [pid for pid in self.pids() if sockets & _open_sockets(pid)]

    def destroy(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.log.parent, ignore_errors=True)


def _sockets_to(port):
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = (line.split() for line in lines)
    return {row[9] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == ESTABLISHED}


def _open_sockets(pid):
    found = set()
    with suppress(OSError):  # it ended meanwhile
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.update(re.findall(r"^socket:\[(\d+)\]$", str(descriptor.readlink())))
    return found
