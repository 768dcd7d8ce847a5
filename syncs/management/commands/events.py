"""`manage.py events`: who may post what, a sample put in, events put in once more, and what became of one."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from syncs.events import inbox
from syncs.events import listeners as event_listeners
from syncs.events import sources as event_sources
from syncs.events import watch as event_watch
from syncs.events.problems import RefusedError
from syncs.management import reporting
from syncs.models import EventSource, InboundEvent
from syncs.models.events import EventState


class Command(BaseCommand):
    help = "List event sources; put in a sample; replay events; tell an event's fate; make a secret."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listed = verbs.add_parser("list", help="the sources, their events, what waits and what was refused")
        listed.add_argument("--json", action="store_true")
        sample = verbs.add_parser("sample", help="put in an event's sample; what listens to it acts on it")
        sample.add_argument("source", metavar="SOURCE", help="the key of the source")
        sample.add_argument("name", metavar="NAME", help="the name of the event")
        replay = verbs.add_parser("replay", help="put these events in once more")
        replay.add_argument("ids", metavar="ID", nargs="+")
        fate = verbs.add_parser("fate", help="tell what became of an event")
        fate.add_argument("id", metavar="ID")
        secret = verbs.add_parser("secret", help="add a new secret to a source and print it, this once")
        secret.add_argument("source", metavar="SOURCE", help="the key of the source")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['verb']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = [_facts(source) for source in EventSource.objects.prefetch_related("types", "secrets")]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            state = "on" if row["enabled"] else "off"
            self.stdout.write(
                f"{row['address']} ({row['proof']}, {state}): {', '.join(row['events']) or 'no events'}; "
                f"{row['secrets']} secrets, {row['waiting']} waiting. {row['refused']}".rstrip()
            )
        if not rows:
            self.stdout.write(
                "There is no event source. Add one in the admin, or import a configuration file."
            )

    def _sample(self, options: dict[str, Any]) -> None:
        source = reporting.by_key(EventSource.objects.all(), options["source"])
        kind = source.types.filter(name=options["name"]).first()
        if kind is None:
            names = ", ".join(source.types.values_list("name", flat=True)) or "none"
            raise CommandError(f"{source} has no event “{options['name']}”. There are: {names}.")
        try:
            event = inbox.send_sample(kind, timezone.now())
        except RefusedError as refusal:
            raise CommandError(refusal.text) from refusal
        self.stdout.write(f"Put in as {event.uid}.")

    def _replay(self, options: dict[str, Any]) -> None:
        done, refused = inbox.replay_all([_event(one) for one in options["ids"]], timezone.now())
        for event, reason in refused:
            self.stderr.write(f"{event}: {reason}")
        self.stdout.write(f"{done} put in once more.")
        if refused:
            raise CommandError("Not all of them could be; see above.")

    def _fate(self, options: dict[str, Any]) -> None:
        event = _event(options["id"])
        self.stdout.write(
            f"{event}: {event.get_state_display().lower()}, received {event.received_at:%Y-%m-%d %H:%M:%S} UTC"
        )
        for line in event.problem.splitlines():
            self.stdout.write(f"  {line}")
        for one in event_listeners.fates(event):
            where = " ".join(part for part in (one.stage, one.step, one.reason) if part)
            self.stdout.write(f"  {one.what} {one.run}: {where}")

    def _secret(self, options: dict[str, Any]) -> None:
        source = reporting.by_key(EventSource.objects.all(), options["source"])
        now = timezone.now()
        value = event_sources.generated()
        with reporting.as_sentences():
            event_sources.add_secret(source, f"generated {now:%Y-%m-%d %H:%M:%S}", value, now)
        self.stdout.write(value)


def _event(uid: str) -> InboundEvent:
    try:
        return InboundEvent.objects.select_related("source").get(uid=uuid.UUID(uid))
    except (ValueError, InboundEvent.DoesNotExist):
        raise CommandError(f"There is no event “{uid}”.") from None


def _facts(source: EventSource) -> dict[str, Any]:
    refused = event_watch.in_words(source.pk, timezone.now())
    return {
        "key": source.key,
        "address": source.address,
        "enabled": source.enabled,
        "proof": source.proof,
        "events": [one.name for one in source.types.all()],
        "secrets": len(source.secrets.all()),
        "waiting": InboundEvent.objects.filter(source=source, state=EventState.WAITING).count(),
        "refused": f"Refused in the last hour: {refused}." if refused else "",
    }
