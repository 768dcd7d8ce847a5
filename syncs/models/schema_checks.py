"""Schema checks: whether what a sync, a rule or a flow uses is still there, as it was last asked."""

from __future__ import annotations

from django.db import models


class SchemaCheck(models.Model):
    """`problems` are sentences; `unasked` names connections that did not answer, whose part is as it was before."""

    origin = models.CharField(max_length=100, unique=True)
    checked_at = models.DateTimeField()
    problems = models.JSONField(default=list)
    unasked = models.JSONField(default=list)

    def __str__(self) -> str:
        return self.origin
