"""Names and codes of countries, as people write them, to one form. The names are ISO's, by pycountry."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

import pycountry

FORMS = ("alpha-2", "alpha-3", "name")
"""What may be asked for: DE, DEU, or Germany. The first is the default."""

_ALIASES = {
    "uk": "GB", "great britain": "GB", "britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB",
    "northern ireland": "GB", "united states of america": "US", "u s a": "US", "u s": "US", "america": "US",
    "holland": "NL", "the netherlands": "NL", "deutschland": "DE", "osterreich": "AT", "schweiz": "CH",
    "suisse": "CH", "espana": "ES", "italia": "IT", "belgique": "BE", "belgie": "BE", "polska": "PL",
    "czech republic": "CZ", "russia": "RU", "south korea": "KR", "republic of korea": "KR", "korea": "KR",
    "north korea": "KP", "vietnam": "VN", "viet nam": "VN", "taiwan": "TW", "iran": "IR", "syria": "SY",
    "laos": "LA", "bolivia": "BO", "venezuela": "VE", "tanzania": "TZ", "moldova": "MD", "brunei": "BN",
    "ivory coast": "CI", "cape verde": "CV", "macedonia": "MK", "swaziland": "SZ", "burma": "MM",
    "turkey": "TR", "turkiye": "TR", "uae": "AE", "emirates": "AE", "hong kong": "HK", "macau": "MO",
    "palestine": "PS", "vatican": "VA", "drc": "CD", "brasil": "BR", "mexico": "MX", "eire": "IE",
    "republic of ireland": "IE",
}  # fmt: skip
"""What people write and ISO does not say."""


@lru_cache(maxsize=4096)
def find(said: str, form: str) -> str | None:
    """Return the country in this form, None if what was said is no country's name or code."""
    alias = _ALIASES.get(_folded(said))
    country = pycountry.countries.get(alpha_2=alias) if alias else _looked_up(said.strip())
    if country is None:
        return None
    if form == "name":
        return str(getattr(country, "common_name", country.name))
    return str(country.alpha_3 if form == "alpha-3" else country.alpha_2)


def _looked_up(words: str) -> Any:
    if words.isdecimal():
        return None  # a number is more likely a slip than ISO's number of a country
    try:
        return pycountry.countries.lookup(words)
    except LookupError:
        return _by_folded_name().get(_folded(words))


@lru_cache(maxsize=1)
def _by_folded_name() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for country in pycountry.countries:
        for name in (
            country.name,
            getattr(country, "common_name", ""),
            getattr(country, "official_name", ""),
        ):
            found.setdefault(_folded(name), country)
    found.pop("", None)
    return found


def _folded(text: str) -> str:
    """Return it without accents, capitals, dots, commas and spaces too many."""
    plain = unicodedata.normalize("NFKD", text)
    letters = "".join(one for one in plain if not unicodedata.combining(one)).casefold()
    return " ".join(letters.replace(".", " ").replace(",", " ").split())
