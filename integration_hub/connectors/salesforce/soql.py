"""Our filters and reads as SOQL text. Nothing a person typed reaches the query unquoted or unchecked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

from simple_salesforce.format import format_soql

from integration_hub.connectors import operands
from integration_hub.connectors.filters import And, Condition, Filter, Not, Operator, Or
from integration_hub.connectors.operands import Operand
from integration_hub.connectors.schema import FieldType

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_ID = re.compile(r"[A-Za-z0-9]{15}([A-Z0-5]{3})?")

_OPPOSITES: Mapping[Operator, Operator] = {
    Operator.NOT_EQUALS: Operator.EQUALS,
    Operator.NOT_ONE_OF: Operator.ONE_OF,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
    Operator.IS_NOT_EMPTY: Operator.IS_EMPTY,
    Operator.IS_FALSE: Operator.IS_TRUE,
}
_SIGNS: Mapping[Operator, str] = {
    Operator.GREATER: ">",
    Operator.GREATER_OR_EQUAL: ">=",
    Operator.LESS: "<",
    Operator.LESS_OR_EQUAL: "<=",
}


def select(
    fields: Sequence[str],
    object_type: str,
    *,
    where: str = "",
    order: Sequence[str] = (),
    limit: int | None = None,
) -> str:
    """Return a query. A minus before a name in `order` means descending; a field named twice is read once."""
    columns: dict[str, str] = {}
    for name in fields:
        columns.setdefault(name.lower(), _name(name))
    query = f"SELECT {', '.join(columns.values())} FROM {_name(object_type)}"  # noqa: S608 - names are checked
    if where:
        query += f" WHERE {where}"
    if order:
        query += " ORDER BY " + ", ".join(
            f"{_name(name.removeprefix('-'))} {'DESC' if name.startswith('-') else 'ASC'}" for name in order
        )
    return query if limit is None else f"{query} LIMIT {int(limit)}"


def where(condition: Filter, *, now: datetime, zone: tzinfo) -> str:
    """Return the filter as the text after WHERE; ValueError with a sentence if it cannot be said in SOQL."""
    return _Writer(now, zone).write(condition, wanted=True)


def literal(moment: datetime) -> str:
    """Return an aware datetime as SOQL wants it: UTC, unquoted, without the plus sign that URLs eat."""
    if moment.tzinfo is None:
        raise ValueError("A time without zone cannot be put into a query.")
    shown = moment.astimezone(UTC).isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return shown.replace("+00:00", "Z")


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"“{name}” is not a name of a field or an object in Salesforce.")
    return name


class _Writer:
    """Writes filters for one instant and time zone.

    A negation is carried down to the conditions and says there what becomes of empty fields: whether NOT
    matches a row with an empty field is not documented, and this way the question does not arise.
    """

    def __init__(self, now: datetime, zone: tzinfo) -> None:
        self.now = now
        self.zone = zone

    def write(self, part: Filter, *, wanted: bool) -> str:
        match part:
            case Condition():
                return self._condition(part, wanted=wanted)
            case Not(inner):
                return self.write(inner, wanted=not wanted)
            case And(parts):
                return self._joined("AND" if wanted else "OR", parts, wanted=wanted)
            case Or(parts):
                return self._joined("OR" if wanted else "AND", parts, wanted=wanted)

    def _joined(self, word: str, parts: Sequence[Filter], *, wanted: bool) -> str:
        if not parts:
            raise ValueError("A filter without conditions cannot be written as a query.")
        texts = [self.write(part, wanted=wanted) for part in parts]
        return texts[0] if len(texts) == 1 else f"({f' {word} '.join(texts)})"

    def _condition(self, condition: Condition, *, wanted: bool) -> str:
        field, operator = _name(condition.field), condition.operator
        if operator in _OPPOSITES:
            operator, wanted = _OPPOSITES[operator], not wanted
        if operator is Operator.IS_EMPTY:
            return f"{field} {'=' if wanted else '!='} null"
        if operator is Operator.IS_TRUE:
            # Not "= false": a missing parent's boolean is empty, and empty is not true.
            return f"{field} {'=' if wanted else '!='} true"
        positive = self._positive(field, operator, condition)
        return positive if wanted else f"((NOT {positive}) OR {field} = null)"

    def _positive(self, field: str, operator: Operator, condition: Condition) -> str:
        kind, texts = condition.type, condition.operands
        if kind is FieldType.MULTIPICKLIST:
            return f"{field} INCLUDES ({', '.join(_quoted(_chosen(text)) for text in texts)})"
        if operator is Operator.CONTAINS:
            return str(format_soql("{:literal} LIKE '%{:like}%'", field, texts[0].strip()))
        if operator is Operator.STARTS_WITH:
            return str(format_soql("{:literal} LIKE '{:like}%'", field, texts[0].strip()))
        if operator is Operator.WITHIN_LAST_DAYS:
            return self._within(field, kind, operands.parse_days(texts[0]))
        values = [self._value(kind, text) for text in texts]
        if operator in _SIGNS:
            return f"{field} {_SIGNS[operator]} {values[0]}"
        return f"{field} = {values[0]}" if len(values) == 1 else f"{field} IN ({', '.join(values)})"

    def _value(self, kind: FieldType, text: str) -> str:
        if kind is FieldType.REFERENCE and not _ID.fullmatch(text.strip()):
            raise ValueError(f"“{text}” is not a Salesforce id; it has 15 or 18 letters and digits.")
        return _written(operands.parse(kind, text, self.zone))

    def _within(self, field: str, kind: FieldType, days: int) -> str:
        today = self.now.astimezone(self.zone).date()
        end = today if kind is FieldType.DATE else self.now.replace(microsecond=0)
        start = end - timedelta(days=days)
        return f"({field} >= {_written(start)} AND {field} <= {_written(end)})"


def _written(operand: Operand) -> str:
    if isinstance(operand, datetime):
        return literal(operand)
    if isinstance(operand, date):
        return operand.isoformat()
    if isinstance(operand, Decimal):
        return f"{operand:f}"
    return _quoted(operand)


def _quoted(text: str) -> str:
    return str(format_soql("{}", text))


def _chosen(text: str) -> str:
    """Return the values of a multi-select field that must all be chosen, joined as INCLUDES wants them."""
    return ";".join(member for part in text.split(";") if (member := part.strip()))
