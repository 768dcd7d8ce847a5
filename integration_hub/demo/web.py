"""The hub's web server as a child process of the demo."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

HOST = "127.0.0.1"
STARTED_WITHIN = 30.0
STOPPED_WITHIN = 5.0
LOG_LINES = 15


@contextmanager
def serving(port: int, log: Path) -> Iterator[str]:
    """Serve the pages while the context lasts; give their address. CommandError: it cannot."""
    address = f"http://{HOST}:{port}"
    command = [
        sys.executable,
        str(settings.BASE_DIR / "manage.py"),
        "runserver",
        "--noreload",
        f"{HOST}:{port}",
    ]
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches only us, and we end the child in order.
        child = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **_settings(address)},
            start_new_session=True,
        )
        try:
            _wait_for(child, port, log)
            yield address
        finally:
            _stop(child)


def _settings(address: str) -> dict[str, str]:
    """Return what the pages need on this machine, whatever an .env says for the real installation."""
    return {"DEBUG": "true", "PUBLIC_URL": address, "HTTPS": "false", "ALLOWED_HOSTS": HOST, "REDIS_URL": ""}


def refuse_taken(port: int) -> None:
    """Raise if somebody else has the port: better before anything is prepared than after."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be opened: {error.strerror}. Choose another with --port."
            ) from error


def _wait_for(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < end and child.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    last = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
    raise CommandError(f"The web server did not start. The end of {log}:\n{last}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
