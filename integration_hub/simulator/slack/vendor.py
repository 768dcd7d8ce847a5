"""The pretend Slack as one object: its workspace, its methods, its troubles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integration_hub.simulator.faults import Fault
from integration_hub.simulator.serving import Call, Response, html_response, json_response
from integration_hub.simulator.slack import chat, directory
from integration_hub.simulator.slack.arguments import Arguments, arguments_of
from integration_hub.simulator.slack.control import slack_verbs
from integration_hub.simulator.slack.errors import SlackError, TooFastError
from integration_hub.simulator.slack.workspace import SLACK_TOKEN, Message, Workspace
from integration_hub.simulator.vendor import Vendor
from integration_hub.simulator.world import Clock

API = "/api/"
RETRY_AFTER = 30


@dataclass(frozen=True, slots=True)
class Method:
    """One Web API method. Tier 0 has no limit of calls a minute; no scope here: none, or it depends."""

    run: Callable[[Workspace, Arguments], dict[str, Any]]
    scope: str = ""
    tier: int = 0


METHODS = {
    "auth.test": Method(directory.auth_test),
    "users.list": Method(directory.users_list, "users:read", 2),
    "users.info": Method(directory.users_info, "users:read", 4),
    "users.lookupByEmail": Method(directory.users_lookup_by_email, "users:read.email", 3),
    "conversations.open": Method(directory.conversations_open, "", 3),
    "conversations.list": Method(directory.conversations_list, "channels:read", 2),
    "conversations.info": Method(directory.conversations_info, "channels:read", 3),
    "conversations.history": Method(directory.conversations_history, "", 3),
    "chat.postMessage": Method(chat.post_message, "chat:write"),
    "chat.update": Method(chat.update, "chat:write", 3),
    "chat.getPermalink": Method(chat.get_permalink),
}


class Slack(Vendor):
    """A pretend workspace with one app in it. The API is at `url` + "/api/"."""

    name = "slack"
    fault_kinds = frozenset(
        {"rate_limited", "rate_limited_200", "server_error", "fatal_error", "internal_error", "error"}
    )
    done_first = frozenset({"fatal_error"})

    workspace: Workspace

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.verbs = slack_verbs(self)

    def reset(self) -> None:
        with self.lock:
            self.workspace = Workspace(self.clock)

    @property
    def messages(self) -> list[Message]:
        """All messages, oldest first."""
        return self.workspace.messages

    @property
    def scopes(self) -> set[str]:
        """What the app may do; change it freely."""
        return self.workspace.scopes

    @property
    def enforce_limits(self) -> bool:
        """Whether too many calls are refused with status 429."""
        return self.workspace.enforce_limits

    @enforce_limits.setter
    def enforce_limits(self, on: bool) -> None:
        self.workspace.enforce_limits = on

    @property
    def page_size(self) -> int:
        """The most a page holds, whatever the caller asks for."""
        return self.workspace.page_size

    @page_size.setter
    def page_size(self, size: int) -> None:
        self.workspace.page_size = size

    @property
    def bot_user_id(self) -> str:
        return self.workspace.bot_user

    def messages_for(self, user_or_channel: str) -> list[Message]:
        """Return the messages in a channel or to a person, oldest first."""
        with self.lock:
            return [m for m in self.messages if user_or_channel in {m.channel, m.user}]

    def add_member(
        self,
        name: str,
        email: str | None,
        tz: str | None = "Europe/Berlin",
        deleted: bool = False,
        is_bot: bool = False,
        is_restricted: bool = False,
    ) -> str:
        with self.lock:
            return self.workspace.add_member(
                name, email, tz=tz, deleted=deleted, is_bot=is_bot, is_restricted=is_restricted
            )

    def update_member(self, member_id: str, **changes: Any) -> None:
        """Change a member's name, email, tz, deleted, is_bot or is_restricted."""
        with self.lock:
            member = self.workspace.members[member_id]
            for name, value in changes.items():
                if not hasattr(member, name):
                    raise ValueError(f"A member has no {name!r}.")
                setattr(member, name, value)
            member.updated = int(self.clock().timestamp())

    def add_channel(
        self, name: str, is_member: bool = True, is_private: bool = False, is_archived: bool = False
    ) -> str:
        with self.lock:
            return self.workspace.add_channel(
                name, is_member=is_member, is_private=is_private, is_archived=is_archived
            )

    def archive(self, channel: str, on: bool = True) -> None:
        with self.lock:
            self.workspace.channels[channel].is_archived = on

    def revoke(self, on: bool = True, error: str = "token_revoked") -> None:
        """Let the token be refused with `error`, or be good again."""
        self.workspace.token_state = error if on else ""

    def expire_cursors(self) -> None:
        """Make every cursor handed out so far invalid."""
        self.workspace.cursor_age += 1

    def handle(self, call: Call) -> Response:
        if not call.path.startswith(API):
            return html_response(404, "Not Found")
        with self.lock:
            try:
                return self._ok(self._answered(call, call.path.removeprefix(API).strip("/")))
            except TooFastError as error:
                return _too_many(error.retry_after)
            except SlackError as error:
                return self._ok({"ok": False, "error": error.code, **error.extra})

    def broken(self, fault: Fault) -> Response:
        if fault.kind == "rate_limited":
            return _too_many(int(fault.options.get("retry_after", RETRY_AFTER)))
        if fault.kind == "server_error":
            return html_response(500, "Server Error")
        codes = {
            "rate_limited_200": "rate_limited",
            "error": fault.options.get("code", "service_unavailable"),
        }
        return self._ok({"ok": False, "error": codes.get(fault.kind, fault.kind)})

    def _answered(self, call: Call, name: str) -> dict[str, Any]:
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        args = arguments_of(call)
        self._check_token(call, args)
        if method.scope and method.scope not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            raise SlackError("missing_scope", needed=method.scope, provided=provided)
        if self.enforce_limits and method.tier:
            self.workspace.pace.method(name, method.tier, self.clock())
        return {"ok": True, **method.run(self.workspace, args)}

    def _check_token(self, call: Call, args: Arguments) -> None:
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            # A form may carry the token; a query string or JSON may not.
            token = args.text("token") if call.method == "POST" and not call.is_json() else ""
        if not token:
            raise SlackError("not_authed")
        if token != SLACK_TOKEN:
            raise SlackError("invalid_auth")
        if self.workspace.token_state:
            raise SlackError(self.workspace.token_state)

    def _ok(self, body: dict[str, Any]) -> Response:
        """Return an answer with status 200, which says nothing about success."""
        response = json_response(body)
        response.headers["X-OAuth-Scopes"] = ",".join(sorted(self.scopes))
        return response


def _too_many(seconds: int) -> Response:
    return json_response({"ok": False, "error": "ratelimited"}, 429, Retry_After=str(seconds))
