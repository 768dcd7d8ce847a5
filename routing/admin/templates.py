"""Message templates, checked while they are written and shown on a real record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from integration_hub.admin import HubForm, HubInline, HubModelAdmin, widgets
from integration_hub.console import preview
from integration_hub.console.buttons import Panel, button
from routing import messages, rehearsal
from routing.messages import MessageError, TemplateTexts
from routing.models import MessageTemplate, TemplateField
from routing.rulebook import alias_of, texts_of
from syncs.models import Stream

CSRF = "csrfmiddlewaretoken"
TEXTS = ("header", "body", "link_label", "context")

if TYPE_CHECKING:
    _FormSet = BaseInlineFormSet[Any, Any, Any]  # generic in its stubs only
else:
    _FormSet = BaseInlineFormSet


class TemplateForm(HubForm):
    """Says next to each text what is wrong with it, judged on the stream of a rule that uses it."""

    class Meta:
        model = MessageTemplate
        fields = "__all__"
        widgets = {
            "body": widgets.UnfoldAdminTextareaWidget(attrs={"rows": 5}),
            "context": widgets.UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        header, body, label, context = (cleaned.get(name) or "" for name in TEXTS)
        texts = TemplateTexts(header=header, body=body, link_label=label, context=context)
        for part, message in messages.problems(texts, sample(self.instance)):
            self.add_error(part if part in self.fields else None, message)
        return cleaned


class TemplateFieldFormSet(_FormSet):
    def clean(self) -> None:
        super().clean()
        known = sample(self.instance)
        for form in self.forms:
            value = form.cleaned_data.get("value") if hasattr(form, "cleaned_data") else ""
            if not value or form.cleaned_data.get("DELETE"):
                continue
            texts = TemplateTexts(header="", fields=((form.cleaned_data.get("label") or "", value),))
            for _, message in messages.problems(texts, known):
                form.add_error("value", message)


class TemplateFieldInline(HubInline):
    model = TemplateField
    formset = TemplateFieldFormSet
    verbose_name_plural = "fields (label and value)"


@admin.register(MessageTemplate)
class MessageTemplateAdmin(HubModelAdmin):
    empty = (
        "No message templates yet",
        "A template says how a message reads. Several rules may share it.",
    )
    form = TemplateForm
    list_display = ("name", "header", "used_by")
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    fields = ("name", "key", "header", "body", "link_label", "context")
    inlines = (TemplateFieldInline,)
    buttons = ("preview",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("rules")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else self.prepopulated_fields

    @admin.display(description="used by")
    def used_by(self, obj: MessageTemplate) -> str:
        return ", ".join(rule.name for rule in obj.rules.all()) or "–"

    def get_panel(self, request: HttpRequest, obj: MessageTemplate) -> Panel:
        stream = stream_of(obj)
        alias = alias_of(stream) if stream else "record"
        words = (
            f"Print fields of the record as {{{{ {alias}.Name }}}}, and {{{{ owner.name }}}}, {{{{ person.name }}}}, "
            "{{ rule.name }} or {{ age_minutes }}. *bold* and _italic_ work in the body and the small line."
        )
        return Panel(sentences=(words,))

    @button("Preview", icon="visibility", tone="primary", page=True, with_form=True)
    def preview(self, request: HttpRequest, obj: MessageTemplate) -> HttpResponse:
        """Show the message: as typed, when the form was sent along; else as saved."""
        unsaved = request.method == "POST" and self.may_act(request)
        texts = self._typed(request, obj) if unsaved else texts_of(obj)
        streams = list(Stream.objects.select_related("connection"))
        stream = next(
            (s for s in streams if s.key == request.GET.get("stream")),
            stream_of(obj) or next(iter(streams), None),
        )
        error, payload, change = "", None, None
        try:
            payload, change = rehearsal.rendered(texts, stream, timezone.now())
        except MessageError as failure:
            error = str(failure)
        context = {
            **self.admin_site.each_context(request),
            "title": "Preview",
            "template": obj,
            "message": preview.message(payload) if payload else None,
            "error": error,
            "change": change,
            "streams": streams,
            "stream": stream,
            "back": self.page_of(obj),
            "subject": obj,
            "typed": _typed_again(request) if unsaved else None,
        }
        return render(request, "hub/template_preview.html", context)

    def _typed(self, request: HttpRequest, obj: MessageTemplate) -> TemplateTexts:
        formset: Any = TemplateFieldInline(MessageTemplate, self.admin_site).get_formset(request, obj)
        rows = [one for one in formset(request.POST, instance=obj).forms if not _is_deleted(one)]
        fields = [
            (str(one["label"].value() or ""), str(one["value"].value() or ""))
            for one in sorted(rows, key=_place)
        ]
        header, body, label, context = (request.POST.get(name, "") for name in TEXTS)
        return TemplateTexts(
            header=header,
            body=body,
            fields=tuple(pair for pair in fields if any(pair)),
            link_label=label,
            context=context,
        )


def _is_deleted(row: Any) -> bool:
    return "DELETE" in row.fields and bool(row["DELETE"].value())


def _place(row: Any) -> int:
    typed = str(row["position"].value() or "")
    return int(typed) if typed.isdecimal() else 0


def _typed_again(request: HttpRequest) -> list[tuple[str, str]]:
    """Return what was sent, for the page to send it once more on another stream."""
    return [(name, value) for name, values in request.POST.lists() for value in values if name != CSRF]


def stream_of(template: MessageTemplate) -> Stream | None:
    """Return the stream of a rule that uses the template."""
    rule = template.rules.select_related("stream__connection").first() if template.pk else None
    return rule.stream if rule else None


def sample(template: MessageTemplate) -> dict[str, object]:
    """Return what templates may print; without a described stream any field of a record may exist."""
    stream = stream_of(template)
    known = rehearsal.variables(stream, None, timezone.now())
    if stream is None or stream.object_schema is None:
        names = (
            {s.object_type.lower() for s in Stream.objects.all()}
            if stream is None
            else {stream.object_type.lower()}
        )
        known |= dict.fromkeys(("record", *names))
    return known
