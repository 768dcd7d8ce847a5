"""The tables of routing, by noun."""

from routing.models.decisions import Alert, Decision
from routing.models.directory import DirectoryLink, Person
from routing.models.hours import Absence, Holiday, WorkingHours, WorkingSpan
from routing.models.rules import MessageTemplate, Rule, RuleCriterion, TemplateField

__all__ = [
    "Absence",
    "Alert",
    "Decision",
    "DirectoryLink",
    "Holiday",
    "MessageTemplate",
    "Person",
    "Rule",
    "RuleCriterion",
    "TemplateField",
    "WorkingHours",
    "WorkingSpan",
]
