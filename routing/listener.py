"""What rules need of streams: the fields they read, and whose messages must not be sent now."""

from __future__ import annotations

from routing import messages
from routing.conditions import field_names
from routing.models import Rule
from routing.rulebook import alias_of, criteria_of, texts_of
from syncs.models import Stream


class RuleListener:
    """Named in settings.STREAM_LISTENERS."""

    def fields(self, stream: Stream) -> set[str]:
        """Name what the rules compare and what their messages show.

        Also those that are off: a rule is tried out, and its records' values are learned, before it is on.
        """
        names = ("record", alias_of(stream))
        found: set[str] = set()
        for rule in Rule.objects.complete().filter(stream=stream):
            found |= field_names(criteria_of(list(rule.criteria.all())))
            found |= messages.record_fields(texts_of(rule.template), names)
            found.add(rule.watched_field.strip())
        return found - {""}

    def switched_off(self) -> set[str]:
        return {rule.origin for rule in Rule.objects.filter(enabled=False).only("key")}

    def name(self, origin: str) -> str:
        key = origin.removeprefix("rule:")
        known = Rule.objects.filter(key=key).values_list("name", flat=True).first() if key != origin else None
        return f"the rule “{known}”" if known else ""
