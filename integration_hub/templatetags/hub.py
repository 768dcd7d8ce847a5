"""How times, shares and states read on the hub's pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from django import template
from django.contrib import admin
from django.db.models import Model
from django.template import Context
from django.utils.safestring import SafeString

from integration_hub.connectors.moments import lasting
from integration_hub.console import pills
from integration_hub.console.navigation import Crumb, crumbs
from integration_hub.console.wording import wrong
from routing.models import FlowRun
from syncs.models.deliveries import DeliveryState

register = template.Library()


@register.filter
def length_of_time(seconds: float | None) -> str:
    return "–" if seconds is None else lasting(timedelta(seconds=seconds))


@register.filter
def percent(share: float | None) -> str:
    """Say a share without the sign; nothing short of all becomes 100."""
    if share is None:
        return "0"
    return "100" if share >= 1 else f"{min(share * 100, 99.9):.1f}".removesuffix(".0")


@register.filter
def utc_time(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%b %d, %H:%M:%S}" if moment else "–"


@register.filter
def web_address(url: str) -> str:
    """Return the address if a browser may follow it, else nothing: it comes from a vendor's record."""
    return url if url.startswith(("https://", "http://")) else ""


@register.filter
def as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def stage_pill(run: FlowRun) -> SafeString:
    return pills.of_choice(run.stage, run.get_stage_display())


@register.filter
def state_pill(state: str) -> SafeString:
    return pills.of_choice(state, DeliveryState(state).label)


@register.simple_tag(takes_context=True)
def way_here(context: Context) -> list[Crumb]:
    """Return the way to the page that is shown. A page about one row names it as `subject`."""
    title = str(context.get("content_title") or context.get("title") or "")
    row = context.get("original") or context.get("object")
    if not isinstance(row, Model):  # the page of a new row, a list, or a page of the console
        subject, opts = context.get("subject"), context.get("opts")
        if isinstance(subject, Model):
            return crumbs(type(subject), subject, leaf=title)
        leaf = title if context.get("add") else ""
        return crumbs(opts.model, leaf=leaf) if opts else [Crumb(title)]
    page = admin.site.get_model_admin(type(row)) if admin.site.is_registered(type(row)) else None
    whole = getattr(row, getattr(page, "part_of", "") or "pk")
    return crumbs(type(whole), whole, row) if isinstance(whole, Model) else crumbs(type(row), row)


@register.simple_tag(takes_context=True)
def faulty_fields(context: Context) -> list[str]:
    """Name the fields of the page's form, rows included, that have errors."""
    page = context.get("adminform")
    return list(wrong(page.form, context.get("inline_admin_formsets") or ())) if page else []
