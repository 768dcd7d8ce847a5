"""Parents that changed, whose children are still to be read again."""

from __future__ import annotations

from django.db import models

from syncs.models.streams import Stream


class ParentChange(models.Model):
    """The children of one record: those of `stream` whose `field` holds `record_id`.

    The row goes when all of them are read. A change that comes meanwhile renews `requested_at`, and then it stays.
    `resume_at` is set while there is more to read than one run can.
    """

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="parent_changes")
    field = models.CharField(max_length=80)
    record_id = models.CharField(max_length=64)
    requested_at = models.DateTimeField()
    resume_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "field", "record_id"], name="parent_waiting_once")
        ]

    def __str__(self) -> str:
        return f"{self.stream}: {self.field} {self.record_id}"
