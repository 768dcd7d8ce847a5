"""The ground of the admin: the only module that knows the theme's admin classes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import available_timezones

import django_q.admin  # noqa: F401 - its registrations come first, so that they can be replaced here
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import Model, ProtectedError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold import widgets as widgets
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator

from integration_hub.connectors.errors import ConnectorError
from integration_hub.console import pills, versioned, wording
from integration_hub.console.buttons import Button, Panel, sentence
from integration_hub.console.deletion import blockers

admin.site.index_template = "hub/dashboard.html"
admin.site.index_title = "Dashboard"

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]  # generic in its stubs only
else:
    ModelForm = forms.ModelForm

STALE = (
    "Somebody else changed this after you opened it, so nothing was saved. "
    "Open it again in another tab, compare, and repeat your change there."
)
MOVED = "Nothing was saved: something this refers to was changed or deleted meanwhile. Look again and repeat."


def _show_all_fields(adminform: Any) -> None:
    """Show also the fields that depend on another's input: a page that only shows has no inputs to go by."""
    adminform.model_admin = copy(adminform.model_admin)
    adminform.model_admin.conditional_fields = {}


class HubForm(ModelForm):
    """A form that refuses to overwrite what somebody else saved since it was opened."""

    loaded: ClassVar[str] = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wording.name_fields(self)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.loaded and self.instance.pk and self.loaded != fingerprint(self.instance):
            raise forms.ValidationError(STALE)
        return cleaned


class HubModelAdmin(ModelAdmin):  # type: ignore[misc]  # the theme has no types
    """A page about one kind of configuration. `buttons` names methods marked with `buttons.button`."""

    form: type[ModelForm] = HubForm
    buttons: ClassVar[Sequence[str]] = ()
    warn_unsaved_form = True
    show_facets = admin.ShowFacets.NEVER
    change_form_outer_before_template: str | None = "hub/panel.html"
    change_form_before_template = "hub/loaded.html"
    list_per_page = 50
    part_of = ""
    """The field that names the row which this one is a part of, for the way to its page."""
    empty: ClassVar[tuple[str, str]] = ("", "")
    """What an empty list says: that nothing is here, and what would bring something."""
    empty_next: ClassVar[tuple[str, str] | None] = None
    """The page to go to from an empty list: the name of its address, and the words on the button."""

    class Media:
        css = {"all": ("hub/hub.css",)}

    def get_panel(self, request: HttpRequest, obj: Any) -> Panel | None:
        """Say what stands above the form of `obj`; None: nothing but the buttons."""
        return None

    def get_buttons(self, request: HttpRequest, obj: Any) -> Sequence[str]:
        return self.buttons

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if issubclass(form, HubForm) and request.method == "POST":
            form.loaded = request.POST.get("_loaded", "")
        return form

    def get_urls(self) -> list[Any]:
        meta = self.model._meta
        name = f"{meta.app_label}_{meta.model_name}_do"
        view = self.admin_site.admin_view(self.button_view)
        return [path("<path:object_id>/do/<slug:name>/", view, name=name), *super().get_urls()]

    def button_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Press a button; whatever a vendor answers becomes a message on the object's page."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
            return gone
        if name not in self.get_buttons(request, obj):
            messages.warning(request, "That cannot be done now: its state has changed meanwhile.")
            return HttpResponseRedirect(self.page_of(obj))
        method: Callable[[HttpRequest, Any], HttpResponse | None] = getattr(self, name)
        spec: Button = method.button  # type: ignore[attr-defined]  # set by the decorator
        if not (self.has_view_permission(request, obj) if spec.page else self.may_act(request)):
            raise PermissionDenied
        if not spec.page and request.method != "POST":
            return HttpResponseRedirect(self.page_of(obj))
        try:
            response = method(request, obj)
        except ConnectorError as error:
            messages.error(request, sentence(error))
            response = None
        return response or HttpResponseRedirect(self.page_of(obj))

    def may_act(self, request: HttpRequest) -> bool:
        """Say whether this user may press the buttons that change something."""
        return bool(self.has_change_permission(request))

    def may_see(self, request: HttpRequest, obj: Any, spec: Button) -> bool:
        """Say whether this user gets the button on the page of `obj`."""
        return (spec.page or self.may_act(request)) and (not spec.needs or request.user.has_perm(spec.needs))

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Let the actions of a list ask for the same right: `permissions=["act"]`."""
        return self.may_act(request)

    def page_of(self, obj: Model, action: str = "change", **more: str) -> str:
        meta = self.model._meta
        args = [quote(obj.pk), *more.values()]
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_{action}", args=args)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = kwargs.get("obj")
        if obj is not None and obj.pk:
            context["loaded"] = request.POST.get("_loaded") or fingerprint(obj)
            context["panel"] = self.get_panel(request, obj)
            context["versions_url"] = versioned.link(request, obj)
            context["object_buttons"] = [
                one
                for one in (self._button(name, obj) for name in self.get_buttons(request, obj))
                if self.may_see(request, obj, one["spec"])
            ]
        if obj is not None and not self.has_change_permission(request, obj):
            _show_all_fields(context["adminform"])
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except IntegrityError:
            messages.error(request, MOVED)
            return HttpResponseRedirect(request.get_full_path())
        return response

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Leave out the deletion of many: each is deleted on its own page, where what is in the way is said."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, obj):
            raise PermissionDenied
        in_the_way = blockers(obj) if obj is not None else []
        if not in_the_way:
            try:
                response: HttpResponse = super().delete_view(request, object_id, extra_context)
            except (ProtectedError, IntegrityError):
                in_the_way = blockers(obj) or [MOVED]
            else:
                return response
        for one in in_the_way:
            messages.error(request, one)
        return HttpResponseRedirect(self.page_of(obj))

    def _button(self, name: str, obj: Model) -> dict[str, Any]:
        spec: Button = getattr(self, name).button
        return {"spec": spec, "url": self.page_of(obj, "do", name=name)}


class LogModelAdmin(HubModelAdmin):
    """A log: read-only, newest first, quick with a million rows; its actions are verbs on chosen rows."""

    show_full_result_count = False
    paginator = InfinitePaginator
    list_disable_select_all = True
    ordering = ("-id",)
    warn_unsaved_form = False
    list_fullwidth = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody edits a row; a button or action is for those who may change it by their rights."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer no page of who changed the row: nobody can."""
        return super().render_change_form(request, {**context, "show_history": False}, *args, **kwargs)

    def may_act(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))


class HubInline(TabularInline):  # type: ignore[misc]  # the theme has no types
    extra = 0
    hide_title = True

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Give each box the name of its column, for those who do not see it above."""
        formset = super().get_formset(request, obj, **kwargs)

        class Named(formset):  # type: ignore[misc, valid-type]
            def add_fields(self, form: Any, index: int | None) -> None:
                super().add_fields(form, index)
                wording.name_fields(form)
                wording.name_boxes(form)

            @property
            def empty_form(self) -> Any:
                form = super().empty_form
                wording.name_boxes(form)
                return form

        return Named


class HubStacked(StackedInline):  # type: ignore[misc]  # the theme has no types
    extra = 0

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)

        class Worded(formset):  # type: ignore[misc, valid-type]
            def add_fields(self, form: Any, index: int | None) -> None:
                super().add_fields(form, index)
                wording.name_fields(form)

        return Worded


class ReadOnlyInline(HubInline):
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SuggestedInput(widgets.UnfoldAdminTextInputWidget):  # type: ignore[misc]  # the theme has no types
    """A text box that offers what is known. Give `list_id` alone to share the list of another box."""

    template_name = "hub/suggested_input.html"

    def __init__(self, list_id: str, options: Sequence[tuple[str, str]] | None = None) -> None:
        super().__init__(attrs={"list": list_id, "autocomplete": "off"})
        self.options = options

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["options"] = self.options
        return context


class ZoneInput(SuggestedInput):
    """A text box that offers the names of all time zones."""

    def __init__(self) -> None:
        names = sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
        super().__init__("time-zones", [(name, "") for name in names])


def fingerprint(row: Model) -> str:
    """Return a mark of what people can edit in the row as stored; what the hub notes by itself is left out."""
    stored = type(row)._base_manager.filter(pk=row.pk)
    names = [f.attname for f in row._meta.concrete_fields if f.editable]
    values = stored.values_list(*names).first()
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16] if values else ""


class HubUserAdmin(UserAdmin, HubModelAdmin):  # type: ignore[type-arg, misc]  # generic only in the stubs
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    change_form_outer_before_template = None


class HubGroupAdmin(GroupAdmin, HubModelAdmin):
    form = ModelForm
    empty = ("No groups yet", "A group gives the same rights to several users. A small team needs none.")
    change_form_outer_before_template = None


class ScheduleAdmin(LogModelAdmin):
    empty = ("No schedules", "They are written by: manage.py install_schedules")
    list_display = ("name", "func", "cluster", "schedule_type", "minutes", "due")
    ordering = ("name",)

    @admin.display(description="next run (UTC)", ordering="next_run")
    def due(self, obj: Schedule) -> str:
        return pills.time(obj.next_run)


class TaskAdmin(LogModelAdmin):
    empty = ("No task has finished yet", "Start the workers: make run")
    list_display = ("func", "cluster", "began", "ended", "id")
    list_display_links = ("func",)
    ordering = ("-started",)
    outcome = True

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(success=self.outcome)

    @admin.display(description="started (UTC)", ordering="started")
    def began(self, obj: Success) -> str:
        return pills.time(obj.started)

    @admin.display(description="ended (UTC)", ordering="stopped")
    def ended(self, obj: Success) -> str:
        return pills.time(obj.stopped)


class FailureAdmin(TaskAdmin):
    empty = (
        "No task has failed",
        "What fails at a vendor is no failed task: look at incidents and deliveries.",
    )
    outcome = False


class QueuedAdmin(LogModelAdmin):
    empty = ("No task waits", "The workers keep up, or the queue is kept in Redis.")
    list_display = ("key", "func", "due")

    @admin.display(description="not before (UTC)", ordering="lock")
    def due(self, obj: OrmQ) -> str:
        return pills.time(obj.lock)


for model, page in (
    (User, HubUserAdmin),
    (Group, HubGroupAdmin),
    (Schedule, ScheduleAdmin),
    (Success, TaskAdmin),
    (Failure, FailureAdmin),
    (OrmQ, QueuedAdmin),
):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
    admin.site.register(model, page)
