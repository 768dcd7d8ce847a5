"""Versions: what one configured thing looked like, each time that it changed."""

from __future__ import annotations

from django.db import models


class Cause(models.TextChoices):
    ADMIN = "admin", "Changed in the admin"
    IMPORT = "import", "Configuration file"
    RESTORE = "restore", "Restored"
    NOTICED = "noticed", "Found as it is"


class Version(models.Model):
    """The whole document of a thing, as its configuration file would say it; null: it was removed.

    `section` and `key` are those of the file. Secrets are never in it. `actor` is empty where nobody is known.
    """

    section = models.CharField(max_length=30)
    key = models.CharField(max_length=254, blank=True)
    name = models.CharField(max_length=100, blank=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150, blank=True)
    cause = models.CharField(max_length=10, choices=Cause.choices)
    note = models.CharField(max_length=300, blank=True)
    document = models.JSONField(null=True)

    class Meta:
        indexes = [models.Index(fields=["section", "key", "-id"], name="version_newest")]

    def __str__(self) -> str:
        return f"{self.name or self.key or self.section}, {self.at:%Y-%m-%d %H:%M} UTC"
