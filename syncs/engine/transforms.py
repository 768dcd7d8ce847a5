"""What a mapping's lines may do to a value: each transform takes one that is not empty, or refuses it.

Dates, numbers and the like leave in the one form that fixes the right type at a destination: the first value that
is ever written to a field decides that for good. A number is always a float, so that 1 does not forbid 1.5 later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from syncs.engine import countries
from syncs.engine.freemail import FREEMAIL

Transform = Callable[[Any], Any]

SCALARS = frozenset({str, int, float, bool})
HOME = "US"
"""The country of a phone number without a country code, unless the line's expression names another."""
LONGEST_USER_ID = 52
_LONG = 2**63
_HOST = re.compile(
    r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]"
).fullmatch
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_TRUE = frozenset({"true", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "no", "n", "0", "off"})
# What needs no second look. It is stricter than the library, to which all others go.
_ORDINARY_EMAIL = re.compile(
    r"(?=.{6,64}\Z)[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@"
    r"(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+(?!(?:arpa|invalid|local|localhost|onion)\Z)[a-z]{2,63}"
).fullmatch


class UnfitError(ValueError):
    """A value that cannot become what the line asks for. `wanted` reads on after "does not hold"."""

    def __init__(self, wanted: str, code: str = "does_not_fit") -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.code = code


def plain(value: Any) -> Any:
    """Return a single value, or a list of such, as it is."""
    if type(value) in SCALARS:
        if type(value) is float and not isfinite(value):
            raise UnfitError("a number")
        return value
    if isinstance(value, list | tuple) and all(type(one) in SCALARS for one in value):
        return [plain(one) for one in value]
    raise UnfitError("a single value; name a field of it")


def text(value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in (int, float):
        return str(int(value)) if _is_whole(value) else str(value)
    raise UnfitError("a text")


def trim(value: Any) -> str:
    return text(value).strip()


def lower(value: Any) -> str:
    return trim(value).lower()


def title(value: Any) -> str:
    """Return each word with a capital, `O'Neil` and `D’Angelo` as their owners write them."""
    return _WORD.sub(_capitals, trim(value))


def day(value: Any) -> str:
    """Return YYYY-MM-DD; of an instant, its day in UTC."""
    return _moment(value, "a date").date().isoformat()


def instant(value: Any) -> str:
    """Return `2026-11-20 12:00:00 +00:00`, which a destination recognizes as an instant."""
    return _moment(value, "a date and time").isoformat(" ", "seconds").replace("+", " +")


def number(value: Any) -> float:
    try:
        found = float(_digits(value))
    except (ValueError, OverflowError):
        raise UnfitError("a number") from None
    if not isfinite(found):
        raise UnfitError("a number")
    return found


def integer(value: Any) -> int:
    try:
        exact = Decimal(_digits(value))
        # The size first: 1e999999 would take minutes to write out.
        if abs(exact) < _LONG and exact == int(exact):
            return int(exact)
    except (ArithmeticError, ValueError):
        pass
    raise UnfitError("a whole number")


def boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    said = lower(value)
    if said in _TRUE:
        return True
    if said in _FALSE:
        return False
    raise UnfitError("true or false")


def several(value: Any) -> list[Any]:
    """Return the choices of a multi-select picklist, whose names stand between semicolons."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value if one not in ("", None) and not isinstance(one, list | tuple)]
    return [one.strip() for one in text(value).split(";") if one.strip()]


def phone(region: str) -> Transform:
    """Return the transform to E.164 for numbers that are at home in this country."""
    home = region.strip().upper() or HOME

    def to_e164(value: Any) -> str:
        try:
            found = phonenumbers.parse(trim(value), home)
        except phonenumbers.NumberParseException:
            raise UnfitError("a phone number") from None
        if not phonenumbers.is_possible_number(found):
            raise UnfitError("a phone number")
        return str(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164))

    return to_e164


def is_country(region: str) -> bool:
    return region.strip().upper() in phonenumbers.SUPPORTED_REGIONS


def country(form: str) -> Transform:
    """Return the transform of a country's name or code to this form, one of `countries.FORMS`."""
    wanted = form.strip().lower() or countries.FORMS[0]

    def to_country(value: Any) -> str:
        found = countries.find(trim(value), wanted)
        if found is None:
            raise UnfitError("a country's name or code")
        return found

    return to_country


def is_country_form(form: str) -> bool:
    return form.strip().lower() in countries.FORMS


def domain(value: Any) -> str | None:
    """Return the domain of an e-mail or web address, None for one at which anybody gets an address."""
    said = lower(value)
    host = said.rpartition("@")[2] if "@" in said and "://" not in said else _host(said)
    try:
        found = host.removesuffix(".").encode("ascii" if host.isascii() else "idna").decode("ascii")
    except UnicodeError:
        raise UnfitError("an e-mail or web address") from None
    if not _HOST(found):
        raise UnfitError("an e-mail or web address")
    return None if found in FREEMAIL else found


def email(value: Any) -> str:
    """Return the address in lower case, if its syntax allows it to exist; nobody is asked."""
    address = lower(value)
    if _ORDINARY_EMAIL(address):
        return address
    try:
        # .test is kept for rehearsals, where it must pass.
        found = validate_email(
            address, check_deliverability=False, allow_smtputf8=False, strict=True, test_environment=True
        )
    except (EmailNotValidError, ValueError):
        raise UnfitError("a valid e-mail address", "invalid_email") from None
    return (found.ascii_email or address).lower()


def user_id(value: Any) -> str:
    found = trim(value)
    if len(found) > LONGEST_USER_ID or not (found.isascii() and found.isprintable()):
        raise UnfitError(
            f"a user id: at most {LONGEST_USER_ID} plain letters, digits and signs", "invalid_user_id"
        )
    return found


TRANSFORMS: Mapping[str, Transform] = {
    "": plain,
    "trim": trim,
    "lower": lower,
    "title": title,
    "date": day,
    "datetime": instant,
    "number": number,
    "integer": integer,
    "boolean": boolean,
    "list": several,
    "email": email,
    "domain": domain,
}
"""Those that need no more than the value."""
WITH_ARGUMENT: Mapping[str, Callable[[str], Transform]] = {"phone": phone, "country": country}
"""Those that need the line's expression: the country of a number without a code, the form of a country."""


def special(destination: str) -> Transform | None:
    """Return what is asked, besides, of the paths by which a destination knows people."""
    if destination == "email" or destination.endswith(".email"):
        return email
    return user_id if destination == "userId" else None


def _host(said: str) -> str:
    try:
        found = urlsplit(said if "://" in said else f"//{said}").hostname or ""
    except ValueError:
        return ""
    return found.removeprefix("www.")


def _is_whole(value: float) -> bool:
    return type(value) is int or (isfinite(value) and value == int(value) and abs(value) < 1e15)


def _digits(value: Any) -> str:
    """Return the text of a number; `1_000`, which Python would read, is none."""
    said = str(value) if type(value) in (int, float) else value.strip() if type(value) is str else ""
    if not said or "_" in said:
        raise ValueError(said)
    return said


def _moment(value: Any, wanted: str) -> datetime:
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime(value.year, value.month, value.day, tzinfo=UTC)
    else:
        try:
            found = datetime.fromisoformat(trim(value))
        except ValueError:
            raise UnfitError(wanted) from None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise UnfitError(wanted) from None


def _capitals(word: re.Match[str]) -> str:
    parts = re.split("(['’])", word[0])
    rest = [one.capitalize() if len(parts[0]) == 1 else one.lower() for one in parts[1:]]
    return "".join([parts[0].capitalize(), *rest])
