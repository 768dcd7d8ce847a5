"""What a connector is handed: a keeper, a limiter and a transport that remember what was done with them."""

import json
from datetime import UTC, datetime
from pathlib import Path

from integration_hub.connectors.transport import NoLimit, Transport

FIXTURES = Path(__file__).parent / "fixtures"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class MemoryKeeper:
    def __init__(self, **kept):
        self.kept = dict(kept)
        self.secrets = {}

    def recall(self):
        return dict(self.kept)

    def remember(self, values):
        self.kept = dict(values)

    def replace_secret(self, name, value):
        self.secrets[name] = value


class RecordingLimiter(NoLimit):
    def __init__(self):
        self.acquired = []
        self.blocked = []
        self.usage = []

    def acquire(self, scope):
        self.acquired.append(scope)

    def block(self, scope, seconds):
        self.blocked.append((scope, seconds))

    def report_usage(self, used, limit):
        self.usage.append((used, limit))


def make_transport(base_url, **overrides):
    """Return a transport whose callouts are in its `callouts`."""
    callouts = []
    arguments = {
        "observer": callouts.append,
        "limiter": RecordingLimiter(),
        "timeout": (2.0, 2.0),
        **overrides,
    }
    transport = Transport(base_url, **arguments)
    transport.callouts = callouts
    return transport


def recorded(case, **changes):
    """Return a recorded answer as arguments for `responses`; `case` is a path below fixtures, without .json."""
    answer = json.loads((FIXTURES / f"{case}.json").read_text())
    headers = dict(answer.get("headers", {}))
    content_type = headers.pop("Content-Type", None)
    body = {"json": answer["body"]} if content_type is None else {"body": answer["body"]}
    kind = {"content_type": content_type} if content_type else {}
    return {"status": answer["status"], "headers": headers, **body, **kind, **changes}
