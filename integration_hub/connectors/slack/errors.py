"""What Slack means by its refusals; nearly all of them come with status 200."""

from __future__ import annotations

from typing import Any

import requests

from integration_hub.connectors.answers import retry_after
from integration_hub.connectors.errors import (
    AuthError,
    ConnectorError,
    RateLimitError,
    RecipientError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.transport import read_json

BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})

_WAIT = {"ratelimited", "rate_limited", "message_limit_exceeded"}
_MAY_HAVE_POSTED = {"internal_error", "fatal_error", "request_timeout"}
"""Slack says of these that part of the work may have been done."""
_TRANSIENT = {
    "service_unavailable": "See status.slack.com.",
    "team_added_to_org": "The workspace is being moved into an organization; it passes.",
    "org_login_required": "The workspace is being moved into an organization; it passes.",
    "invalid_cursor": "The page mark has expired: the next run reads the list from its beginning.",
}

_TOKEN_REMEDY = "Copy the bot token (xoxb-…) again: api.slack.com/apps > your app > OAuth & Permissions."  # noqa: S105 - a sentence
_REINSTALL_REMEDY = "Install the app into the workspace again (OAuth & Permissions) and enter the new token."
_ADMIN_REMEDY = "A workspace administrator must allow this app: Slack admin > Apps."
_ACCOUNT = {
    "invalid_auth": _TOKEN_REMEDY,
    "not_authed": _TOKEN_REMEDY,
    "account_inactive": _REINSTALL_REMEDY,
    "token_revoked": _REINSTALL_REMEDY,
    "token_expired": _REINSTALL_REMEDY,
    "not_allowed_token_type": "Enter the bot token (xoxb-…), not a user or app token.",
    "missing_scope": "Add the scope under OAuth & Permissions > Bot Token Scopes and install the app again.",
    "no_permission": _ADMIN_REMEDY,
    "access_denied": _ADMIN_REMEDY,
    "accesslimited": _ADMIN_REMEDY,
    "app_access_restricted": _ADMIN_REMEDY,
    "ekm_access_denied": "An administrator has suspended access to the workspace's messages.",
    "two_factor_setup_required": "The account behind the token must set up two-factor sign-in.",
}

_INVITE_REMEDY = "Invite the app to the channel: /invite @app in it."
_PERSON_REMEDY = "Refresh the directory, or link the person to another Slack account by hand."
_RECIPIENT = {
    "channel_not_found": "Check the channel's id; a private channel must first invite the app.",
    "not_in_channel": _INVITE_REMEDY,
    "is_archived": "The channel is archived: choose another one.",
    "user_not_found": _PERSON_REMEDY,
    "users_not_found": _PERSON_REMEDY,
    "user_disabled": _PERSON_REMEDY,
    "user_not_visible": _PERSON_REMEDY,
    "invalid_user_combination": _PERSON_REMEDY,
    "messages_tab_disabled": "Switch the Messages tab on: api.slack.com/apps > your app > App Home.",
    "restricted_action": "The channel's settings forbid the app to post: choose another channel or allow it.",
}

_PAYLOAD = {
    "invalid_blocks": "Shorten or simplify the message template.",
    "invalid_blocks_format": "Shorten or simplify the message template.",
    "msg_blocks_too_long": "Shorten the message template.",
    "msg_too_long": "Shorten the message template.",
    "no_text": "The message is empty: fill the template.",
    "message_not_found": "The message was deleted in Slack.",
    "edit_window_closed": "The workspace allows no changes to a message that old.",
    "cant_update_message": "Only messages of this app can be changed.",
}


def classify(response: requests.Response) -> ConnectorError | None:
    """Return what Slack's answer means; None: it is fine, or only its status speaks."""
    if response.status_code != 200:
        return None
    try:
        answer = read_json(response)
    except RetryableError as error:
        return UnknownOutcomeError(error.message, code=error.code, remedy=error.remedy, status=200)
    if not isinstance(answer, dict):
        return UnknownOutcomeError(
            "Slack answered with something else than an object.", code="not_json", status=200
        )
    return None if answer.get("ok") is True else _refusal(answer, response)


def _refusal(answer: dict[str, Any], response: requests.Response) -> ConnectorError:
    code = str(answer.get("error") or "unknown")
    message = f"Slack: {code}{_details(answer)}."
    if code in _WAIT:
        return RateLimitError(message, retry_after=retry_after(response), code=code, status=200)
    if code in _MAY_HAVE_POSTED:
        return UnknownOutcomeError(message, code=code, remedy="See status.slack.com.", status=200)
    if code in _TRANSIENT:
        return RetryableError(message, code=code, remedy=_TRANSIENT[code], status=200)
    if code in _ACCOUNT:
        return AuthError(message, code=code, remedy=_ACCOUNT[code], status=200)
    if code in _RECIPIENT or code.startswith("restricted_action"):
        remedy = _RECIPIENT.get(code, _RECIPIENT["restricted_action"])
        return RecipientError(message, code=code, remedy=remedy, status=200)
    remedy = _PAYLOAD.get(code, f"See the error “{code}” in Slack's documentation of the method.")
    return RejectedError(message, code=code, remedy=remedy, status=200)


def _details(answer: dict[str, Any]) -> str:
    """Return what Slack adds in words: the scope that is needed, the argument that is wrong."""
    if answer.get("needed"):
        return f" (needs the scope {answer['needed']})"
    notes = (answer.get("response_metadata") or {}).get("messages") or []
    return f" ({'; '.join(str(note) for note in notes)[:300]})" if notes else ""
