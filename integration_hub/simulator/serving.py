"""The HTTP plumbing: calls in, responses out, over kept-alive connections on one port per vendor."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

LINE_LIMIT = 65_536
JSON_TYPE = "application/json;charset=UTF-8"
HTML_TYPE = "text/html;charset=UTF-8"
PHRASES = {int(status): status.phrase for status in HTTPStatus}


class MalformedBodyError(ValueError):
    """The body is not what its content type says."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came in; `headers` are looked up without regard to case."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes = b""
    uri_bytes: int = 0
    header_bytes: int = 0

    def json(self) -> Any:
        try:
            return json.loads(self.body) if self.body.strip() else {}
        except ValueError as error:
            raise MalformedBodyError("The body is not JSON.") from error

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def is_json(self) -> bool:
        return "json" in self.headers.get("Content-Type", "")

    def recorded_body(self) -> Any:
        """Return the body as it is kept in the request log; never raises."""
        if not self.body:
            return ""
        if self.is_json():
            with suppress(MalformedBodyError):
                return self.json()
        elif "urlencoded" in self.headers.get("Content-Type", ""):
            return self.form()
        return self.body.decode("utf-8", "replace")


@dataclass(slots=True)
class Response:
    """One answer; `body` is on the wire as it stands."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)


def json_response(value: Any, status: int = 200, **headers: str) -> Response:
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(status, body, headers={name.replace("_", "-"): text for name, text in headers.items()})


def html_response(status: int, title: str) -> Response:
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(status, page.encode(), HTML_TYPE)


Answer = Callable[[Call], "Response | None"]
"""Answers a call; None drops the connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener  # type: ignore[assignment]  # the handler needs only what Listener has

    def handle_one_request(self) -> None:
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(LINE_LIMIT + 1)
        if not self.raw_requestline:
            return
        if len(self.raw_requestline) > LINE_LIMIT:
            self._send(html_response(414, "URI Too Long"))
            return
        if not self.parse_request():
            return
        response = self.server.answer(self._call())
        if response is None:
            self.close_connection = True
            return
        self._send(response)

    def _call(self) -> Call:
        target = urlsplit(self.path)
        return Call(
            method=self.command,
            path=unquote(target.path),
            query=dict(parse_qsl(target.query, keep_blank_values=True)),
            headers=self.headers,
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            uri_bytes=len(self.path),
            header_bytes=sum(len(name) + len(value) + 4 for name, value in self.headers.items()),
        )

    def _send(self, response: Response) -> None:
        headers = {
            "Content-Type": response.content_type,
            "Content-Length": str(len(response.body)),
            **response.headers,
        }
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {response.status} {PHRASES.get(response.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        # One write for head and body: two would cost a delayed acknowledgement each.
        self.connection.sendall("\r\n".join([*lines, "\r\n"]).encode("latin-1") + response.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Say nothing: the vendor keeps its own request log."""


class Listener:
    """One port. Stopping closes it and every open conversation; starting again takes the same port."""

    def __init__(self, answer: Answer, host: str = "127.0.0.1", port: int = 0) -> None:
        self.answer = answer
        self.host = host
        self.port = port
        self._socket: socket.socket | None = None
        self._accepting = threading.Thread()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        if self._socket is not None:
            return
        listening = socket.create_server((self.host, self.port), backlog=256)
        self.port = listening.getsockname()[1]
        self._socket = listening
        self._accepting = threading.Thread(target=self._accept, args=(listening,), daemon=True)
        self._accepting.start()

    def stop(self) -> None:
        listening, self._socket = self._socket, None
        if listening is None:
            return
        with suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
            pass  # wakes the accepting thread, which then closes the port
        self._accepting.join()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def set_listening(self, on: bool) -> None:
        if on:
            self.start()
        else:
            self.stop()

    def _accept(self, listening: socket.socket) -> None:
        with listening:
            while self._socket is listening:
                try:
                    connection, address = listening.accept()
                except OSError:
                    return
                with self._lock:
                    self._connections.add(connection)
                threading.Thread(target=self._converse, args=(connection, address), daemon=True).start()

    def _converse(self, connection: socket.socket, address: Any) -> None:
        try:
            with connection, suppress(OSError):  # the other side may leave at any point
                _Handler(connection, address, self)  # type: ignore[arg-type]  # see _Handler.server
        finally:
            with self._lock:
                self._connections.discard(connection)
