"""How a record's values become a payload, line by line. Pure: what it needs to know comes in as an argument.

What holds for every line:

- Dots in a source lead over relationships, dots in a destination into nested objects. A parent that is not there
  is an empty source.
- None, "" and [] are empty; 0 and false are not. An empty source takes the default. Without one the key is left
  out, so that what stands there stays, or is null, which clears it, where the line says so. Else null is never
  sent, and only the transform `list` gives an empty list.
- The value map is asked before the transform, so that what it gives is still made a number or a date; for `list`
  and `liquid` it is asked afterwards, of each item of a list. The default goes through the transform too.
- `email`, what ends in `.email`, and `userId` are checked besides: a refusal there would cost a call.
- A value that does not fit refuses the record. The sentence names the field and the remedy, never the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

from integration_hub.connectors.schema import FieldSchema
from integration_hub.liquid import Liquid, Sandbox, TemplateError
from syncs.engine import correcting, fitting, transforms
from syncs.engine.correcting import Fixes
from syncs.engine.transforms import Transform, UnfitError

LIQUID = Liquid(Sandbox())
_NOTHING = object()
"""The value map says: leave the field empty, default or not."""
IGNORED = "ignored"
"""The code of a record that somebody chose to leave out as it is."""
_CLEARED = object()
"""The line says: without a value, clear what stands there."""

Read = Callable[[Mapping[str, Any]], Any]
"""From a record's values to what is to be written, None to leave it out; raises Refusal."""


@dataclass(frozen=True, slots=True)
class Line:
    """One field mapping, by the words of its table. `expression` is the Liquid text, for `phone` the country,
    for `country` its form.

    `root` is what Liquid calls the record; empty: its values have their own names there. `there` is the field as
    the destination describes it, where that is known: what it would refuse is refused here.
    """

    source: str
    destination: str
    transform: str = ""
    expression: str = ""
    default: str = ""
    when_empty: str = "keep"
    write_mode: str = "always"
    value_map: Mapping[str, str] | None = None
    unknown_value: str = "keep"
    required: bool = False
    root: str = "record"
    there: FieldSchema | None = None

    def __str__(self) -> str:
        return f"{self.source or 'Liquid'} → {self.destination}"


class Mapped(NamedTuple):
    """What one record became. With a `problem` there is nothing to send.

    `digest` is equal if, and only if, the payload is: what is only written on create or if empty is no part of it.
    A tuple, because one is made for each record of a backfill.
    """

    payload: dict[str, Any]
    match_value: str
    digest: str
    on_create: dict[str, Any]
    if_empty: dict[str, Any]
    problem: str = ""
    code: str = ""


class Refusal(Exception):  # noqa: N818 - it says no; nothing went wrong
    def __init__(self, line: Line, why: str, code: str) -> None:
        super().__init__(f"{line}: {why}")
        self.code = code


class Mapper:
    """The lines of one sync, compiled once; call it with the values of each record. It never raises.

    `fixes` are what people corrected; they count if the record's id is given.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        match_path: str,
        ties: Mapping[int, str] | None = None,
        fixes: Fixes | None = None,
    ) -> None:
        self.match_path = match_path
        self.fixes = fixes or {}
        self.ties = {pk: _getter(path) for pk, path in (ties or {}).items()}
        self._reads = [(line, reader(line)) for line in lines]
        self._always = self._group("always")
        self._on_create = self._group("on_create")
        self._if_empty = self._group("if_empty")
        self._match = tuple(match_path.split("."))

    def __call__(self, values: Mapping[str, Any], record_id: str = "") -> Mapped:
        if self.fixes and record_id in self.fixes:
            return self._corrected(values, record_id)
        return self._mapped(values)

    def corrected(self, values: Mapping[str, Any], record_id: str) -> Mapping[str, Any]:
        """Return the values with what people put in their place."""
        return correcting.corrected(values, self.fixes.get(record_id, ()))

    def _corrected(self, values: Mapping[str, Any], record_id: str) -> Mapped:
        found = self._mapped(self.corrected(values, record_id))
        if found.problem and correcting.is_ignored(values, self.fixes[record_id]):
            return found._replace(code=IGNORED)
        return found

    def _mapped(self, values: Mapping[str, Any]) -> Mapped:
        try:
            payload = self._always(values)
            on_create = self._on_create(values) if self._on_create.steps else {}
            if_empty = self._if_empty(values) if self._if_empty.steps else {}
        except Refusal:
            return self._refused(values)
        found = at(payload, self._match)
        if found is None:
            problem = f"{self.match_path} is empty, by which the record is found there. Fill in its source."
            return Mapped({}, "", "", {}, {}, problem, "no_match_value")
        # The order of the keys is that of the sorted paths, so equal payloads read alike; ascii() is quicker than JSON.
        digest = blake2b(ascii(payload).encode(), digest_size=16).hexdigest()
        return Mapped(payload, found if type(found) is str else str(found), digest, on_create, if_empty)

    def foreign(self, values: Mapping[str, Any]) -> dict[int, str]:
        """Return, by tie, the id of the other record that this one belongs to, "" for none."""
        found = {pk: get(values) for pk, get in self.ties.items()}
        return {pk: "" if value is None else str(value).strip() for pk, value in found.items()}

    def problems(self, values: Mapping[str, Any]) -> list[tuple[Line, str, str]]:
        """Return (line, sentence, code) for each line that refuses these values, in the order of the lines."""
        found = []
        for line, read in self._reads:
            try:
                read(values)
            except Refusal as refusal:
                found.append((line, str(refusal), refusal.code))
        return found

    def _refused(self, values: Mapping[str, Any]) -> Mapped:
        (_line, first, code), *others = self.problems(values)
        more = f" ({len(others)} more)" if others else ""
        return Mapped({}, "", "", {}, {}, f"{first}{more}", code)

    def _group(self, mode: str) -> _Group:
        return _Group([(line, read) for line, read in self._reads if line.write_mode == mode])


class _Group:
    """Lines of one write mode, and the nested objects that their paths make."""

    def __init__(self, reads: Sequence[tuple[Line, Read]]) -> None:
        self._objects: list[tuple[int, str]] = [(0, "")]
        known: dict[tuple[str, ...], int] = {(): 0}
        self.steps: list[tuple[Read, str, str, int, str]] = []
        paths = [(tuple(line.destination.split(".")), line, read) for line, read in reads]
        for path, line, read in sorted(paths, key=lambda one: one[0]):
            for depth in range(1, len(path)):
                if path[:depth] not in known:
                    known[path[:depth]] = len(self._objects)
                    self._objects.append((known[path[: depth - 1]], path[depth - 1]))
            first, _, last = line.source.partition(".")
            short = _is_plain(line) and "." not in last
            self.steps.append((read, first if short else "", last, known[path[:-1]], path[-1]))
        self._blank: list[dict[str, Any] | None] = [None] * len(self._objects)

    def __call__(self, values: Mapping[str, Any]) -> dict[str, Any]:
        payload: dict[str, Any] = {}
        made = self._blank.copy()
        made[0] = payload
        for read, first, last, place, key in self.steps:
            value = None
            if first:  # most lines are plain and most values texts; a call for each would cost half of all
                value = values.get(first)
                if last:
                    value = value.get(last) if type(value) is dict else None
            if type(value) is not str or not value:
                value = read(values)
                if value is None:
                    continue
            holder = made[place]
            if holder is None:
                holder = self._make(made, place)
            holder[key] = None if value is _CLEARED else value
        return payload

    def _make(self, made: list[dict[str, Any] | None], place: int) -> dict[str, Any]:
        parent, key = self._objects[place]
        holder = made[parent]
        if holder is None:
            holder = self._make(made, parent)
        fresh: dict[str, Any] = {}
        made[place] = holder[key] = fresh
        return fresh


def reader(line: Line) -> Read:
    """Compile one line."""
    get = _getter(line.source)
    convert = _converter(line)
    spare, absent = _spare(line), _absent(line)
    is_liquid = line.transform == "liquid"
    check = fitting.check_of(line.there) if line.there else None

    def read_fitting(values: Mapping[str, Any]) -> Any:
        found = read(values)
        if found is not None and found is not _CLEARED and check and (fault := check(found)):
            raise Refusal(line, fault, fitting.CODE)
        return found

    def read(values: Mapping[str, Any]) -> Any:
        value = get(values)
        if not is_liquid and (value is None or value == "" or value == []):
            return spare()
        found = convert(value, values)
        if found is _NOTHING:
            return absent()
        return spare() if found is None or found == "" or found == [] else found

    return read_fitting if check else read


def _is_plain(line: Line) -> bool:
    is_bare = line.transform == "" and line.value_map is None and line.there is None
    return is_bare and not transforms.special(line.destination)


def default_value(line: Line) -> Any:
    """Return what an empty source gives, None for nothing. UnfitError: the default does not fit the transform."""
    if not line.default:
        return [] if line.transform == "list" and line.when_empty == "keep" else None
    transform = transforms.plain if line.transform == "liquid" else _transform(line)
    check = transforms.special(line.destination)
    found = transform(line.default)
    return check(found) if check else found


def computed(line: Line, value: Any, record: Mapping[str, Any]) -> Any:
    """Return what the line's Liquid text gives, the same at any time. TemplateError: it cannot be rendered."""
    known = {line.root: record} if line.root else record
    variables = {**known, "value": value, "now": None, "today": None}
    found = LIQUID.value(line.expression, variables)
    if isinstance(found, str):
        return str(found).strip()
    return float(found) if isinstance(found, Decimal) else found


def at(payload: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return what stands at a path, None if nothing does."""
    found: Any = payload
    for name in path:
        if type(found) is not dict:
            return None
        found = found.get(name)
    return found


def _getter(source: str) -> Read:
    """Compile the way to a source; it may lead through parents that are not there."""
    first, *rest = source.split(".")
    if not source:
        return lambda values: None
    if not rest:
        return lambda values: values.get(first)
    if len(rest) > 1:
        return lambda values: _deep(values, (first, *rest))
    [last] = rest

    def get(values: Mapping[str, Any]) -> Any:
        parent = values.get(first)
        return parent.get(last) if type(parent) is dict else None

    return get


def _deep(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    return at(found, path[1:]) if (found := values.get(path[0])) is not None else None


def _converter(line: Line) -> Callable[[Any, Mapping[str, Any]], Any]:
    """Compile what becomes of a value that is there: mapped, transformed, checked."""
    check = transforms.special(line.destination)
    lookup = _lookup(line) if line.value_map is not None else None
    late = line.transform in ("list", "liquid")
    transform = None if line.transform == "liquid" else _transform(line)

    def convert(value: Any, record: Mapping[str, Any]) -> Any:
        try:
            if lookup and not late:
                value = lookup(value)
                if value is None or value is _NOTHING:
                    return value
            found = computed(line, value, record) if transform is None else transform(value)
            if found is None or found == "":
                return None
            if lookup and late:
                found = _each(lookup, found, line.default)
            elif transform is None:
                found = transforms.plain(found)
            return check(found) if check and found is not None and found is not _NOTHING else found
        except UnfitError as error:
            raise _refusal(line, error) from None
        except TemplateError as error:
            raise Refusal(line, f"{error} Correct the expression.", "liquid") from None

    return convert


def _transform(line: Line) -> Transform:
    if line.transform in transforms.WITH_ARGUMENT:
        return transforms.WITH_ARGUMENT[line.transform](line.expression)
    return transforms.TRANSFORMS[line.transform]


def _spare(line: Line) -> Callable[[], Any]:
    """Compile what an empty source gives."""
    if not line.default:
        return _absent(line)
    try:
        value = default_value(line)
    except UnfitError as error:
        why = f"its default is not {error.wanted}. Correct the default in the mapping."
        return _always_refuse(line, why, "bad_default")
    return (lambda: list(value)) if isinstance(value, list) else (lambda: value)


def _absent(line: Line) -> Callable[[], Any]:
    """Compile what no value at all gives."""
    if line.required:
        why = "it is required and empty. Fill it in, or give the line a default."
        return _always_refuse(line, why, "required")
    if line.when_empty == "clear":
        return lambda: _CLEARED
    return list if line.transform == "list" else (lambda: None)


def _always_refuse(line: Line, why: str, code: str) -> Callable[[], Any]:
    def refuse() -> Any:
        raise Refusal(line, why, code)

    return refuse


def _lookup(line: Line) -> Transform:
    """Compile the value map; it compares without regard to case and outer blanks.

    It gives None where the default is to be used, _NOTHING where the field shall stay empty.
    """
    table = {source.strip().casefold(): destination for source, destination in (line.value_map or {}).items()}
    policy = line.unknown_value

    def look_up(value: Any) -> Any:
        known = table.get(transforms.trim(value).casefold())
        if known is not None:
            return known or _NOTHING
        if policy == "refuse":
            why = "its value is not in the value map. Add it there, or correct the record."
            raise Refusal(line, why, "unknown_value")
        return value if policy == "keep" else None if policy == "default" else _NOTHING

    return look_up


def _each(lookup: Transform, found: Any, default: str) -> Any:
    if not isinstance(found, list | tuple):
        return lookup(found)
    items = [default if item is None else item for item in map(lookup, found)]
    return [item for item in items if item is not _NOTHING and item != ""]


def _refusal(line: Line, error: UnfitError) -> Refusal:
    if error.code == "does_not_fit":
        remedy = "Correct it in the record, or change the line's transform."
    else:
        remedy = "Correct it in the record; until then the record is left out."
    return Refusal(line, f"it does not hold {error.wanted}. {remedy}", error.code)
