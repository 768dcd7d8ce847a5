"""What may leave to an API of which we know nothing: paths below its address, headers that are headers, the login."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from integration_hub.connectors.errors import ConfigError, RejectedError
from integration_hub.connectors.transport import check_base_url

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "cookie", "expect", "te", "upgrade"}
)
_LOGIN = "authorization"


def safe_path(path: str) -> str:
    """Return a path (with its query) that stays below the base address. ValueError: a sentence on why it does not."""
    plain = path.partition("?")[0]
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError(
            "a path begins with one “/”, such as /customers; the host is that of the connection."
        )
    if any(ord(char) <= 32 or ord(char) == 127 for char in path) or "\\" in path or "#" in path:
        raise ValueError("a path holds no spaces, line breaks, “\\” or “#”.")
    decoded = unquote(unquote(plain)).replace("\\", "/")
    if any(part in {".", ".."} for part in decoded.split("/")):
        raise ValueError("a path holds no “..”: it stays below the address of the connection.")
    return path


def read_headers(text: str) -> dict[str, str]:
    """Return the headers of a text with one `Name: value` a line. ValueError: a sentence."""
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"Line {number}: write “Name: value”.")
        try:
            found.update(checked_headers({name.strip(): value.strip()}))
        except ValueError as error:
            raise ValueError(f"Line {number}: {error}") from None
    return found


def checked_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return them as texts. ValueError: one that cannot be sent, or that is not for a caller to set."""
    found = {}
    for name, given in headers.items():
        value = str(given)
        if not _NAME.fullmatch(str(name)):
            raise ValueError("that is not the name of a header.")
        if name.lower() in _OURS:
            raise ValueError(f"{name} is set by the hub.")
        if name.lower() == _LOGIN:
            raise ValueError("Authorization is set by the login of the connection.")
        if any(ord(char) < 32 or ord(char) > 255 or ord(char) == 127 for char in value):
            raise ValueError(
                f"the value of {name} holds a line break or another character no header may have."
            )
        found[str(name)] = value
    return found


def login_headers(config: Mapping[str, str]) -> dict[str, str]:
    """Return what proves who we are. ConfigError: a part of it is missing."""
    auth = config.get("auth") or "none"
    if auth == "bearer":
        return {"Authorization": f"Bearer {_needed(config, 'token', 'Token')}"}
    if auth == "basic":
        pair = f"{_needed(config, 'username', 'User name')}:{config.get('password', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if auth == "header":
        name = _needed(config, "header_name", "Header")
        if not _NAME.fullmatch(name):
            raise ConfigError(f"“{name}” is not the name of a header.", remedy="Correct the field “Header”.")
        return {name: _needed(config, "header_value", "Value of the header")}
    return {}


def following_path(target: str, current: str, base_url: str) -> str:
    """Return the path of the next page below the base address. ConfigError: it leads elsewhere.

    `target` is as the API gave it, `current` the address of the page that named it.
    """
    there, base = urlsplit(urljoin(current, target)), urlsplit(base_url)
    prefix = base.path.rstrip("/")
    same = (there.scheme, there.netloc) == (base.scheme, base.netloc)
    path = there.path.removeprefix(prefix) + (f"?{there.query}" if there.query else "")
    try:
        if same and there.path.startswith(f"{prefix}/"):
            return safe_path(path)
    except ValueError:
        pass
    raise ConfigError(
        f"The next page is at another address: {there.hostname or 'unknown'}.",
        code="query",
        remedy="Enter that address in the connection, or choose another way of paging.",
    )


def call_of(values: Mapping[str, Any]) -> tuple[str, str, dict[str, str], Any]:
    """Return (method, path, headers, body) of a call. RejectedError: it is none that may leave."""
    method = str(values.get("method") or "GET").upper()
    headers = values.get("headers") or {}
    if method not in METHODS:
        raise _not_to_be_made(f"the method is not one of {', '.join(METHODS)}.")
    if not isinstance(headers, Mapping):
        raise _not_to_be_made("headers must be names and values.")
    try:
        return method, safe_path(str(values.get("path") or "")), checked_headers(headers), values.get("body")
    except ValueError as error:
        raise _not_to_be_made(str(error)) from None


def _not_to_be_made(why: str) -> RejectedError:
    return RejectedError(
        f"The request cannot be made: {why}", code="request", remedy="Correct the step that makes it."
    )


def address_problem(text: str) -> str:
    try:
        check_base_url(text)
    except ConfigError as error:
        return error.message
    return ""


def headers_problem(text: str) -> str:
    return _sentence_of(lambda: read_headers(text))


def path_problem(text: str) -> str:
    return _sentence_of(lambda: safe_path(text))


def header_name_problem(text: str) -> str:
    return "" if _NAME.fullmatch(text) else "That is not the name of a header."


def rate_problem(text: str) -> str:
    try:
        fine = 0.01 <= float(text) <= 1000
    except ValueError:
        fine = False
    return "" if fine else "Enter a number from 0.01 to 1000, such as 5."


def _sentence_of(run: Any) -> str:
    try:
        run()
    except ValueError as error:
        text = str(error)
        return f"{text[0].upper()}{text[1:]}"
    return ""


def _needed(config: Mapping[str, str], name: str, label: str) -> str:
    value = config.get(name, "")
    if not value:
        raise ConfigError(f"{label} is missing.", code="setting_missing", remedy=f"Fill the field “{label}”.")
    return value
