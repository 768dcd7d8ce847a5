"""`manage.py rotate_secrets`: encrypt all secrets anew under the first key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from syncs import connect
from syncs.events import sources as event_sources
from syncs.management import reporting
from syncs.wording import counted


class Command(BaseCommand):
    help = "Encrypt all stored secrets under the first key of HUB_SECRET_KEYS; afterwards the others can go."

    def handle(self, *args: Any, **options: Any) -> None:
        with reporting.as_sentences():
            count, of_sources = connect.rotate_secrets(), event_sources.rotate_secrets()
        self.stdout.write(
            f"The secrets of {counted(count, 'connection')} and {counted(of_sources, 'secret')} of event sources "
            "are under the first key now."
        )
