"""The tables of routing, by noun."""

from routing.models.decisions import Alert, Decision
from routing.models.directory import DirectoryLink, Person
from routing.models.flows import (
    Flow,
    FlowCriterion,
    FlowRun,
    FlowStep,
    StepField,
    StepTry,
    Transition,
)
from routing.models.hours import Absence, Holiday, WorkingHours, WorkingSpan
from routing.models.rules import MessageTemplate, Rule, RuleCriterion, TemplateField

__all__ = [
    "Absence",
    "Alert",
    "Decision",
    "DirectoryLink",
    "Flow",
    "FlowCriterion",
    "FlowRun",
    "FlowStep",
    "Holiday",
    "MessageTemplate",
    "Person",
    "Rule",
    "RuleCriterion",
    "StepField",
    "StepTry",
    "TemplateField",
    "Transition",
    "WorkingHours",
    "WorkingSpan",
]
