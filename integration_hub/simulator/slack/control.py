"""What `POST /_control/<verb>` does to the pretend workspace."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from integration_hub.simulator.vendor import Body, Verb

if TYPE_CHECKING:
    from integration_hub.simulator.slack.vendor import Slack

MEMBER = {"name": "Ann Lee", "email": "ann@example.test", "tz": "Europe/Berlin", "deleted": False}


def slack_verbs(slack: Slack) -> dict[str, Verb]:
    """Return the verbs about members, channels, messages and rights."""

    def messages(body: Body) -> list[dict[str, Any]]:
        wanted = body.get("for")
        found = slack.messages_for(wanted) if wanted else list(slack.messages)
        return [{**asdict(message), "at": message.at.isoformat()} for message in found]

    def scopes(body: Body) -> list[str]:
        slack.scopes.update(body.get("add", []))
        slack.scopes.difference_update(body.get("remove", []))
        return sorted(slack.scopes)

    def enforce_limits(body: Body) -> None:
        slack.enforce_limits = bool(body["on"])

    def page_size(body: Body) -> None:
        slack.page_size = int(body["size"])

    return {
        "add_member": Verb.calling(slack.add_member, **MEMBER),
        "update_member": Verb.calling(slack.update_member, member_id="U…", deleted=True),
        "add_channel": Verb.calling(slack.add_channel, name="wins", is_member=True),
        "archive": Verb.calling(slack.archive, channel="C…", on=True),
        "messages": Verb(messages, {"for": "U… or C…, or leave it out for all"}),
        "scopes": Verb(scopes, {"add": [], "remove": ["chat:write"]}),
        "revoke": Verb.calling(slack.revoke, on=True, error="token_revoked"),
        "expire_cursors": Verb.calling(slack.expire_cursors),
        "enforce_limits": Verb(enforce_limits, {"on": True}),
        "page_size": Verb(page_size, {"size": 200}),
    }
