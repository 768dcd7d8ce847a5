"""Known records: which record at a vendor has a match value, learned when it was created, found or written."""

from __future__ import annotations

from django.db import models

from syncs.models.connections import Connection


class KnownRecord(models.Model):
    """It decides create against update without a call, and before the vendor's own search shows the record.

    `key_value` is case-folded. A record that turns out to be gone is forgotten.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    object_type = models.CharField(max_length=80)
    key_field = models.CharField(max_length=100)
    key_value = models.CharField(max_length=254)
    remote_id = models.CharField(max_length=200)
    learned_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "object_type", "key_field", "key_value"],
                name="one_known_record_per_key",
            )
        ]
        indexes = [models.Index(fields=["connection", "object_type", "remote_id"], name="known_by_remote_id")]

    def __str__(self) -> str:
        return f"{self.key_value} → {self.remote_id}"
