"""Working hours: the spans of a week, holidays, and a person's absences."""

from __future__ import annotations

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

WEEKDAYS = [
    (0, "Monday"),
    (1, "Tuesday"),
    (2, "Wednesday"),
    (3, "Thursday"),
    (4, "Friday"),
    (5, "Saturday"),
    (6, "Sunday"),
]


def check_zone(name: str) -> None:
    """Refuse what is not an IANA time zone name."""
    if name and name not in available_timezones():
        raise ValidationError(
            f"“{name}” is not a time zone. Use a name such as Europe/Berlin or America/New_York."
        )


class WorkingHours(models.Model):
    """A week's schedule; exactly one is the default, for everybody without their own."""

    key = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    is_default = models.BooleanField("default", default=False)
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[check_zone],
        help_text="For people whose zone is known from nowhere else. Empty: UTC.",
    )

    class Meta:
        verbose_name_plural = "working hours"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="one_default_working_hours",
                violation_error_message="Another schedule is the default already. Unmark it first.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class WorkingSpan(models.Model):
    """An end at or before the start is on the next day: 22:00–06:00 is a night shift."""

    working_hours = models.ForeignKey(WorkingHours, on_delete=models.CASCADE, related_name="spans")
    weekday = models.PositiveSmallIntegerField(choices=WEEKDAYS)
    start = models.TimeField()
    end = models.TimeField()

    class Meta:
        ordering = ["weekday", "start"]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.start:%H:%M}–{self.end:%H:%M}"


class Holiday(models.Model):
    """A day off for everybody on this schedule, in each person's own zone."""

    working_hours = models.ForeignKey(WorkingHours, on_delete=models.CASCADE, related_name="holidays")
    date = models.DateField()
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["date"]
        constraints = [models.UniqueConstraint(fields=["working_hours", "date"], name="one_holiday_a_day")]

    def __str__(self) -> str:
        return f"{self.date}: {self.name}"


class Absence(models.Model):
    person = models.ForeignKey("routing.Person", on_delete=models.CASCADE, related_name="absences")
    start = models.DateTimeField()
    end = models.DateTimeField()
    reason = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["start"]
        constraints = [
            models.CheckConstraint(
                condition=Q(end__gt=F("start")),
                name="absence_ends_after_start",
                violation_error_message="The absence must end after it starts.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.person} away until {self.end:%Y-%m-%d %H:%M} UTC"
