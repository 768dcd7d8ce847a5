"""Posting and changing messages."""

from __future__ import annotations

from typing import Any

from integration_hub.simulator.slack.arguments import Arguments
from integration_hub.simulator.slack.blocks import block_problems
from integration_hub.simulator.slack.errors import SlackError
from integration_hub.simulator.slack.workspace import TEAM_URL, Channel, Message, Workspace

TRUNCATED_AFTER = 40_000
UPDATE_LIMIT = 4_000
ATTACHMENT_LIMIT = 100
METADATA_LIMIT = 8_000


def post_message(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    channel = _addressee(workspace, args.text("channel"))
    message = Message(
        channel=channel.id,
        user=channel.users[0] if channel.is_im else "",
        ts="",
        text=(args.text("text") or args.text("markdown_text"))[:TRUNCATED_AFTER],
        blocks=_blocks(workspace, args),
        metadata=_metadata(args),
        at=workspace.clock(),
        thread_ts=args.text("thread_ts"),
        attachments=_attachments(args),
    )
    if not message.text and not message.blocks and not message.attachments:
        raise SlackError("no_text")
    if workspace.enforce_limits:
        workspace.pace.message(channel.id, workspace.clock())
    message.ts = workspace.next_ts()
    workspace.messages.append(message)
    return {"channel": channel.id, "ts": message.ts, "message": message.shown(workspace.bot_user)}


def update(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    message = _existing(workspace, args.text("channel"), args.text("ts"))
    if len(args.text("text")) > UPDATE_LIMIT:
        raise SlackError("msg_too_long")
    if not any(args.given(name) for name in ("text", "blocks", "attachments")):
        raise SlackError("no_text")
    blocks = _blocks(workspace, args)
    if args.given("metadata"):
        message.metadata = _metadata(args)
    # A new text without blocks takes the old blocks away.
    if args.given("text") or args.given("blocks"):
        message.blocks = blocks
    if args.given("attachments"):
        message.attachments = _attachments(args)
    message.text = args.text("text", message.text)
    message.edited = True
    shown = message.shown(workspace.bot_user)
    return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": shown}


def get_permalink(workspace: Workspace, args: Arguments) -> dict[str, Any]:
    message = _existing(workspace, args.text("channel"), args.text("message_ts"))
    mark = message.ts.replace(".", "")
    return {"channel": message.channel, "permalink": f"{TEAM_URL}archives/{message.channel}/p{mark}"}


def _addressee(workspace: Workspace, name: str) -> Channel:
    if name in workspace.members:
        workspace.reachable(name, "channel_not_found")
        return workspace.open_conversation((name,))[0]
    channel = workspace.channels.get(name) or _named(workspace, name.lstrip("#"))
    if channel is None:
        raise SlackError("channel_not_found")
    if channel.is_archived:
        raise SlackError("is_archived")
    if channel.is_im:
        workspace.reachable(channel.users[0], "channel_not_found")
    if not channel.is_member and (channel.is_private or "chat:write.public" not in workspace.scopes):
        raise SlackError("channel_not_found" if channel.is_private else "not_in_channel")
    return channel


def _named(workspace: Workspace, name: str) -> Channel | None:
    found = (c for c in workspace.channels.values() if c.name == name and not c.users)
    return next(found, None)


def _existing(workspace: Workspace, channel: str, ts: str) -> Message:
    if channel not in workspace.channels:
        raise SlackError("channel_not_found")
    message = workspace.message(channel, ts)
    if message is None:
        raise SlackError("message_not_found")
    return message


def _blocks(workspace: Workspace, args: Arguments) -> list[Any]:
    blocks = args.structure("blocks", "invalid_blocks_format")
    if blocks is None:
        return []
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    problems = block_problems(blocks)
    if problems:
        raise SlackError("invalid_blocks", messages=problems)
    return [{**block, "block_id": block.get("block_id") or workspace.block_id()} for block in blocks]


def _attachments(args: Arguments) -> list[Any]:
    attachments = args.structure("attachments", "invalid_attachments") or []
    if not isinstance(attachments, list):
        raise SlackError("invalid_attachments")
    if len(attachments) > ATTACHMENT_LIMIT:
        raise SlackError("too_many_attachments")
    return attachments


def _metadata(args: Arguments) -> dict[str, Any] | None:
    """Return the metadata, None for none and for the empty object that removes it."""
    metadata = args.structure("metadata", "invalid_metadata_format")
    if not metadata:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    payload = metadata.get("event_payload")
    if not isinstance(payload, dict) or None in payload.values():
        raise SlackError("invalid_metadata_schema")
    if len(str(payload)) > METADATA_LIMIT:
        raise SlackError("metadata_too_large")
    return {"event_type": metadata["event_type"], "event_payload": payload}
