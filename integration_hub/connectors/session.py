"""HTTP sessions as the hub uses them: no cookies, no ~/.netrc, and an end to each exchange."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_running = threading.local()


class Deadline:
    """Cuts this thread's exchange off when its time is up; `passed` tells that it was.

    A socket's timeout counts between two bytes only, so a trickle of them, even of headers, would hold a worker for
    hours. The copy of the handle stays ours whatever TLS makes of the socket.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(max(seconds, 0.0), self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        _running.deadline = self
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        _running.deadline = None
        self._timer.cancel()
        self._watch(None)

    def watch(self, used: socket.socket) -> None:
        """Cut this one, which the exchange now uses."""
        with suppress(OSError):
            self._watch(socket.socket(fileno=os.dup(used.fileno())))
        if self.passed:
            self._cut()

    def _watch(self, copy: socket.socket | None) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = copy

    def _cut(self) -> None:
        with self._lock:
            self.passed = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


class _Watched(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        made: socket.socket = super()._new_conn()
        _watch(made)
        return made

    def request(self, *args: Any, **options: Any) -> None:
        if self.sock is not None:  # kept open since an earlier exchange
            _watch(self.sock)
        super().request(*args, **options)


class _WatchedTls(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


def new_session() -> requests.Session:
    """Return one for the exchanges of one connection; a vendor's cookies are not kept, they could outlive a login."""
    session = requests.Session()
    session.auth = _keep_headers
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter())
    return session


def _watch(used: socket.socket) -> None:
    deadline: Deadline | None = getattr(_running, "deadline", None)
    if deadline is not None:
        deadline.watch(used)


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Change nothing; without an auth of its own, requests would put the one of ~/.netrc over our header."""
    return request
