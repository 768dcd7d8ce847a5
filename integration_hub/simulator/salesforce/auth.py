"""The token endpoint: who may come in, with which grant, and which tokens are good."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from integration_hub.simulator.salesforce.org import Org
from integration_hub.simulator.serving import Call, Response, json_response
from integration_hub.simulator.world import Clock

CLIENT_ID = "demo-client-id"
CLIENT_SECRET = "demo-client-secret"  # noqa: S105 - the credentials of a pretend org
USERNAME = "integration@example.test"
PASSWORD = "demo-password-and-security-token"  # noqa: S105 - see CLIENT_SECRET
REFRESH_TOKEN = "demo-refresh-token"  # noqa: S105 - see CLIENT_SECRET

LOGIN_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
PublicKey = tuple[int, int]


class GrantError(Exception):
    """A refused token request, in the vendor's pair of words."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class Auth:
    """The connected app and its tokens. `public_key` is the (modulus, exponent) that JWTs must be signed for."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rotate_refresh_tokens = False
        self.public_key: PublicKey | None = None
        self.refresh_token = REFRESH_TOKEN
        self.revoked = False
        self._tokens: set[str] = set()
        self._numbers = itertools.count(1)
        # A token of an earlier life of this world must stay unknown to the next one.
        self._life = f"{time.monotonic_ns():x}"
        self._grants: dict[str, Callable[[Call, dict[str, str]], dict[str, str]]] = {
            "client_credentials": self._client_credentials,
            "password": self._password,
            "refresh_token": self._refresh,
            JWT_GRANT: self._jwt,
        }

    def expire_tokens(self) -> None:
        """End all sessions; new ones are handed out."""
        self._tokens.clear()

    def revoke(self, on: bool = True) -> None:
        """Withdraw the app's approval (or give it back): sessions end and no grant works."""
        self.revoked = on
        self._tokens.clear()

    def accepts(self, call: Call) -> bool:
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        return scheme in {"Bearer", "OAuth"} and token in self._tokens

    def token(self, call: Call, org: Org, instance_url: str) -> Response:
        """Answer a call to the token endpoint."""
        form = call.form()
        grant = self._grants.get(form.get("grant_type", ""), _unknown_grant)
        try:
            extra = grant(call, form)
        except GrantError as refusal:
            body = {"error": refusal.error, "error_description": refusal.description}
            return json_response(body, 400)
        token = f"{org.organization_id[:15]}!{self._life}.{next(self._numbers)}"
        self._tokens.add(token)
        identity = f"{instance_url}/id/{org.organization_id}/{org.admin_id}"
        answer = {"access_token": token, "instance_url": instance_url, "id": identity, "token_type": "Bearer"}
        issued_at = str(int(self.clock().timestamp() * 1000))
        answer |= {"issued_at": issued_at, "signature": _signature(identity + issued_at), "scope": "api"}
        return json_response({**answer, **extra}, Cache_Control="no-store")

    def _client(self, call: Call, form: dict[str, str]) -> None:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, encoded = call.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            with suppress(ValueError):
                client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
        if client_id != CLIENT_ID:
            raise GrantError("invalid_client_id", "client identifier invalid")
        if secret != CLIENT_SECRET:
            raise GrantError("invalid_client", "invalid client credentials")

    def _client_credentials(self, call: Call, form: dict[str, str]) -> dict[str, str]:
        if call.headers.get("Host", "").partition(":")[0] in LOGIN_HOSTS:
            raise GrantError("invalid_grant", "request not supported on this domain")
        self._client(call, form)
        self._approved()
        return {}

    def _password(self, call: Call, form: dict[str, str]) -> dict[str, str]:
        self._client(call, form)
        if (form.get("username"), form.get("password")) != (USERNAME, PASSWORD):
            raise GrantError("invalid_grant", "authentication failure")
        self._approved()
        return {}

    def _refresh(self, call: Call, form: dict[str, str]) -> dict[str, str]:
        self._client(call, form)
        if self.revoked or form.get("refresh_token") != self.refresh_token:
            raise GrantError("invalid_grant", "expired access/refresh token")
        if not self.rotate_refresh_tokens:
            return {}
        self.refresh_token = f"{REFRESH_TOKEN}-{self._life}.{next(self._numbers)}"
        return {"refresh_token": self.refresh_token}

    def _jwt(self, call: Call, form: dict[str, str]) -> dict[str, str]:
        assertion = form.get("assertion", "")
        claims = _claims(assertion)
        if claims.get("iss") != CLIENT_ID:
            raise GrantError("invalid_client_id", "client identifier invalid")
        own_host = f"http://{call.headers.get('Host', '')}"
        if claims.get("aud") not in {own_host, *(f"https://{host}" for host in LOGIN_HOSTS)}:
            raise GrantError("invalid_grant", "audience is invalid")
        # simple-salesforce sends the time as a text.
        if not str(claims.get("exp", "")).isdigit() or int(claims["exp"]) <= self.clock().timestamp():
            raise GrantError("invalid_grant", "expired authorization code")
        if self.public_key is not None and not _signed(assertion, self.public_key):
            raise GrantError("invalid_grant", "invalid assertion")
        if claims.get("sub") != USERNAME:
            raise GrantError("invalid_grant", "user hasn't approved this consumer")
        self._approved()
        return {}

    def _approved(self) -> None:
        if self.revoked:
            raise GrantError("invalid_grant", "user hasn't approved this consumer")


def _unknown_grant(call: Call, form: dict[str, str]) -> dict[str, str]:
    raise GrantError("unsupported_grant_type", "grant type not supported")


def _signature(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _claims(assertion: str) -> dict[str, Any]:
    try:
        header, payload, _ = assertion.split(".")
        algorithm, claims = json.loads(_decoded(header)).get("alg"), json.loads(_decoded(payload))
    except (ValueError, AttributeError):
        raise GrantError("invalid_grant", "invalid assertion") from None
    if algorithm != "RS256" or not isinstance(claims, dict):
        raise GrantError("invalid_grant", "invalid assertion")
    return claims


def _signed(assertion: str, key: PublicKey) -> bool:
    """Tell whether the signature is RS256 (PKCS #1 v1.5) by the private half of `key`."""
    modulus, exponent = key
    signed, _, encoded = assertion.rpartition(".")
    size = (modulus.bit_length() + 7) // 8
    try:
        signature = int.from_bytes(_decoded(encoded), "big")
    except ValueError:
        return False
    tail = b"\x00" + SHA256_PREFIX + hashlib.sha256(signed.encode()).digest()
    padded = b"\x00\x01" + b"\xff" * (size - 2 - len(tail)) + tail
    return pow(signature, exponent, modulus) == int.from_bytes(padded, "big")
