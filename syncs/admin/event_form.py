"""The forms of an event source: secrets go in and never come out, schemas and samples are checked as they are saved."""

from __future__ import annotations

import json
import re
from typing import Any

from django import forms
from django.utils import timezone

from integration_hub.admin import ModelForm, widgets
from integration_hub.connectors.errors import ConfigError
from syncs import secrets
from syncs.admin.connection_form import SecretInput
from syncs.models import EventSecret, EventType

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SHORTEST = 16
"""Characters: what is shorter can be guessed."""


class SecretForm(ModelForm):
    """One secret of a source. What is stored is never shown; left empty, it stays as it is."""

    value = forms.CharField(
        label="secret", required=False, strip=True, widget=SecretInput("Leave empty to keep", {})
    )

    class Meta:
        model = EventSecret
        fields = ("label", "value", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["value"].help_text = "Paste one, or env:NAME for an environment variable."
        if not self.instance.pk:
            self.fields["value"].widget.attrs["placeholder"] = "Paste it here"

    def clean_value(self) -> str:
        value: str = self.cleaned_data["value"]
        named = value.startswith(secrets.ENVIRONMENT_PREFIX)
        if not value and not self.instance.pk:
            raise forms.ValidationError(
                "Paste a secret, name a variable, or press Generate secret after saving."
            )
        if named and not _VARIABLE.fullmatch(value.removeprefix(secrets.ENVIRONMENT_PREFIX).strip()):
            raise forms.ValidationError(
                "After env: comes the name of an environment variable, such as env:SHOP_TOKEN."
            )
        if value and not named and len(value) < SHORTEST:
            raise forms.ValidationError(f"Use at least {SHORTEST} characters: a shorter one can be guessed.")
        return value

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        value = self.cleaned_data.get("value")
        if not self.instance.created_at:
            self.instance.created_at = timezone.now()
        if not value:
            return
        try:
            self.instance.kept = secrets.stored(value)
        except ConfigError as error:
            self.add_error("value", f"{error.message} {error.remedy}")


class JsonField(forms.JSONField):
    """JSON in a box, shown with its lines as a person reads it."""

    widget = widgets.UnfoldAdminTextareaWidget(attrs={"rows": 8, "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except (forms.ValidationError, RecursionError):
            raise forms.ValidationError(_place_of_error(value)) from None

    def prepare_value(self, value: Any) -> Any:
        return (
            value
            if isinstance(value, str)
            else json.dumps(value, indent=2, ensure_ascii=False)
            if value
            else ""
        )


def _place_of_error(text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"This is no JSON, from line {error.lineno}, column {error.colno} on: {error.msg}."
    except RecursionError:
        return "This is nested too deeply."
    return "This is no JSON."


class TypeForm(ModelForm):
    schema = JsonField(
        required=False, label="JSON Schema", help_text="What the event must look like. Empty: anything goes."
    )
    sample = JsonField(
        required=False, help_text="An example; it must fit the schema. Flows are checked and tried with it."
    )

    class Meta:
        model = EventType
        fields = (
            "name", "description", "schema", "sample", "stream", "record_path", "id_path", "modified_path",
            "is_deletion", "completed_by_read",
        )  # fmt: skip
