"""Slack: sends messages as the app's bot, finds them again, knows the members."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import requests

from integration_hub.connectors.contract import Destination, Keeper, People, Rate, Setting
from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    RecipientError,
    RejectedError,
)
from integration_hub.connectors.records import (
    Check,
    Member,
    Operation,
    Outcome,
    RecordResult,
    RecordWrite,
    Values,
    WriteRequest,
)
from integration_hub.connectors.sending import send_each
from integration_hub.connectors.slack import blocks
from integration_hub.connectors.slack.errors import BLOCKS_REFUSED, classify
from integration_hub.connectors.transport import Transport, read_json

API = "https://slack.com/api/"
MEMBERS_PAGE = 1000
"""The most Slack gives: few calls matter more here than short ones."""
HISTORY_PAGE = 200
HISTORY_PAGES = 20
"""At most so many pages are searched for one message: a minute of the busiest channel fits into one."""
CLOCK_SLACK = timedelta(seconds=60)
"""Our clock and Slack's may differ: the search begins so long before the try."""
SLACKBOT = "USLACKBOT"

SCOPES = {
    "chat:write": "send messages",
    "im:write": "open a direct message",
    "im:history": "see whether a direct message arrived before sending it again",
    "channels:history": "see the same of a message to a public channel",
    "users:read": "list the members",
    "users:read.email": "find people by their e-mail",
}
_PROBES = (
    ("users.list", {"limit": 1}, "users:read"),
    ("users.lookupByEmail", {"email": "nobody@example.com"}, "users:read.email"),
)


class Slack(Destination, People):
    kind: ClassVar[str] = "slack"
    label: ClassVar[str] = "Slack"
    settings: ClassVar[Sequence[Setting]] = (
        Setting(
            "bot_token",
            "Bot token",
            secret=True,
            required=True,
            help_text="Starts with xoxb-. api.slack.com/apps > your app > OAuth & Permissions.",
        ),
        Setting(
            "signing_secret",
            "Signing secret",
            secret=True,
            help_text="Only if Slack calls this hub: api.slack.com/apps > your app > Basic Information.",
        ),
    )
    production_url: ClassVar[str] = API
    sandbox_url: ClassVar[str] = API
    rates: ClassVar[Mapping[str, Rate]] = {
        "chat.postMessage": Rate(3.0, 20),
        "chat.update": Rate(0.8, 10),
        "users.list": Rate(0.3, 10),
        "users.lookupByEmail": Rate(0.8, 10),
        "conversations.open": Rate(0.8, 10),
        "conversations.history": Rate(0.8, 10),
    }
    batch_size: ClassVar[int] = 1
    repeatable: ClassVar[frozenset[Operation]] = frozenset()
    sends_messages: ClassVar[bool] = True
    lane_interval: ClassVar[float] = 1.0

    def __init__(self, config: Mapping[str, str], transport: Transport, keeper: Keeper) -> None:
        super().__init__(config, transport, keeper)
        transport.classify = classify
        self.clock = self.transport.clock
        self._known: dict[str, str] | None = None

    def write(self, request: WriteRequest) -> list[RecordResult]:
        return send_each(request, self._send)

    def recall(self, request: WriteRequest) -> list[RecordResult | None]:
        try:
            return [self._find(write) for write in request.writes]
        except AuthError as error:
            if error.code != "missing_scope":
                raise
            # Each kind of conversation has a scope of its own; without one of them all else still works.
            raise RejectedError(error.message, code=error.code, remedy=error.remedy) from None

    def update_message(self, remote_id: str, values: Values) -> None:
        """Change a message that was sent; nobody is notified of it."""
        channel, _, ts = remote_id.partition(":")
        message = blocks.content(values, now=self.clock())
        self._call("chat.update", json={"channel": channel, "ts": ts, **message}, purpose="update message")

    def check(self) -> Check:
        try:
            response = self._exchange("auth.test", purpose="check")
            missing = self._missing_scopes(response)
        except (ConfigError, RejectedError) as error:
            return Check(ok=False, summary=error.message, problems=[error.remedy] if error.remedy else [])
        who = read_json(response)
        facts = {
            "Workspace": str(who.get("team", "")),
            "Address": str(who.get("url", "")),
            "Bot user": f"{who.get('user', '')} ({who.get('user_id', '')})",
        }
        if not who.get("bot_id"):
            problem = (
                "The token belongs to a person, not to the app's bot: enter the one that starts with xoxb-."
            )
            return Check(ok=False, summary="Connected, but not as a bot.", facts=facts, problems=[problem])
        problems = [f"The scope {scope} is missing: it cannot {SCOPES[scope]}." for scope in missing]
        summary = f"Connected to {facts['Workspace']} as {who.get('user', '')}."
        return Check(ok=not problems, summary=summary, facts=facts, problems=problems)

    def members(self) -> Iterator[Sequence[Member]]:
        cursor = ""
        while True:
            page = {"limit": MEMBERS_PAGE, **({"cursor": cursor} if cursor else {})}
            answer = self._call("users.list", data=page, purpose="list members")
            found = [_member(raw) for raw in answer.get("members") or () if raw.get("id") != SLACKBOT]
            if found:
                yield found
            # A page may be short, or hold nobody of use, and yet not be the last.
            cursor = _next_cursor(answer)
            if not cursor:
                return

    def find_member(self, email: str) -> Member | None:
        try:
            answer = self._call("users.lookupByEmail", data={"email": email.strip()}, purpose="find member")
        except RecipientError as error:
            if error.code == "users_not_found":
                return None
            raise
        return _member(answer["user"])

    def _send(self, write: RecordWrite) -> str:
        values = write.values
        message = {
            "channel": str(values.get("channel") or ""),
            "metadata": blocks.metadata(write.ref),
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if not message["channel"]:
            raise RecipientError("The message has no recipient.", remedy="Choose a person or a channel.")
        try:
            answer = self._post({**message, **blocks.content(values, now=self.clock())})
        except RejectedError as error:
            if error.code not in BLOCKS_REFUSED:
                raise
            # Refused is surely not sent: a plain message now is better than none.
            answer = self._post({**message, "text": blocks.plain_fallback(values)})
        channel = str(answer.get("channel", message["channel"]))
        self._learn_channel(str(message["channel"]), channel)
        return f"{channel}:{answer.get('ts', '')}"

    def _post(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("chat.postMessage", json=message, repeatable=False, purpose="send message")

    def _find(self, write: RecordWrite) -> RecordResult | None:
        channel = str(write.values.get("channel") or "")
        if channel.startswith(("U", "W")):
            opened = self._call("conversations.open", data={"users": channel}, purpose="recall message")
            channel = opened["channel"]["id"]
        elif channel.startswith("#"):
            channel = self._channel_id(channel)
        for message in self._history(channel, write.attempted_at):
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            is_it = (
                metadata.get("event_type") == blocks.EVENT_TYPE and payload.get("delivery_id") == write.ref
            )
            # Any app could write our metadata, so the author counts, too.
            if is_it and message.get("bot_id") == self._bot_id():
                return RecordResult(write.ref, Outcome.SENT, remote_id=f"{channel}:{message['ts']}")
        return None

    def _learn_channel(self, name: str, channel_id: str) -> None:
        """Keep the id of a channel that we know by name: messages are sent to names, but read back by id only."""
        if name.startswith("#") and self._remembered().get(name) != channel_id:
            self._remember({name: channel_id})

    def _channel_id(self, name: str) -> str:
        known = self._remembered().get(name)
        if known is None:
            raise RejectedError(
                f"Slack did not answer, and whether the message is in {name} cannot be seen: "
                "a channel is read by its id, and no message to this name has succeeded yet.",
                code="channel_by_name",
                remedy="Look into the channel. If the message is missing, requeue it. "
                "Naming the channel by its id (C…) avoids this.",
            )
        return known

    def _remembered(self) -> Mapping[str, str]:
        """What we learned under the present token; read once for each use of the connector."""
        if self._known is None:
            kept = self.keeper.recall()
            self._known = dict(kept) if kept.get("of_token") == self._token_mark() else {}
        return self._known

    def _remember(self, values: Mapping[str, str]) -> None:
        self._known = {**self._remembered(), **values, "of_token": self._token_mark()}
        self.keeper.remember(self._known)

    def _token_mark(self) -> str:
        return hashlib.sha256(self.config.get("bot_token", "").encode()).hexdigest()[:16]

    def _history(self, channel: str, since: datetime | None) -> Iterator[dict[str, Any]]:
        arguments: dict[str, Any] = {
            "channel": channel,
            "limit": HISTORY_PAGE,
            "inclusive": "true",
            "include_all_metadata": "true",
        }
        if since:
            arguments["oldest"] = f"{(since - CLOCK_SLACK).timestamp():.6f}"
        for _ in range(HISTORY_PAGES):
            answer = self._call("conversations.history", data=arguments, purpose="recall message")
            yield from answer.get("messages") or ()
            cursor = _next_cursor(answer)
            if not answer.get("has_more") or not cursor:
                return
            arguments["cursor"] = cursor

    def _bot_id(self) -> str:
        """Return our bot's id, kept as long as the token stays the same."""
        if "bot_id" not in self._remembered():
            answer = self._call("auth.test", purpose="recall message")
            self._remember({"bot_id": str(answer.get("bot_id", ""))})
        return self._remembered()["bot_id"]

    def _missing_scopes(self, response: requests.Response) -> list[str]:
        listed = response.headers.get("x-oauth-scopes")
        if listed is not None:
            granted = {scope.strip() for scope in listed.split(",")}
            return [scope for scope in SCOPES if scope not in granted]
        return [scope for method, arguments, scope in _PROBES if self._lacks_scope(method, arguments)]

    def _lacks_scope(self, method: str, arguments: Mapping[str, Any]) -> bool:
        try:
            self._call(method, data=arguments, purpose="check")
        except AuthError as error:
            if error.code == "missing_scope":
                return True
            raise
        except RecipientError:
            return False  # nobody has that e-mail; being allowed to ask is what counts
        return False

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = read_json(self._exchange(method, **arguments))
        return answer

    def _exchange(self, method: str, **arguments: Any) -> requests.Response:
        token = self.config.get("bot_token", "")
        if not token:
            raise AuthError("The bot token is missing.", remedy="Enter it: it starts with xoxb-.")
        headers = {"Authorization": f"Bearer {token}"}
        return self.transport.request("POST", method, headers=headers, scope=method, **arguments)


def _next_cursor(answer: Mapping[str, Any]) -> str:
    return str((answer.get("response_metadata") or {}).get("next_cursor") or "")


def _member(raw: Mapping[str, Any]) -> Member:
    """Return a member; bots, people who left and people of other organizations cannot be addressed."""
    profile = raw.get("profile") or {}
    gone = raw.get("deleted") or raw.get("is_bot") or raw.get("is_stranger")
    return Member(
        remote_id=str(raw["id"]),
        name=profile.get("real_name") or raw.get("real_name") or raw.get("name") or "",
        email=profile.get("email") or "",
        active=not gone,
        time_zone=raw.get("tz") or "",
    )
