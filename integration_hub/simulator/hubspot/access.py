"""Who may call: static tokens, OAuth tokens and the scopes they were given."""

from __future__ import annotations

import itertools
import time

from integration_hub.simulator.hubspot.errors import HubSpotError
from integration_hub.simulator.serving import Call, Response, json_response
from integration_hub.simulator.world import Clock

ACCESS_TOKEN = "pat-eu1-demo-0000-access-token"  # noqa: S105 - the credentials of a pretend portal
CLIENT_ID = "demo-hubspot-client-id"
CLIENT_SECRET = "demo-hubspot-client-secret"  # noqa: S105 - see ACCESS_TOKEN
REFRESH_TOKEN = "demo-hubspot-refresh-token"  # noqa: S105 - see ACCESS_TOKEN
LIFETIME = 1_800
_OBJECTS = ("contacts", "companies", "deals", "line_items", "orders", "custom")
SCOPES = frozenset(
    {f"crm.objects.{name}.{verb}" for name in _OBJECTS for verb in ("read", "write")}
    | {f"crm.schemas.{name}.{verb}" for name in _OBJECTS for verb in ("read", "write")}
    | {"crm.objects.owners.read", "oauth"}
)


class Access:
    """Tokens and scopes. Tests take scopes away, let tokens expire and revoke the app."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.scopes = set(SCOPES)
        self.revoked = False
        self._issued: dict[str, float] = {}
        self._numbers = itertools.count(1)
        # A token of an earlier life of this world must stay unknown to the next one.
        self._life = f"{time.monotonic_ns():x}"

    def expire_tokens(self) -> None:
        """End all OAuth sessions; new tokens are handed out."""
        self._issued = dict.fromkeys(self._issued, 0.0)

    def check(self, call: Call, *scopes: str) -> bool:
        """Raise HubSpotError unless the call may use these scopes; return whether it came with an OAuth token."""
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        by_oauth = token in self._issued
        if scheme != "Bearer" or self.revoked or not (by_oauth or token == ACCESS_TOKEN):
            raise HubSpotError(
                401,
                "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
                "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            )
        if by_oauth and self._issued[token] <= self.clock().timestamp():
            raise HubSpotError(
                401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired."
            )
        absent = [scope for scope in scopes if scope not in self.scopes]
        if absent:
            raise missing_scopes(absent)
        return by_oauth

    def token(self, call: Call) -> Response:
        """Answer the token endpoint; it knows refresh tokens only."""
        form = call.form()
        refusal = self._refusal(form)
        if refusal:
            return json_response({"status": refusal[0], "message": refusal[1], "correlationId": "demo"}, 400)
        token = f"CNDemo-{self._life}-{next(self._numbers)}"
        self._issued[token] = self.clock().timestamp() + LIFETIME
        answer = {"token_type": "bearer", "access_token": token, "expires_in": LIFETIME}
        return json_response(answer | {"refresh_token": REFRESH_TOKEN})

    def _refusal(self, form: dict[str, str]) -> tuple[str, str] | None:
        if form.get("grant_type") != "refresh_token":
            return "BAD_GRANT_TYPE", "missing or unknown grant type"
        if form.get("client_id") != CLIENT_ID:
            return "BAD_CLIENT_ID", "missing or unknown client id"
        if form.get("client_secret") != CLIENT_SECRET:
            return "BAD_CLIENT_SECRET", "missing or unknown client secret"
        if form.get("refresh_token") != REFRESH_TOKEN or self.revoked:
            return "BAD_REFRESH_TOKEN", "missing or unknown refresh token"
        return None


def missing_scopes(scopes: list[str]) -> HubSpotError:
    return HubSpotError(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: "
        "https://developers.hubspot.com/scopes.",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": scopes},
            }
        ],
        extra={"links": {"scopes": "https://developers.hubspot.com/scopes"}},
    )
