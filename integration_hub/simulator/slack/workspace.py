"""The pretend workspace's members, channels and messages."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from integration_hub.simulator.slack.errors import SlackError
from integration_hub.simulator.slack.pace import Pace
from integration_hub.simulator.world import Clock

SLACK_TOKEN = "xoxb-demo-token"  # noqa: S105 - the token of a pretend workspace
TEAM_ID = "T0DEMO0001"
TEAM_NAME = "Demo Workspace"
TEAM_URL = "https://demo-workspace.slack.com/"
APP_ID = "A0DEMO0001"
BOT_ID = "B0DEMO0001"
BOT_NAME = "integration_hub"
SLACKBOT = "USLACKBOT"
DEFAULT_SCOPES = frozenset(
    {"chat:write", "chat:write.public", "im:write", "im:history", "mpim:write", "mpim:history"}
    | {"users:read", "users:read.email", "channels:read", "channels:history", "groups:history"}
)


@dataclass(slots=True)
class Member:
    """A person or bot of the workspace."""

    id: str
    name: str
    email: str | None
    tz: str | None = "Europe/Berlin"
    deleted: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    updated: int = 0

    def shown(self, *, with_email: bool, now: datetime) -> dict[str, Any]:
        """Return the member as the API does; those who left have no time zone."""
        handle = self.name.lower().replace(" ", ".")
        profile: dict[str, Any] = {"real_name": self.name, "real_name_normalized": self.name}
        profile |= {"display_name": handle, "display_name_normalized": handle, "title": "", "phone": ""}
        profile |= {"status_text": "", "status_emoji": "", "team": TEAM_ID}
        if with_email and self.email and not self.is_bot:
            profile["email"] = self.email
        shown: dict[str, Any] = {"id": self.id, "team_id": TEAM_ID, "name": handle, "deleted": self.deleted}
        if not self.deleted:
            flags = ("is_admin", "is_owner", "is_primary_owner", "is_ultra_restricted", "is_app_user")
            shown |= {"real_name": self.name, **self._zone(now), **dict.fromkeys(flags, False)}
            shown |= {"is_restricted": self.is_restricted, "is_email_confirmed": bool(self.email)}
        return {**shown, "profile": profile, "is_bot": self.is_bot, "updated": self.updated}

    def _zone(self, now: datetime) -> dict[str, Any]:
        if self.tz is None:
            return {"tz": None, "tz_label": "Pacific Standard Time", "tz_offset": -28_800}
        local = now.astimezone(ZoneInfo(self.tz))
        offset = local.utcoffset()
        seconds = int(offset.total_seconds()) if offset is not None else 0
        return {"tz": self.tz, "tz_label": local.tzname(), "tz_offset": seconds}


@dataclass(slots=True)
class Channel:
    """A channel, or a direct conversation with `users`."""

    id: str
    name: str = ""
    users: tuple[str, ...] = ()
    is_member: bool = True
    is_private: bool = False
    is_archived: bool = False

    @property
    def is_im(self) -> bool:
        return len(self.users) == 1

    @property
    def history_scope(self) -> str:
        if self.users:
            return "im:history" if self.is_im else "mpim:history"
        return "groups:history" if self.is_private else "channels:history"

    def shown(self) -> dict[str, Any]:
        if self.is_im:
            return {"id": self.id, "is_im": True, "user": self.users[0], "is_archived": self.is_archived}
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.is_private and not self.users,
            "is_group": self.is_private,
            "is_im": False,
            "is_mpim": bool(self.users),
            "is_private": self.is_private or bool(self.users),
            "is_archived": self.is_archived,
            "is_member": self.is_member,
        }


@dataclass(slots=True)
class Message:
    """A stored message. `user` is whom a direct message is for, "" in a channel."""

    channel: str
    user: str
    ts: str
    text: str
    blocks: list[Any]
    metadata: dict[str, Any] | None
    at: datetime
    thread_ts: str = ""
    edited: bool = False
    attachments: list[Any] = field(default_factory=list)

    def shown(self, bot_user: str) -> dict[str, Any]:
        """Return the message as the API does, metadata included."""
        shown: dict[str, Any] = {"type": "message", "user": bot_user, "bot_id": BOT_ID, "app_id": APP_ID}
        shown |= {"text": self.text, "team": TEAM_ID, "ts": self.ts}
        shown["bot_profile"] = {"id": BOT_ID, "app_id": APP_ID, "name": BOT_NAME, "team_id": TEAM_ID}
        optional = {
            "blocks": self.blocks,
            "attachments": self.attachments,
            "metadata": self.metadata,
            "thread_ts": self.thread_ts,
            "edited": {"user": bot_user, "ts": self.ts} if self.edited else None,
        }
        return shown | {name: value for name, value in optional.items() if value}


class Workspace:
    """Members, channels and messages, and what the app may do among them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.scopes = set(DEFAULT_SCOPES)
        self.token_state = ""
        self.enforce_limits = False
        self.page_size = 1000
        self.pace = Pace()
        self.cursor_age = 0
        self.members: dict[str, Member] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: list[Message] = []
        self._numbers = itertools.count(1)
        self._last_micros = 0
        self.members[SLACKBOT] = Member(SLACKBOT, "Slackbot", None, tz=None)
        self.bot_user = self.add_member("Integration Hub", None, tz="UTC", is_bot=True)

    def add_member(self, name: str, email: str | None, **options: Any) -> str:
        if options.get("tz"):
            ZoneInfo(options["tz"])
        member = Member(self._id("U"), name, email, **options)
        member.updated = int(self.clock().timestamp())
        self.members[member.id] = member
        return member.id

    def add_channel(self, name: str, **options: Any) -> str:
        channel = Channel(self._id("C"), name.lstrip("#"), **options)
        self.channels[channel.id] = channel
        return channel.id

    def open_conversation(self, users: tuple[str, ...]) -> tuple[Channel, bool]:
        """Return the conversation with these people, and whether it was there before."""
        for channel in self.channels.values():
            if channel.users == users:
                return channel, True
        prefix, name = ("D", "") if len(users) == 1 else ("G", "mpdm-" + "--".join(users).lower())
        channel = Channel(self._id(prefix), name, users)
        self.channels[channel.id] = channel
        return channel, False

    def reachable(self, user_id: str, missing: str) -> Member:
        """Return a member who can be written to; `missing` is the code for one who does not exist."""
        member = self.members.get(user_id)
        if member is None:
            raise SlackError(missing)
        if member.deleted:
            raise SlackError("user_disabled")
        if member.is_bot or member.id == SLACKBOT:
            raise SlackError("cannot_dm_bot")
        return member

    def next_ts(self) -> str:
        """Return a timestamp greater than every one before, also while the clock stands still."""
        self._last_micros = max(int(self.clock().timestamp() * 1_000_000), self._last_micros + 1)
        seconds, micros = divmod(self._last_micros, 1_000_000)
        return f"{seconds}.{micros:06d}"

    def message(self, channel: str, ts: str) -> Message | None:
        return next((m for m in reversed(self.messages) if m.ts == ts and m.channel == channel), None)

    def block_id(self) -> str:
        return self._id("b")

    def _id(self, prefix: str) -> str:
        return f"{prefix}0SIM{next(self._numbers):06d}"
