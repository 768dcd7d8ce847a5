"""Flows: what follows from an event, step by step, and each passage through them."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from integration_hub.connectors.filters import Operator
from integration_hub.connectors.records import Operation
from routing.conditions import OPERATOR_LABELS
from syncs.models import Connection, Delivery, EventSource, InboundEvent, ValueMap
from syncs.models.mappings import Transform, UnknownValue, WriteMode

OPERATORS = [(o.value, OPERATOR_LABELS[o]) for o in Operator]


class Flow(models.Model):
    """`subject_path` names whom an event is about: runs of one source and subject go one after the other."""

    key = models.SlugField(unique=True, help_text="Short stable name; configuration files use it.")
    name = models.CharField(max_length=100)
    enabled = models.BooleanField(
        default=False, help_text="Off: no new runs, and those on their way stand still."
    )
    source = models.ForeignKey(EventSource, on_delete=models.PROTECT, related_name="flows")
    event_name = models.CharField(max_length=100, help_text="The event that starts it, such as register.")
    subject_path = models.CharField(
        max_length=200,
        blank=True,
        help_text="Where the event names its customer, such as customer.id. Empty: runs wait for no other.",
    )
    waits_for = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The flow that must have ended for this customer first: an update waits for its register.",
    )
    wait_seconds = models.PositiveIntegerField(
        "wait at most (seconds)", default=3_600, help_text="After that the run is parked."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def origin(self) -> str:
        """How its deliveries and incidents name it."""
        return f"flow:{self.key}"


class FlowCriterion(models.Model):
    """A start condition: all rows must hold. `field` is a dotted path in the event."""

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="criteria")
    field = models.CharField(max_length=200)
    operator = models.CharField(max_length=20, choices=OPERATORS)
    value = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "criteria"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.field} {self.get_operator_display()} {self.value}".rstrip()


class StepKind(models.TextChoices):
    WRITE = "write", "Write a record"
    TIE = "tie", "Tie two records"
    CALL = "call", "Call a REST endpoint"
    REMEMBER = "remember", "Remember values"
    EMIT = "emit", "Emit an event"
    END = "end", "End"


class FlowStep(models.Model):
    """One step; the first by position starts a run. Which columns count depends on `kind`.

    `from_id` and `to_id` are dotted paths such as session.contact_id; method, path, headers and body belong to a call,
    the last three are Liquid over event and session.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="steps")
    key = models.SlugField(help_text="Short stable name, such as create-company.")
    name = models.CharField(max_length=100)
    position = models.PositiveSmallIntegerField(default=1)
    kind = models.CharField(max_length=10, choices=StepKind.choices, default=StepKind.WRITE)
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    operation = models.CharField(
        max_length=10,
        blank=True,
        choices=[(o.value, o.value) for o in (Operation.CREATE, Operation.UPSERT, Operation.UPDATE)],
    )
    object_type = models.CharField(max_length=80, blank=True, help_text="Such as companies.")
    match_field = models.CharField(
        "match key",
        max_length=100,
        blank=True,
        help_text="The field that finds the record there, such as domain.",
    )
    remote_id = models.CharField(
        "record id from", max_length=200, blank=True, help_text="Where the id is known: session.company_id."
    )
    from_type = models.CharField(max_length=80, blank=True)
    from_id = models.CharField(max_length=200, blank=True)
    to_type = models.CharField(max_length=80, blank=True)
    to_id = models.CharField(max_length=200, blank=True)
    method = models.CharField(
        max_length=6, blank=True, choices=[(m, m) for m in ("GET", "POST", "PUT", "PATCH", "DELETE")]
    )
    path = models.CharField(max_length=500, blank=True, help_text="Behind the connection's address; Liquid.")
    headers = models.TextField(blank=True, help_text="One a line, Name: value; Liquid.")
    body = models.TextField(blank=True, help_text="JSON as Liquid; {{ event | json }} is safe to insert.")
    event_name = models.CharField(max_length=100, blank=True, help_text="The event to emit.")

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["flow", "key"], name="step_key_once_per_flow")]

    def __str__(self) -> str:
        return self.name


class FieldRole(models.TextChoices):
    WRITE = "write", "Sent"
    REMEMBER = "remember", "Remembered"


class StepField(models.Model):
    """One line of what a step sends, or of what it remembers in the session after its answer.

    `source` is a dotted path that begins with event, session or answer.
    """

    step = models.ForeignKey(FlowStep, on_delete=models.CASCADE, related_name="fields")
    role = models.CharField(max_length=10, choices=FieldRole.choices, default=FieldRole.WRITE)
    position = models.PositiveSmallIntegerField(default=1)
    source = models.CharField(max_length=200, blank=True, help_text="Such as event.company.name.")
    destination = models.CharField(max_length=200, help_text="The field there, or the name in the session.")
    transform = models.CharField(max_length=10, choices=Transform.choices, blank=True, default=Transform.NONE)
    expression = models.TextField(
        blank=True,
        help_text="For Liquid: `value` is the source field; event, session and answer are all there is.",
    )
    default = models.CharField(max_length=255, blank=True)
    write_mode = models.CharField(max_length=10, choices=WriteMode.choices, default=WriteMode.ALWAYS)
    value_map = models.ForeignKey(ValueMap, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    unknown_value = models.CharField(max_length=10, choices=UnknownValue.choices, default=UnknownValue.KEEP)
    required = models.BooleanField(default=False, help_text="Without a value the run is parked.")

    class Meta:
        ordering = ["role", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["step", "role", "destination"], name="step_field_once")
        ]

    def __str__(self) -> str:
        return f"{self.source or self.expression} → {self.destination}"


class Transition(models.Model):
    """Where a run goes from a step: the first row whose outcome and condition hold.

    `outcome` is a word (created, existing, updated, unchanged, tied, sent, done, rejected), a status (409, 4xx), or
    "any". `field` is a dotted path that begins with answer, session or event; empty: no condition.
    """

    step = models.ForeignKey(FlowStep, on_delete=models.CASCADE, related_name="transitions")
    position = models.PositiveSmallIntegerField(default=1)
    outcome = models.CharField(max_length=20, default="any")
    field = models.CharField("if", max_length=200, blank=True)
    operator = models.CharField(max_length=20, choices=OPERATORS, blank=True)
    value = models.TextField(blank=True)
    target = models.ForeignKey(FlowStep, on_delete=models.CASCADE, related_name="arrivals")

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return f"{self.outcome} → {self.target}"


class RunStage(models.TextChoices):
    READY = "ready", "Ready for its step"
    SENDING = "sending", "Waiting for the answer"
    PARKED = "parked", "Parked"
    DONE = "done", "Done"
    CANCELED = "canceled", "Canceled"


class FlowRunQuerySet(models.QuerySet["FlowRun"]):
    def open(self) -> FlowRunQuerySet:
        return self.filter(ended_at=None)

    def standing(self) -> FlowRunQuerySet:
        """The open ones, to be counted: by their own small index, which SQLite passes over for that of their flow."""
        return self.filter(pk__in=FlowRun.objects.open().values("pk"))


class FlowRun(models.Model):
    """One passage through a flow. It keeps its session, and stays on its step while a vendor is down.

    `subject` begins with the source's key. Of one subject only the first open run by id moves; a parked one keeps the
    others waiting until a person resumes or cancels it.
    """

    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="runs", db_index=False)
    event = models.ForeignKey(InboundEvent, on_delete=models.PROTECT, related_name="runs")
    subject = models.CharField(max_length=300, blank=True)
    stage = models.CharField(max_length=10, choices=RunStage.choices, default=RunStage.READY)
    step = models.ForeignKey(FlowStep, on_delete=models.SET_NULL, null=True, related_name="runs")
    session = models.JSONField(default=dict)
    tries = models.PositiveIntegerField(default=0, help_text="Steps tried so far; each has its row.")
    delivery = models.OneToOneField(
        Delivery,
        on_delete=models.SET_NULL,
        null=True,
        related_name="flow_run",
        help_text="The one it waits for.",
    )
    due_at = models.DateTimeField(null=True)
    code = models.CharField(max_length=100, blank=True)
    reason = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = FlowRunQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "event"], name="one_run_per_event")]
        indexes = [
            models.Index(fields=["stage", "due_at", "id"], name="flowrun_open", condition=Q(ended_at=None)),
            models.Index(fields=["subject", "id"], name="flowrun_by_subject"),
            models.Index(fields=["subject", "id"], name="flowrun_in_line", condition=Q(ended_at=None)),
            models.Index(fields=["flow", "stage", "step"], name="flowrun_by_step"),
            models.Index(fields=["started_at"], name="flowrun_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.flow} {self.pk}"

    def waited(self, now: datetime) -> float:
        """Return the seconds since it started."""
        return (now - self.started_at).total_seconds()


class StepTry(models.Model):
    """One try of one step: what was sent, what came back, and where the run went from there.

    `actor` is who made the run move by hand, "" for the hub itself.
    """

    run = models.ForeignKey(FlowRun, on_delete=models.CASCADE, related_name="history")
    number = models.PositiveIntegerField()
    step_key = models.CharField(max_length=50)
    request = models.JSONField(null=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.SET_NULL, null=True, related_name="+")
    outcome = models.CharField(max_length=20, blank=True)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    code = models.CharField(max_length=100, blank=True)
    reason = models.TextField(blank=True)
    next_key = models.CharField(max_length=50, blank=True)
    actor = models.CharField(max_length=150, blank=True)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "step tries"
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="step_try_number_once")]

    def __str__(self) -> str:
        return f"{self.number}. {self.step_key}"
