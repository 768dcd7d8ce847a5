"""Verbs of known records: recall which record has a match value, learn it when it is written, forget what is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from syncs.models import KnownRecord

LONGEST_VALUE = 254
AT_ONCE = 500


class Key(NamedTuple):
    """What finds a record at one connection; `value` is as it was sent, its case does not count."""

    object_type: str
    field: str
    value: str

    @property
    def folded(self) -> Key:
        return self._replace(value=self.value.casefold())


def recall(connection_id: int, keys: Collection[Key]) -> dict[Key, str]:
    """Return the ids of those that are known, by the keys as they were given; one query for some hundred."""
    wanted: dict[Key, list[Key]] = {}
    for key in keys:
        wanted.setdefault(key.folded, []).append(key)
    found: dict[Key, str] = {}
    folded = list(wanted)
    for start in range(0, len(folded), AT_ONCE):
        part = folded[start : start + AT_ONCE]
        rows = KnownRecord.objects.filter(
            connection=connection_id,
            object_type__in={key.object_type for key in part},
            key_field__in={key.field for key in part},
            key_value__in=[key.value for key in part],
        )
        for *names, remote_id in rows.values_list("object_type", "key_field", "key_value", "remote_id"):
            found.update(dict.fromkeys(wanted.get(Key(*names), ()), remote_id))
    return found


def learn(connection_id: int, records: Iterable[tuple[Key, str]], now: datetime) -> None:
    """Store which record has which key; what was known of the key before is replaced."""
    by_key = {key.folded: remote_id for key, remote_id in records}
    # In the order of their keys, so that two processes never wait for each other.
    rows = [
        KnownRecord(
            connection_id=connection_id, object_type=key.object_type, key_field=key.field, key_value=key.value,
            remote_id=remote_id, learned_at=now,
        )
        for key, remote_id in sorted(by_key.items())
        if key.value and remote_id and len(key.value) <= LONGEST_VALUE
    ]  # fmt: skip
    KnownRecord.objects.bulk_create(
        rows,
        batch_size=AT_ONCE,
        update_conflicts=True,
        unique_fields=["connection", "object_type", "key_field", "key_value"],
        update_fields=["remote_id", "learned_at"],
    )


def forget(connection_id: int, *, keys: Iterable[Key] = (), records: Iterable[tuple[str, str]] = ()) -> None:
    """Forget what is gone there, by its keys, or by object type and id."""
    gone = Q()
    for key in keys:
        gone |= Q(object_type=key.object_type, key_field=key.field, key_value=key.folded.value)
    for object_type, remote_id in records:
        gone |= Q(object_type=object_type, remote_id=remote_id)
    if gone:
        KnownRecord.objects.filter(gone, connection=connection_id).delete()
