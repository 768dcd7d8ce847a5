"""Mappings: how a record's values become a destination's payload, line by line."""

from __future__ import annotations

from django.db import models


class ValueMap(models.Model):
    """A table that translates single values, such as countries or stages."""

    key = models.SlugField(unique=True)
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ValueMapEntry(models.Model):
    value_map = models.ForeignKey(ValueMap, on_delete=models.CASCADE, related_name="entries")
    source = models.CharField(max_length=255, help_text="Compared without regard to case and outer blanks.")
    destination = models.CharField(max_length=255, blank=True)

    class Meta:
        verbose_name_plural = "value map entries"
        ordering = ["source"]
        constraints = [models.UniqueConstraint(fields=["value_map", "source"], name="value_map_source_once")]

    def __str__(self) -> str:
        return f"{self.source} → {self.destination}"


class Transform(models.TextChoices):
    NONE = "", "As it is"
    TRIM = "trim", "Trim blanks"
    LOWER = "lower", "Lower case"
    TITLE = "title", "Title Case"
    DATE = "date", "Date (YYYY-MM-DD)"
    DATETIME = "datetime", "Date and time (UTC)"
    NUMBER = "number", "Number"
    INTEGER = "integer", "Whole number"
    BOOLEAN = "boolean", "True or false"
    LIST = "list", "List (of a multi-select picklist)"
    PHONE = "phone", "Phone (E.164)"
    EMAIL = "email", "E-mail address"
    DOMAIN = "domain", "Domain (of an e-mail or web address)"
    COUNTRY = "country", "Country (ISO code)"
    LIQUID = "liquid", "Liquid expression"


class WriteMode(models.TextChoices):
    ALWAYS = "always", "Always"
    ON_CREATE = "on_create", "Only when the record is created there"
    IF_EMPTY = "if_empty", "Only if it is empty there"


class WhenEmpty(models.TextChoices):
    KEEP = "keep", "Leave it there as it is"
    CLEAR = "clear", "Clear it there"


class UnknownValue(models.TextChoices):
    KEEP = "keep", "Pass it on as it is"
    EMPTY = "empty", "Leave it empty"
    DEFAULT = "default", "Use the default"
    REFUSE = "refuse", "Refuse the record"


class Winner(models.TextChoices):
    SOURCE = "source", "Source"
    DESTINATION = "destination", "Destination"
    NEWEST = "newest", "Newest"
    KEEP = "keep", "Never overwrite a value"
    ASK = "ask", "Ask"


class FieldMapping(models.Model):
    """One line of a sync's mapping. Paths may have dots: over relationships here, into nested objects there."""

    sync = models.ForeignKey("syncs.Sync", on_delete=models.CASCADE, related_name="mappings")
    position = models.PositiveSmallIntegerField(default=1)
    source = models.CharField(
        max_length=200, blank=True, help_text="A field of the stream, such as Account.Name."
    )
    destination = models.CharField(
        max_length=200, help_text="Such as email; at Iterable with the whole path: dataFields.Company.Name."
    )
    transform = models.CharField(max_length=10, choices=Transform.choices, blank=True, default=Transform.NONE)
    expression = models.TextField(
        blank=True, help_text="For Liquid: `value` is the source field, `record` all of it."
    )
    default = models.CharField(max_length=255, blank=True, help_text="Used when the source is empty.")
    when_empty = models.CharField(
        "when the source is empty", max_length=10, choices=WhenEmpty.choices, default=WhenEmpty.KEEP
    )
    write_mode = models.CharField(max_length=10, choices=WriteMode.choices, default=WriteMode.ALWAYS)
    value_map = models.ForeignKey(
        ValueMap, on_delete=models.PROTECT, null=True, blank=True, related_name="field_mappings"
    )
    unknown_value = models.CharField(max_length=10, choices=UnknownValue.choices, default=UnknownValue.KEEP)
    required = models.BooleanField(default=False, help_text="Without a value the record is not sent.")
    winner = models.CharField(
        "if both sides changed it",
        max_length=12,
        choices=Winner.choices,
        default=Winner.SOURCE,
        help_text="Counts on the forward way of a two-way sync, for fields that the way back maps, too.",
    )

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["sync", "destination"], name="destination_mapped_once")
        ]

    def __str__(self) -> str:
        return f"{self.source or self.expression} → {self.destination}"
