"""Reading the workspace: members, conversations, their history."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

from integration_hub.simulator.slack.arguments import Arguments
from integration_hub.simulator.slack.errors import SlackError
from integration_hub.simulator.slack.workspace import (
    BOT_ID,
    BOT_NAME,
    TEAM_ID,
    TEAM_NAME,
    TEAM_URL,
    Channel,
    Member,
    Message,
    Workspace,
)

Item = TypeVar("Item")
LIST_LIMIT = 1000
HISTORY_LIMIT = 999
HISTORY_DEFAULT = 100
CONVERSATION_LIMIT = 8


def auth_test(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    who = {"url": TEAM_URL, "team": TEAM_NAME, "user": BOT_NAME, "team_id": TEAM_ID}
    return {**who, "user_id": workspace.bot_user, "bot_id": BOT_ID, "is_enterprise_install": False}


def users_list(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    if not args.text("limit") and len(workspace.members) > LIST_LIMIT:
        raise SlackError("limit_required")
    limit = args.number("limit", LIST_LIMIT, LIST_LIMIT)
    page, cursor = _page(workspace, list(workspace.members.values()), limit, args)
    shown = [_member(workspace, member) for member in page]
    cache_ts = int(workspace.clock().timestamp())
    return {"members": shown, "cache_ts": cache_ts, "response_metadata": {"next_cursor": cursor}}


def users_info(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    member = workspace.members.get(args.text("user"))
    if member is None:
        raise SlackError("user_not_found")
    return {"user": _member(workspace, member)}


def users_lookup_by_email(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    email = args.text("email").strip().casefold()
    for member in workspace.members.values():
        if email and (member.email or "").casefold() == email and not member.deleted and not member.is_bot:
            return {"user": _member(workspace, member)}
    raise SlackError("users_not_found")


def _member(workspace: Workspace, member: Member) -> dict[str, Any]:
    return member.shown(with_email="users:read.email" in workspace.scopes, now=workspace.clock())


def conversations_open(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    users = args.ids("users")
    if not users and args.text("channel"):
        channel, known = _channel(workspace, args.text("channel")), True
    else:
        _check_scope(workspace, "im:write" if len(users) <= 1 else "mpim:write")
        channel, known = _opened(workspace, users)
    shown = channel.shown() if args.flag("return_im") else {"id": channel.id}
    answer: dict[str, Any] = {"no_op": True, "already_open": True} if known else {}
    return answer | {"channel": shown}


def _opened(workspace: Workspace, users: list[str]) -> tuple[Channel, bool]:
    if not users:
        raise SlackError("users_list_not_supplied")
    if len(users) > CONVERSATION_LIMIT:
        raise SlackError("too_many_users")
    for user_id in users:
        workspace.reachable(user_id, "user_not_found")
    return workspace.open_conversation(tuple(sorted(users)))


def conversations_list(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    kinds = set(args.ids("types")) or {"public_channel"}
    wanted = [channel for channel in workspace.channels.values() if _kind(channel) in kinds]
    if args.flag("exclude_archived"):
        wanted = [channel for channel in wanted if not channel.is_archived]
    page, cursor = _page(workspace, wanted, args.number("limit", 100, LIST_LIMIT), args)
    return {"channels": [channel.shown() for channel in page], "response_metadata": {"next_cursor": cursor}}


def _kind(channel: Channel) -> str:
    if channel.users:
        return "im" if channel.is_im else "mpim"
    return "private_channel" if channel.is_private else "public_channel"


def conversations_info(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    return {"channel": _channel(workspace, args.text("channel")).shown()}


def conversations_history(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    channel = _channel(workspace, args.text("channel"))
    _check_scope(workspace, channel.history_scope)
    if not channel.is_member:
        raise SlackError("not_in_channel")
    found = _between(workspace, channel, args)
    limit = args.number("limit", HISTORY_DEFAULT, HISTORY_LIMIT)
    page, cursor = _page(workspace, found, limit, args)
    shown = [message.shown(workspace.bot_user) for message in page]
    if not args.flag("include_all_metadata"):
        for message in shown:
            if "metadata" in message:
                message["metadata"] = {"event_type": message["metadata"]["event_type"]}
    answer = {"messages": shown, "has_more": bool(cursor), "pin_count": 0}
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def _between(workspace: Workspace, channel: Channel, args: Arguments) -> list[Message]:
    """Return the channel's messages in the wanted span of time, newest first."""
    try:
        oldest, latest = float(args.text("oldest") or 0), float(args.text("latest") or "inf")
    except ValueError:
        raise SlackError("invalid_ts_oldest") from None
    inclusive = args.flag("inclusive")
    return [
        message
        for message in reversed(workspace.messages)
        if message.channel == channel.id
        and (oldest < float(message.ts) < latest or (inclusive and float(message.ts) in {oldest, latest}))
    ]


def _channel(workspace: Workspace, name: str) -> Channel:
    channel = workspace.channels.get(name)
    if channel is None:
        raise SlackError("channel_not_found")
    return channel


def _check_scope(workspace: Workspace, scope: str) -> None:
    if scope not in workspace.scopes:
        raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(workspace.scopes)))


def _page(
    workspace: Workspace, items: Sequence[Item], limit: int, args: Arguments
) -> tuple[Sequence[Item], str]:
    """Return one page and the cursor of the next, "" after the last."""
    start = _start(workspace, args.text("cursor"))
    end = start + min(limit, workspace.page_size)
    if end >= len(items):
        return items[start:], ""
    cursor = base64.b64encode(f"next:{workspace.cursor_age}:{end}".encode()).decode()
    return items[start:end], cursor


def _start(workspace: Workspace, cursor: str) -> int:
    if not cursor:
        return 0
    try:
        word, age, start = base64.b64decode(cursor, validate=True).decode().split(":")
    except (binascii.Error, ValueError):
        raise SlackError("invalid_cursor") from None
    if word != "next" or age != str(workspace.cursor_age) or not start.isdigit():
        raise SlackError("invalid_cursor")
    return int(start)
