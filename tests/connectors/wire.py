"""Loopback servers that misbehave in ways `responses` cannot: below the level of HTTP."""

import socket
import threading
from contextlib import contextmanager


@contextmanager
def raw_server(behave, *, speaks_first=False):
    """Serve connections one after another: `behave(connection)` gets each, usually once its request has arrived."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                seen.append(b"" if speaks_first else connection.recv(65536))
                behave(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def free_port():
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
