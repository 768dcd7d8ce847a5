"""What a form says of wrong input: the field by its name, and what to enter instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.forms import BaseForm
from django.utils.text import capfirst

SAID = {
    "min_value": "At least %(limit_value)s.",
    "max_value": "At most %(limit_value)s.",
    "max_length": "At most %(limit_value)d characters; this has %(show_value)d.",
}
KEY = "Use letters, digits, hyphens and underscores only, such as hot-leads."


def name_fields(form: BaseForm) -> None:
    """Let the form's own errors name their field, and its boxes tell it to those who do not see the label."""
    for name, field in form.fields.items():
        label = str(field.label or name)
        field.error_messages |= SAID | {"required": f"{capfirst(label)} is missing: fill it in."}
        if "slug" in type(field).__name__.lower():
            field.error_messages["invalid"] = KEY


def name_boxes(form: BaseForm) -> None:
    """Give each box the name of its column, for those who do not see it above."""
    for name, field in form.fields.items():
        box: Any = getattr(field.widget, "widget", field.widget)  # out of the links around a choice of rows
        for widget in getattr(box, "widgets", (box,)):
            widget.attrs.setdefault("aria-label", field.label or name)


def wrong(form: BaseForm, formsets: Iterable[Any]) -> Iterator[str]:
    """Name the fields that have errors, each with the row it stands in."""
    yield from _labels(form)
    for one in formsets:
        noun = capfirst(str(one.opts.verbose_name))
        for number, row in enumerate(one.formset.forms, start=1):
            yield from (f"{noun} {number}: {label}" for label in _labels(row))


def _labels(form: BaseForm) -> Iterator[str]:
    for name in form.errors:
        if name in form.fields:
            yield capfirst(str(form.fields[name].label or name))
