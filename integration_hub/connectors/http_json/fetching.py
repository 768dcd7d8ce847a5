"""Fetching records by their ids: several at once where the API can, else one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from integration_hub.connectors.errors import ConfigError, RejectedError
from integration_hub.connectors.http_json.objects import Call, ObjectType, Several
from integration_hub.connectors.http_json.reading import rows_of
from integration_hub.connectors.http_json.writing import GONE, Exchange
from integration_hub.connectors.json_values import at, text_at


def calls(kind: ObjectType, count: int) -> int:
    return math.ceil(count / kind.get_several.most) if kind.get_several else count


def rows(kind: ObjectType, ids: Sequence[str], exchange: Exchange) -> Iterator[Any]:
    """Yield the records that are there, as the API shows them."""
    if kind.get_several:
        for start in range(0, len(ids), kind.get_several.most):
            yield from _several(kind, kind.get_several, ids[start : start + kind.get_several.most], exchange)
        return
    if kind.get is None:
        raise ConfigError(
            f"The connection does not say how to get one {kind.name}.",
            code="object_type",
            remedy="Add “get” to this object type in the objects of the connection.",
        )
    for remote_id in ids:
        call = Call(kind.get.method, kind.get.path.replace("{id}", quote(remote_id, safe="")))
        try:
            yield at(exchange(call, purpose=f"fetch {kind.name}").body, kind.record)
        except RejectedError as error:
            if error.status not in GONE:
                raise


def _several(kind: ObjectType, several: Several, ids: Sequence[str], exchange: Exchange) -> list[Any]:
    """Return those of these ids: an API that does not know the parameter lists everybody."""
    path = several.path.replace("{ids}", ",".join(quote(one, safe="") for one in ids))
    found = rows_of(exchange(Call("GET", path), purpose=f"fetch {kind.name}").body, several.records)
    wanted = [row for row in found if text_at(row, kind.paths.id) in set(ids)]
    if found and not wanted:
        raise ConfigError(
            f"What was asked for by ids is answered by other {kind.name}.",
            code="object_type",
            remedy="Correct “get_several” in the objects of the connection, or leave it out.",
        )
    return wanted
