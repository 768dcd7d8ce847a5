"""What is wrong with how a sync writes to its destination: its policy, its ties, and fields it cannot write so."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.records import Operation
from integration_hub.connectors.schema import FieldSchema, FieldType
from syncs import destinations
from syncs.models import FieldMapping, Sync, SyncTie
from syncs.models.mappings import Transform, UnknownValue
from syncs.models.syncs import Policy

Fields = Mapping[str, FieldSchema]
Said = tuple[str | tuple[str, int, str], str, bool]
"""Where, what, and whether it is only a warning, as in `mapping_check.Finding`."""
STAGES = {"pipeline": "dealstage", "hs_pipeline": "hs_pipeline_stage"}
"""A record moves to another pipeline only together with one of its stages."""
MOMENTS = frozenset({Transform.DATETIME, Transform.NONE})


def problems(
    sync: Sync, rows: Sequence[FieldMapping], here: Fields | None, there: Fields | None
) -> Iterator[Said]:
    """Yield them. None for the fields of a side: it could not be asked, and is not judged."""
    yield from _policy(sync, rows, there)
    yield from _needed(sync, rows, there or {})
    if not destinations.gives_ids(sync):
        return
    written = {row.destination for row in rows}
    for index, row in enumerate(rows):
        for field, message, warning in _line(row, here, there or {}):
            yield ("mappings", index, field), message, warning
        stage = STAGES.get(row.destination)
        if stage and stage in (there or {}) and stage not in written:
            message = f"A record changes its pipeline only together with its stage. Add a line to “{stage}”."
            yield ("mappings", index, "destination"), message, False
        elif stage:
            yield from _stages(rows, row, stage, there or {})


def tie_problem(tie: SyncTie) -> str:
    """Say why two syncs cannot be tied, "" if they can."""
    sync, partner = tie.sync, tie.partner
    kind = sync.destination.connector_class
    if not issubclass(kind, Destination) or Operation.ASSOCIATE not in kind.repeatable:
        return f"{sync.destination} cannot tie records. Ties are for destinations such as HubSpot."
    if partner.destination_id != sync.destination_id:
        return f"{partner} writes to {partner.destination}. Choose a sync that writes to {sync.destination}."
    if partner == sync:
        return "Choose another sync: this one cannot be tied to itself."
    return ""


def _policy(sync: Sync, rows: Sequence[FieldMapping], there: Fields | None) -> Iterator[Said]:
    if sync.policy != Policy.BOTH and not destinations.gives_ids(sync):
        yield "policy", f"{sync.destination} always does both. Choose “{Policy.BOTH.label}”.", False
    path = sync.external_id_path
    if not path:
        return
    clash = next((row.destination for row in rows if _overlap(row.destination, path)), "")
    if clash:
        yield "external_id_path", f"A line writes to “{clash}” already. Keep the line, or empty this.", False
    fixed = (there or {}).get(path)
    if fixed is not None and fixed.read_only:
        yield "external_id_path", f"“{path}” cannot be written there. Choose another field.", False


def _needed(sync: Sync, rows: Sequence[FieldMapping], there: Fields) -> Iterator[Said]:
    """Yield what no record is created without there and no line writes; something there may still fill it in."""
    if sync.policy == Policy.UPDATE:
        return
    written = {row.destination for row in rows} | {sync.external_id_path}
    lacking = [
        one for one in there.values() if one.required and not one.read_only and not _is_written(one, written)
    ]
    if lacking:
        names = ", ".join(f"“{one.label}” ({one.name})" for one in lacking)
        message = (
            f"{sync.destination} creates no record without {names}. Add lines to them, "
            f"or choose “{Policy.UPDATE.label}”."
        )
        yield "object_type", message, True


def _is_written(field: FieldSchema, paths: Collection[str]) -> bool:
    """Say whether a line writes it; a parent may also be named by its own key, as in Account.Number__c."""
    if field.name in paths:
        return True
    return field.type == FieldType.REFERENCE and any(
        "." in path and path.startswith(field.name[:-2]) for path in paths
    )


def _stages(
    rows: Sequence[FieldMapping], pipeline: FieldMapping, stage_name: str, there: Fields
) -> Iterator[Said]:
    """Yield pairs of a pipeline and a stage that the two lines give and that do not go together."""
    known = there[stage_name]
    index, stage = next((at, row) for at, row in enumerate(rows) if row.destination == stage_name)
    pipelines, stages = _given(pipeline), _given(stage)
    if not known.within or not pipelines or not stages:
        return
    if pipeline.source and pipeline.source == stage.source and pipeline.value_map and stage.value_map:
        pairs = {(one, stages[key]) for key, one in pipelines.items() if key in stages}
    else:
        fitting = {there_ for one, there_ in known.within if one in pipelines.values()}
        first = next(iter(pipelines.values()))
        pairs = {(first, one) for one in stages.values() if one not in fitting}
    allowed = set(known.options)
    wrong = sorted(pair for pair in pairs if pair not in known.within and pair[1] in allowed)
    if wrong:
        (one, at), more = wrong[0], len(wrong) - 1
        also = f" (and {more} more)" if more else ""
        whole = there[pipeline.destination].named(one)
        place = "value_map" if stage.value_map else "expression"
        message = (
            f"{known.named(at)} is no stage of the pipeline {whole}{also}. Choose a stage of that pipeline."
        )
        yield ("mappings", index, place), message, False


def _given(row: FieldMapping) -> dict[str, str]:
    """Return what the line gives as far as that is certain, by folded source value; "" for a fixed text."""
    if row.value_map is None:
        fixed = row.expression.strip() if row.transform == Transform.LIQUID else ""
        return {"": fixed} if fixed and "{" not in fixed else {}
    entries = row.value_map.entries.all()
    return {one.source.strip().casefold(): one.destination for one in entries if one.destination}


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _line(row: FieldMapping, here: Fields | None, there: Fields) -> Iterator[tuple[str, str, bool]]:
    fixed = there.get(row.destination)
    if fixed is None:
        return
    if fixed.read_only:
        yield "destination", f"“{row.destination}” cannot be written there. Choose another field.", False
        return
    field = (here or {}).get(row.source)
    is_moment = row.transform == Transform.DATETIME or (
        field is not None and field.type == FieldType.DATETIME
    )
    if fixed.type == FieldType.DATE and is_moment and row.transform in MOMENTS:
        yield (
            "transform",
            f"“{row.destination}” holds a day, and this line gives a time. Choose “Date”.",
            False,
        )
    yield from _choices(row, fixed)


def _choices(row: FieldMapping, fixed: FieldSchema) -> Iterator[tuple[str, str, bool]]:
    """Yield what the line may give and the destination does not offer: a stage of another account, say."""
    if not fixed.options or fixed.any_value:
        return
    if row.default and row.default not in fixed.options and row.transform != Transform.LIST:
        yield "default", f"“{row.default}” is no choice there. {_offered(fixed)}", False
    if row.value_map is None:
        return
    given = {entry.destination for entry in row.value_map.entries.all()} - {""}
    wrong = sorted(given - set(fixed.options))
    if wrong:
        names = ", ".join(f"“{value}”" for value in wrong[:3])
        yield "value_map", f"The value map gives {names}, which is no choice there. {_offered(fixed)}", False
    if row.unknown_value == UnknownValue.KEEP:
        message = "A value that the map does not know is passed on, and refused there unless it is a choice."
        yield "unknown_value", message, True


def _offered(fixed: FieldSchema) -> str:
    listed = ", ".join(fixed.named(one) for one in fixed.options[:8])
    return f"Choices: {listed}{' …' if len(fixed.options) > 8 else ''}."
