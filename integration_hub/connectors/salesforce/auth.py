"""Logging in to Salesforce: the settings of each flow, and a session that renews its token once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jwt
import requests

from integration_hub.connectors.contract import Keeper, Setting
from integration_hub.connectors.errors import AuthError, ConfigError
from integration_hub.connectors.transport import Transport, read_json

PRODUCTION = "https://login.salesforce.com"
SANDBOX = "https://test.salesforce.com"
DEFAULT_VERSION = "64.0"
ASSERTION_LIFETIME = 180
"""Seconds; Salesforce refuses more than 5 minutes."""

FLOWS = (
    ("client_credentials", "Client credentials (recommended for servers)"),
    ("jwt_bearer", "JWT bearer (certificate)"),
    ("refresh_token", "Refresh token"),
    ("password", "User name and password (older orgs)"),
    ("session", "A given access token"),
)

_FLOW = "auth_flow"
_WITH_LOGIN = (_FLOW, ("client_credentials", "jwt_bearer", "refresh_token", "password"))
_APP = "Setup > App Manager > your app > View > Manage Consumer Details."

SETTINGS = (
    Setting(
        _FLOW,
        "Login flow",
        required=True,
        choices=FLOWS,
        default="client_credentials",
        help_text="As switched on in the app: Setup > App Manager > your app > OAuth settings.",
    ),
    Setting(
        "login_url",
        "Login address",
        help_text="Your My Domain, such as https://acme.my.salesforce.com (Setup > My Domain). Client "
        "credentials need it. Empty: the common login address of the environment.",
        only_for=_WITH_LOGIN,
    ),
    Setting("client_id", "Consumer key (client id)", help_text=_APP, only_for=_WITH_LOGIN),
    Setting(
        "client_secret",
        "Consumer secret (client secret)",
        secret=True,
        help_text=_APP,
        only_for=(_FLOW, ("client_credentials", "refresh_token", "password")),
    ),
    Setting(
        "username",
        "User name",
        help_text="The integration user's (Setup > Users). For JWT bearer and user name and password.",
        only_for=(_FLOW, ("jwt_bearer", "password")),
    ),
    Setting(
        "password",
        "Password",
        secret=True,
        help_text="Only for user name and password.",
        only_for=(_FLOW, ("password",)),
    ),
    Setting(
        "security_token",
        "Security token",
        secret=True,
        help_text="Only for user name and password, unless this machine's address is trusted. The "
        "integration user gets it by e-mail: Settings > Reset My Security Token.",
        only_for=(_FLOW, ("password",)),
    ),
    Setting(
        "private_key",
        "Private key (PEM)",
        secret=True,
        help_text="For JWT bearer: the key whose certificate the app holds (“Use digital signatures”).",
        only_for=(_FLOW, ("jwt_bearer",)),
    ),
    Setting(
        "refresh_token",
        "Refresh token",
        secret=True,
        help_text="From the web server flow, scope refresh_token.",
        only_for=(_FLOW, ("refresh_token",)),
    ),
    Setting(
        "access_token",
        "Access token",
        secret=True,
        help_text="Only for a given access token; it is not renewed.",
        only_for=(_FLOW, ("session",)),
    ),
    Setting(
        "instance_url",
        "Instance address",
        help_text="Only with a given access token: the address of the org, such as https://acme.my.salesforce.com.",
        only_for=(_FLOW, ("session",)),
    ),
    Setting(
        "organization_id",
        "Organization id of outbound messages",
        help_text="Messages of another org are refused. Check shows it; Setup > Company Information, too.",
    ),
    Setting(
        "notice_token",
        "Token of outbound messages",
        secret=True,
        help_text="The last part of the address that the org posts to, 32 random letters and digits or more. "
        "docs/connectors.md tells how to set it up.",
    ),
    Setting(
        "api_version",
        "API version",
        default=DEFAULT_VERSION,
        help_text="41.0 or later; the check says which one is the org's newest.",
    ),
)

_NEEDS = {
    "client_credentials": ("login_url", "client_id", "client_secret"),
    "jwt_bearer": ("client_id", "username", "private_key"),
    "refresh_token": ("client_id", "refresh_token"),
    "password": ("client_id", "client_secret", "username", "password"),
    "session": ("access_token", "instance_url"),
}
_LABELS = {setting.name: setting.label for setting in SETTINGS}
_NEEDLESS_WITH_OVERRIDE = frozenset({"login_url", "instance_url"})


def missing(config: Mapping[str, str], *, overridden: bool) -> list[str]:
    """Name what the chosen login flow needs and is empty; the address that overrides all others is enough."""
    needs = _NEEDS.get(config.get(_FLOW, ""), ())
    needless = _NEEDLESS_WITH_OVERRIDE if overridden else frozenset()
    return [name for name in needs if name not in needless and not config.get(name)]


class Session:
    """Calls in the name of the integration user.

    The token is kept between uses and renewed once when Salesforce no longer accepts it. A refused login is
    raised at once: repeating it would lock the user out.
    """

    def __init__(self, config: Mapping[str, str], transport: Transport, keeper: Keeper) -> None:
        self._config = dict(config)
        self._transport = transport
        self._keeper = keeper
        self._overridden = transport.base_url not in {PRODUCTION, SANDBOX}
        self._tokens: Mapping[str, str] = {}

    @property
    def version(self) -> str:
        return self._config.get("api_version") or DEFAULT_VERSION

    @property
    def instance_url(self) -> str:
        """The org's own address, for links; "" before the first login."""
        return self._tokens.get("instance_url") or self._config.get("instance_url", "").rstrip("/")

    @property
    def user_id(self) -> str:
        """The integration user's id, "" where the flow does not tell it."""
        return self._tokens.get("identity_url", "").rpartition("/")[2]

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Call `path` at the org; with a new token, once, when the kept one has expired."""
        self._log_in()
        token = self._tokens["access_token"]
        try:
            return self._call(method, path, arguments)
        except AuthError as error:
            if error.code != "INVALID_SESSION_ID" or self._flow == "session":
                raise
        self._renew(refused=token)
        return self._call(method, path, arguments)

    @property
    def _flow(self) -> str:
        return self._config.get(_FLOW) or "client_credentials"

    def _call(self, method: str, path: str, arguments: dict[str, Any]) -> requests.Response:
        base = self._transport.base_url if self._overridden else self.instance_url
        headers = {**arguments.get("headers", {}), "Authorization": f"Bearer {self._tokens['access_token']}"}
        return self._transport.request(method, f"{base}{path}", **{**arguments, "headers": headers})

    def _log_in(self) -> None:
        if self._tokens:
            return
        self._check_settings()
        if self._flow == "session":
            self._tokens = {"access_token": self._config["access_token"]}
            return
        kept = self._keeper.recall()
        if kept.get("access_token") and kept.get("settings") == self._fingerprint():
            self._use(kept)
        else:
            self._fetch_token(refused="")

    def _renew(self, *, refused: str) -> None:
        """Take the token another worker got meanwhile, else a new one."""
        kept = self._keeper.recall()
        if kept.get("access_token") and kept["access_token"] != refused:
            self._use(kept)
        else:
            self._fetch_token(refused=refused)

    def _fetch_token(self, *, refused: str) -> None:
        login = self._transport.base_url if self._overridden else self._login_url
        try:
            answer = read_json(
                self._transport.request(
                    "POST", f"{login}/services/oauth2/token", data=self._grant(), purpose="log in"
                )
            )
        except AuthError:
            # A refresh token that rotates is good for one worker only: the other one has our new token, then.
            kept = self._keeper.recall()
            if self._flow != "refresh_token" or kept.get("access_token", refused) == refused:
                raise
            self._use(kept)
            return
        if not isinstance(answer, dict) or not answer.get("access_token") or not answer.get("instance_url"):
            raise AuthError(
                "Salesforce answered the login without a token.", remedy="Check the login address."
            )
        self._keep(answer)

    def _keep(self, answer: Mapping[str, Any]) -> None:
        rotated = str(answer.get("refresh_token") or "")
        if self._flow == "refresh_token" and rotated and rotated != self._config["refresh_token"]:
            self._transport.add_secret(rotated)
            # Stored before the first use: the old one is void, losing this one means a new approval.
            self._keeper.replace_secret("refresh_token", rotated)
            self._config["refresh_token"] = rotated
        tokens = {
            "access_token": str(answer["access_token"]),
            "instance_url": str(answer["instance_url"]).rstrip("/"),
            "identity_url": str(answer.get("id", "")),
            "settings": self._fingerprint(),
        }
        self._keeper.remember(tokens)
        self._use(tokens)

    def _use(self, tokens: Mapping[str, str]) -> None:
        self._tokens = dict(tokens)
        self._transport.add_secret(tokens["access_token"])

    def _fingerprint(self) -> str:
        """Tell settings apart: a token got with other settings may belong to another user or org."""
        names = [setting.name for setting in SETTINGS if setting.name != "api_version"]
        text = json.dumps([self._transport.base_url, *(self._config.get(name, "") for name in names)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def _login_url(self) -> str:
        return self._config.get("login_url", "").rstrip("/") or self._transport.base_url

    def _check_settings(self) -> None:
        if self._flow not in _NEEDS:
            raise ConfigError(f"There is no login flow “{self._flow}”.", remedy="Choose one of the list.")
        names = missing({**self._config, _FLOW: self._flow}, overridden=self._overridden)
        if names:
            labels = ", ".join(_LABELS[name] for name in names)
            flow = dict(FLOWS)[self._flow]
            raise ConfigError(f"The login flow “{flow}” needs: {labels}.", remedy="Fill these fields.")

    def _grant(self) -> dict[str, str]:
        config = self._config
        client = {"client_id": config["client_id"], "client_secret": config.get("client_secret", "")}
        if self._flow == "client_credentials":
            return {"grant_type": "client_credentials", **client}
        if self._flow == "refresh_token":
            form = {"grant_type": "refresh_token", **client, "refresh_token": config["refresh_token"]}
            return {name: value for name, value in form.items() if value}
        if self._flow == "password":
            password = config["password"] + config.get("security_token", "")
            self._transport.add_secret(password)
            return {"grant_type": "password", **client, "username": config["username"], "password": password}
        assertion = self._assertion()
        self._transport.add_secret(assertion)
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}

    def _assertion(self) -> str:
        login = self._login_url
        is_sandbox = login == SANDBOX or ".sandbox." in login
        claims = {
            "iss": self._config["client_id"],
            "sub": self._config["username"],
            "aud": SANDBOX if is_sandbox else PRODUCTION,
            "exp": int(self._transport.clock().timestamp()) + ASSERTION_LIFETIME,
        }
        key = self._config["private_key"].replace("\\n", "\n").strip()
        try:
            return jwt.encode(claims, key, algorithm="RS256")
        except (jwt.exceptions.PyJWTError, ValueError, TypeError):
            raise ConfigError(
                "The private key cannot be read.",
                code="private_key",
                remedy="Paste the whole PEM text of an RSA key without passphrase, “-----BEGIN …” included.",
            ) from None
