"""Buttons on an object's page: a verb, sent by POST, that calls one function and says what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from integration_hub.connectors.errors import ConnectorError

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Button:
    """`page`: it opens a page and changes nothing; all others are sent by POST. `confirm` asks first.

    `with_form`: the page gets the object's form as it stands, unsaved, and opens beside it. `needs`: the permission
    without which the button is not shown.
    """

    label: str
    icon: str = ""
    tone: str = "plain"
    confirm: str = ""
    page: bool = False
    with_form: bool = False
    name: str = ""
    url: str = ""
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """What stands above an object's form: its state in words, facts, and problems."""

    pills: Sequence[str] = ()
    sentences: Sequence[str] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    problems: Sequence[str] = ()


def button(
    label: str,
    *,
    icon: str = "",
    tone: str = "plain",
    confirm: str = "",
    page: bool = False,
    with_form: bool = False,
    needs: str = "",
) -> Callable[[Method], Method]:
    """Mark a method `(request, obj) -> response or None` of a model admin as a button."""

    def mark(method: Method) -> Method:
        spec = Button(label, icon, tone, confirm, page, with_form, method.__name__, needs=needs)
        method.button = spec  # type: ignore[attr-defined]
        return method

    return mark


def sentence(error: ConnectorError) -> str:
    """Return what a connector says went wrong, and what to do."""
    return f"{error.message} {error.remedy}".strip()
