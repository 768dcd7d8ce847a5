"""What others ask of flows: whose deliveries must not be sent now, what people call them, what came of an event."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.urls import NoReverseMatch, reverse

from routing.flows import history
from routing.models import Flow, FlowRun
from syncs.events.listeners import Fate
from syncs.models import InboundEvent, Stream

PREFIX = "flow:"


class FlowListener:
    """Named in settings.STREAM_LISTENERS and in settings.EVENT_LISTENERS."""

    def fields(self, stream: Stream) -> set[str]:
        """Flows start from events, not from streams: they need nothing of them."""
        return set()

    def switched_off(self) -> set[str]:
        return {flow.origin for flow in Flow.objects.filter(enabled=False).only("key")}

    def name(self, origin: str) -> str:
        if not origin.startswith(PREFIX):
            return ""
        known = Flow.objects.filter(key=origin.removeprefix(PREFIX)).values_list("name", flat=True).first()
        return f"the flow “{known}”" if known else ""

    def fate(self, event: InboundEvent) -> Iterator[Fate]:
        runs = FlowRun.objects.filter(event=event).select_related("flow", "step").order_by("pk")
        for run in runs:
            yield Fate(
                what=run.flow.origin, run=str(run.pk), stage=run.stage, step=run.step.key if run.step else "",
                reason=run.reason, link=_link(run),
            )  # fmt: skip

    def prune(self, before: datetime, after: int) -> Iterator[tuple[int, int]]:
        return history.prune(before, after)


def _link(run: FlowRun) -> str:
    try:
        return reverse("admin:routing_flowrun_change", args=[run.pk])
    except NoReverseMatch:
        return ""
