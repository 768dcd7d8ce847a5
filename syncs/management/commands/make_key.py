"""`manage.py make_key`: a new key for the environment."""

from __future__ import annotations

import secrets
from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Print a new key for HUB_SECRET_KEYS. It is stored nowhere."
    requires_system_checks = []  # the checks would refuse to run without the key that this makes

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--secret-key", action="store_true", help="print one for SECRET_KEY instead")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(
            secrets.token_urlsafe(48) if options["secret_key"] else Fernet.generate_key().decode()
        )
