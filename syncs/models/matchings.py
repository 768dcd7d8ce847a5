"""Matchings: which records existed on both sides before a sync, and which pairs a person must decide."""

from __future__ import annotations

from django.db import models

from syncs.models.syncs import Sync


class Matching(models.Model):
    """One comparison of both sides of a sync. The marks say how far each side was read, should it be interrupted."""

    sync = models.OneToOneField(Sync, on_delete=models.CASCADE, related_name="matching")
    compare_path = models.CharField(max_length=200, blank=True)
    source_mark = models.DateTimeField(null=True)
    source_done = models.BooleanField(default=False)
    remote_mark = models.DateTimeField(null=True)
    remote_done = models.BooleanField(default=False)
    started_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Matching of {self.sync}"


class MatchSide(models.Model):
    """One record of one side, as far as it matters. `key` is normalized; `second` must not contradict."""

    matching = models.ForeignKey(Matching, on_delete=models.CASCADE, related_name="sides")
    is_source = models.BooleanField()
    record_id = models.CharField(max_length=200)
    key = models.CharField(max_length=254, blank=True)
    second = models.CharField(max_length=254, blank=True)
    title = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["matching", "is_source", "record_id"], name="one_side_per_matched_record"
            )
        ]
        indexes = [models.Index(fields=["matching", "key"], name="match_side_by_key")]

    def __str__(self) -> str:
        return self.title or self.record_id


class CandidateState(models.TextChoices):
    OPEN = "open", "To be decided"
    SAME = "same", "The same"
    DIFFERENT = "different", "Different"


class MatchCandidate(models.Model):
    """A pair that might be one record; until a person says so, it is not linked."""

    sync = models.ForeignKey(Sync, on_delete=models.CASCADE, related_name="candidates")
    key = models.CharField("match key", max_length=254)
    source_id = models.CharField("record here", max_length=64)
    source_title = models.CharField(max_length=255, blank=True)
    remote_id = models.CharField("record there", max_length=200)
    remote_title = models.CharField(max_length=255, blank=True)
    why = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=CandidateState.choices, default=CandidateState.OPEN)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "doubtful pair"
        constraints = [
            models.UniqueConstraint(fields=["sync", "source_id", "remote_id"], name="one_candidate_per_pair")
        ]
        indexes = [models.Index(fields=["sync", "state"], name="candidate_by_state")]

    def __str__(self) -> str:
        return f"{self.source_id} → {self.remote_id}"
