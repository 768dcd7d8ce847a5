"""Credentials for HubSpot: a token that stays as it is, or an OAuth session that renews its token before it expires."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import requests

from integration_hub.connectors.contract import Keeper, Setting
from integration_hub.connectors.errors import AuthError, ConfigError
from integration_hub.connectors.hubspot.paths import NUMBERED, VERSIONS, paths_of
from integration_hub.connectors.transport import Transport, read_json

CALLS, SEARCH, ASSOCIATIONS = "calls", "search", "associations"
"""The scopes of the limits; the search and the associations have their own."""
LIFETIME = 1800
RENEW_BEFORE = 180
"""Seconds before its end at which a token is renewed: a refusal must not be the first sign of it."""
PLANS = (("free", "Free or Starter"), ("professional", "Professional"), ("enterprise", "Enterprise"))
_CREDENTIAL = "credential"
_OAUTH = (_CREDENTIAL, ("oauth",))

SETTINGS = (
    Setting(
        _CREDENTIAL,
        "Credential",
        required=True,
        choices=(
            ("token", "Access token (service key, private app, project app)"),
            ("oauth", "OAuth refresh token"),
        ),
        default="token",
        help_text="A service key is the simplest; it cannot have webhooks. docs/hubspot.md tells how to get each.",
    ),
    Setting(
        "access_token",
        "Access token",
        secret=True,
        help_text="HubSpot: Development > Keys > Service keys, or the Auth page of your app.",
        only_for=(_CREDENTIAL, ("token",)),
    ),
    Setting("client_id", "Client id", help_text="On the Auth page of the app.", only_for=_OAUTH),
    Setting(
        "client_secret",
        "Client secret of the app",
        secret=True,
        help_text="For OAuth, and for webhooks, which are signed with it. A service key has none.",
    ),
    Setting(
        "webhook_signature",
        "Webhooks are signed by",
        choices=(("any", "Version 3, or version 1 where there is no other"), ("v3", "Version 3 only")),
        default="any",
        help_text="Version 1 covers neither address nor time; older private apps may have no other.",
    ),
    Setting(
        "portal_id",
        "Account id (Hub ID) of webhooks",
        help_text="Events of other accounts that installed the same app are passed over. Empty: all are taken.",
    ),
    Setting(
        "refresh_token",
        "Refresh token",
        secret=True,
        help_text="From the installation of the app in your account.",
        only_for=_OAUTH,
    ),
    Setting(
        "api_version",
        "API version",
        choices=VERSIONS,
        default=NUMBERED,
        help_text="From 2026-09 on HubSpot enforces its validation rules on every write.",
    ),
    Setting(
        "plan",
        "Plan",
        choices=PLANS,
        default="professional",
        help_text="Decides how fast HubSpot may be called. An OAuth app has limits of its own.",
    ),
)
_NEEDS = {"token": ("access_token",), "oauth": ("client_id", "client_secret", "refresh_token")}
_LABELS = {setting.name: setting.label for setting in SETTINGS}


def missing(config: Mapping[str, str]) -> list[str]:
    """Name what the chosen credential needs and is empty."""
    return [name for name in _NEEDS.get(config.get(_CREDENTIAL, ""), ()) if not config.get(name)]


class Session:
    """Calls in the name of the app or service key."""

    def __init__(self, config: Mapping[str, str], transport: Transport, keeper: Keeper) -> None:
        self._config = dict(config)
        self._transport = transport
        self._keeper = keeper
        self._token = ""
        self._expires_at = 0.0

    def request(self, method: str, path: str, *, scope: str = CALLS, **options: Any) -> requests.Response:
        """Call `path`; with a new token, once, when the kept one is no longer accepted."""
        token = self._valid_token()
        try:
            return self._call(method, path, token, scope, options)
        except AuthError as error:
            if not self._is_oauth or error.status != 401:
                raise
        return self._call(method, path, self._renewed(refused=token), scope, options)

    @property
    def _is_oauth(self) -> bool:
        return self._config.get(_CREDENTIAL) == "oauth"

    def _call(
        self, method: str, path: str, token: str, scope: str, options: Mapping[str, Any]
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return self._transport.request(method, path, headers=headers, scope=scope, **options)

    def _valid_token(self) -> str:
        names = missing({**self._config, _CREDENTIAL: self._config.get(_CREDENTIAL) or "token"})
        if names:
            labels = ", ".join(_LABELS[name] for name in names)
            raise AuthError(f"The connection to HubSpot needs: {labels}.", remedy="Fill these fields.")
        if not self._is_oauth:
            return self._config["access_token"].strip()
        if not self._token:
            self._recall()
        if self._token and self._transport.clock().timestamp() < self._expires_at - RENEW_BEFORE:
            return self._token
        return self._renewed(refused=self._token)

    def _renewed(self, *, refused: str) -> str:
        """Take the token that another worker got meanwhile, else a new one."""
        self._recall()
        fresh = self._transport.clock().timestamp() < self._expires_at - RENEW_BEFORE
        if self._token and self._token != refused and fresh:
            return self._token
        form = {name: self._config[name] for name in ("client_id", "client_secret", "refresh_token")}
        path = paths_of(self._config.get("api_version", "")).token
        answer = read_json(
            self._transport.request(
                "POST", path, data={"grant_type": "refresh_token", **form}, purpose="renew the token"
            )
        )
        if not isinstance(answer, dict) or not answer.get("access_token"):
            raise AuthError("HubSpot answered without an access token.", remedy="Check the base address.")
        self._keep(answer)
        return self._token

    def _keep(self, answer: Mapping[str, Any]) -> None:
        token, rotated = str(answer["access_token"]), str(answer.get("refresh_token") or "")
        self._transport.add_secret(token)
        if rotated and rotated != self._config["refresh_token"]:
            self._transport.add_secret(rotated)
            # Stored before the first use: the old one may be void.
            self._keeper.replace_secret("refresh_token", rotated)
            self._config["refresh_token"] = rotated
        try:
            lifetime = float(answer.get("expires_in") or LIFETIME)
        except (TypeError, ValueError):
            lifetime = LIFETIME
        self._token, self._expires_at = token, self._transport.clock().timestamp() + lifetime
        kept = {"access_token": token, "expires_at": str(self._expires_at), "settings": self._fingerprint()}
        self._keeper.remember(kept)

    def _recall(self) -> None:
        kept = self._keeper.recall()
        if not kept.get("access_token") or kept.get("settings") != self._fingerprint():
            return
        try:
            self._token, self._expires_at = kept["access_token"], float(kept.get("expires_at") or 0)
        except ValueError:
            raise ConfigError("What was kept of the login cannot be read.", remedy="Save it again.") from None
        self._transport.add_secret(self._token)

    def _fingerprint(self) -> str:
        """Tell settings apart: a token got with other settings may belong to another account."""
        names = ("client_id", "client_secret", "refresh_token")
        text = json.dumps([self._transport.base_url, *(self._config.get(name, "") for name in names)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]
