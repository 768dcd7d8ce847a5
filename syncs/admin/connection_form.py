"""The form of a connection: built from what its kind asks for; secrets go in and never come out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms

from integration_hub.admin import HubForm, widgets
from integration_hub.connectors.contract import Connector, Setting
from integration_hub.connectors.errors import ConfigError
from syncs import connect
from syncs.models import Connection
from syncs.secrets import ENVIRONMENT_PREFIX

SETTING = "setting_"
SECRET = "secret_"  # noqa: S105 - the prefix of form fields
REMOVE = "remove_"
LONGEST_TEXT = 50_000
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SecretInput(widgets.UnfoldAdminTextareaWidget):  # type: ignore[misc]  # the theme has no types
    """Takes a secret, also one of several lines, and shows it as dots; never prints what is stored."""

    def __init__(self, placeholder: str, attrs: Mapping[str, str]) -> None:
        super().__init__(
            attrs={
                **attrs,
                "rows": 1,
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": placeholder,
            }
        )
        self.attrs["class"] += " hub-secret"

    def format_value(self, value: Any) -> str:
        return ""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, None, attrs)
        return context


class ConnectionForm(HubForm):
    """`wanted` are the settings of the connection's kind; each has a field of this form."""

    wanted: ClassVar[Sequence[Setting]] = ()

    class Meta:
        model = Connection
        fields = "__all__"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for setting in self.wanted:
            if setting.secret:
                self._take_secret(setting, cleaned)
            else:
                self._check(setting, cleaned.get(SETTING + setting.name) or "")
        if self.wanted and not self.errors:
            self._name_what_is_missing(cleaned)
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        connection: Any = self.instance
        cleaned = self.cleaned_data
        plain = {s.name: cleaned.get(SETTING + s.name) or "" for s in self.wanted if not s.secret}
        if self.wanted:
            connection.settings = {**connection.settings, **plain}
        if self.logs_in_elsewhere():
            connection.kept = ""

    def logs_in_elsewhere(self) -> bool:
        """Say whether the next call must log in anew, because where or as whom has changed."""
        settings = [SETTING + s.name for s in self.wanted if not s.secret]
        return bool(self.instance.pk and {"base_url", "environment", *settings} & set(self.changed_data))

    def unset_variables(self) -> list[str]:
        """Return the environment variables that were named and that this process does not have."""
        named = [self.cleaned_data.get(SECRET + s.name) or "" for s in self.wanted if s.secret]
        names = [
            n.removeprefix(ENVIRONMENT_PREFIX).strip() for n in named if n.startswith(ENVIRONMENT_PREFIX)
        ]
        return [name for name in names if name not in os.environ and f"{name}_FILE" not in os.environ]

    def _name_what_is_missing(self, cleaned: dict[str, Any]) -> None:
        """Say at each field that its connector needs it for what was chosen; a secret may be taken back, though."""
        kind: type[Connector] = self.instance.connector_class
        config = {
            s.name: "set" * (s.name in self.instance.secrets)
            if s.secret
            else cleaned.get(SETTING + s.name) or ""
            for s in self.wanted
        }
        by_name = {s.name: s for s in self.wanted}
        for name in kind.missing(config, overridden=bool(cleaned.get("base_url"))):
            setting = by_name[name]
            if cleaned.get(REMOVE + name) and not setting.required:
                continue
            field = (SECRET if setting.secret else SETTING) + name
            self.add_error(field, f"{setting.label} is needed{_chosen(setting, by_name, config)}.")

    def _check(self, setting: Setting, value: str) -> None:
        problem = setting.check(value) if value else ""
        if problem:
            self.add_error(SETTING + setting.name, problem)

    def _take_secret(self, setting: Setting, cleaned: dict[str, Any]) -> None:
        connection: Any = self.instance
        value = (cleaned.get(SECRET + setting.name) or "").replace("\r\n", "\n").strip()
        if cleaned.get(REMOVE + setting.name):
            if value:
                self.add_error(SECRET + setting.name, "Either enter a new one or remove it, not both.")
            connection.secrets = {n: s for n, s in connection.secrets.items() if n != setting.name}
            connection.kept = ""
        if not value:
            return
        if value.startswith(ENVIRONMENT_PREFIX):
            name = value.removeprefix(ENVIRONMENT_PREFIX).strip()
            if not _VARIABLE.fullmatch(name):
                self.add_error(
                    SECRET + setting.name,
                    "After env: comes the name of an environment variable, such as env:SALESFORCE_SECRET.",
                )
                return
        try:
            connect.set_secret(connection, setting.name, value)
        except ConfigError as error:
            self.add_error(SECRET + setting.name, f"{error.message} {error.remedy}")


def form_for(connection: Connection) -> type[ConnectionForm]:
    """Return the form class with a field for each setting of this connection's kind."""
    fields: dict[str, Any] = {"wanted": connection.setting_fields}
    how = connect.secret_names(connection)
    for setting in connection.setting_fields:
        if setting.secret:
            fields |= _secret_fields(setting, how[setting.name])
        else:
            fields[SETTING + setting.name] = _plain_field(setting, connection)
    return type("ConnectionForm", (ConnectionForm,), fields)


def field_names(connection: Connection) -> list[str | tuple[str, ...]]:
    """Return the fields of the kind's settings in the vendor's order, each secret with its "remove" box."""
    how = connect.secret_names(connection)
    names: list[str | tuple[str, ...]] = []
    for setting in connection.setting_fields:
        if not setting.secret:
            names.append(SETTING + setting.name)
        elif how[setting.name]:
            names += [SECRET + setting.name, REMOVE + setting.name]
        else:
            names.append(SECRET + setting.name)
    return names


def _chosen(setting: Setting, by_name: Mapping[str, Setting], config: Mapping[str, str]) -> str:
    """Say for which choice a setting is needed, "" if for all."""
    other = by_name.get(setting.only_for[0])
    return f" for “{dict(other.choices)[config[other.name]]}”" if other else ""


def _plain_field(setting: Setting, connection: Connection) -> forms.Field:
    shared: dict[str, Any] = {
        "label": setting.label,
        "required": setting.required and not setting.only_for[0],
        "help_text": setting.help_text,
        "initial": connection.settings.get(setting.name) or setting.default,
    }
    if setting.choices:
        choices = [*([] if setting.required else [("", "–")]), *setting.choices]
        select = widgets.UnfoldAdminSelectWidget(_when(setting))
        return forms.ChoiceField(choices=choices, widget=select, **shared)
    if setting.multiline:
        area = widgets.UnfoldAdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false", **_when(setting)})
        return forms.CharField(max_length=LONGEST_TEXT, widget=area, **shared)
    return forms.CharField(
        max_length=500, widget=widgets.UnfoldAdminTextInputWidget(attrs=_when(setting)), **shared
    )


def _when(setting: Setting) -> dict[str, str]:
    """Return what tells the page for which choices to show the field (settings.js)."""
    name, choices = setting.only_for
    return {"data-only-for": SETTING + name, "data-choices": " ".join(choices)} if name else {}


def _secret_fields(setting: Setting, how: str) -> dict[str, forms.Field]:
    state = f"Now: {how}." if how else "Now: not set."
    hint = "Leave empty to keep what is set" if how else "Not set"
    words = f"{state} {setting.help_text} Or env:NAME for an environment variable.".replace("  ", " ")
    fields: dict[str, forms.Field] = {
        SECRET + setting.name: forms.CharField(
            label=setting.label,
            required=False,
            help_text=words,
            widget=SecretInput(hint, _when(setting)),
            strip=True,
        )
    }
    if how:
        fields[REMOVE + setting.name] = forms.BooleanField(
            label=f"Remove: {setting.label}",
            required=False,
            widget=widgets.UnfoldBooleanWidget(_when(setting)),
        )
    return fields
