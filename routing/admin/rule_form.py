"""The form of a rule and its criteria: what is wrong is said next to the field it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet
from django.utils import timezone

from integration_hub.admin import HubForm, ModelForm, SuggestedInput, widgets
from routing import validation
from routing.models import Rule, RuleCriterion
from routing.rulebook import draft_of
from routing.validation import Finding
from syncs.models import Connection, Stream

FIELDS = "stream-fields"
"""The list of field names that all boxes for a field share."""


if TYPE_CHECKING:
    _FormSet = BaseInlineFormSet[Any, Any, Any]  # generic in its stubs only
else:
    _FormSet = BaseInlineFormSet


class RuleForm(HubForm):
    class Meta:
        model = Rule
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "watched_field" in self.fields:
            self.fields["watched_field"].widget = SuggestedInput(FIELDS, field_options(self.instance))
        destination: Any = self.fields.get("destination")
        if destination is not None:
            senders = [one.pk for one in Connection.objects.all() if one.sends_messages]
            destination.queryset = Connection.objects.filter(pk__in=senders)

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        self.instance.form = self  # the formset of the criteria judges the rule as a whole


class CriterionForm(ModelForm):
    class Meta:
        model = RuleCriterion
        fields = ("number", "field", "operator", "value")
        widgets = {
            "field": SuggestedInput(FIELDS),
            "value": widgets.UnfoldAdminExpandableTextareaWidget(attrs={"rows": 1}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["number"].required = False


class CriterionFormSet(_FormSet):
    """Judges the rule with its rows as they would be saved, equal numbers among them."""

    def clean(self) -> None:
        kept = [form for form in self.forms if _is_kept(form)]
        self._number(kept)
        rule_form: Any = self.instance.form  # set by RuleForm
        if rule_form.errors or any(form.errors for form in kept):
            return
        draft = draft_of(self.instance, [form.instance for form in kept])
        found = validation.problems(draft, timezone.now())
        self.instance.warnings = [one.message for one in found if one.warning]
        wrong = [one for one in found if not one.warning]
        for one in wrong:
            _say(one, rule_form, kept)
        if any(isinstance(one.place, str) for one in wrong):
            raise ValidationError("Not saved yet: see the fields that are marked.")

    @staticmethod
    def _number(kept: list[Any]) -> None:
        """Give rows without a number the next free one, in their order."""
        taken = {form.instance.number for form in kept if form.instance.number}
        for form in kept:
            if not form.instance.number:
                form.instance.number = max(taken, default=0) + 1
                form.cleaned_data["number"] = form.instance.number
                taken.add(form.instance.number)


def field_options(rule: Rule) -> list[tuple[str, str]]:
    """Return (name, label) of the fields of the rule's stream, or of all streams for a new rule."""
    streams = [rule.stream] if rule.stream_id else list(Stream.objects.all())
    schemas = [stream.object_schema for stream in streams]
    return sorted({(f.name, f.label) for schema in schemas if schema for f in schema.fields.values()})


def _is_kept(form: Any) -> bool:
    if not hasattr(form, "cleaned_data"):
        return False
    return bool((form.instance.pk or form.has_changed()) and not form.cleaned_data.get("DELETE"))


def _say(finding: Finding, rule_form: Any, kept: list[Any]) -> None:
    if isinstance(finding.place, str):
        rule_form.add_error(finding.place if finding.place in rule_form.fields else None, finding.message)
        return
    _, index, part = finding.place
    form = kept[index]
    form.add_error(part if part in form.fields else None, finding.message)
