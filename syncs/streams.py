"""What a stream reads: the object as the vendor describes it, and the fields one read must carry."""

from __future__ import annotations

from datetime import datetime, timedelta

from integration_hub.connectors.contract import Source
from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.schema import ObjectSchema
from syncs import connect, listeners
from syncs.models import Stream

SCHEMA_AGE = timedelta(days=1)


def as_source(connector: object, stream: Stream) -> Source:
    if not isinstance(connector, Source):
        raise ConfigError(
            f"{stream.connection} cannot be read from.",
            code="not_a_source",
            remedy="Choose a connection for the stream whose vendor holds records, such as Salesforce.",
        )
    return connector


def schema_of(stream: Stream, now: datetime, source: Source | None = None) -> ObjectSchema:
    """Return the object's fields as stored; asks the vendor when that is older than SCHEMA_AGE or missing."""
    stored = stream.object_schema
    if stored and stream.described_at and now - stream.described_at < SCHEMA_AGE:
        return stored
    return describe(stream, now, source)


def describe(stream: Stream, now: datetime, source: Source | None = None) -> ObjectSchema:
    """Ask the vendor for the object's fields and store the answer."""
    if source is None:
        with connect.opened(stream.connection) as connector:
            return describe(stream, now, as_source(connector, stream))
    described = source.describe(stream.object_type)
    stream.object_schema = described
    stream.described_at = now
    stream.save(update_fields=["schema", "described_at"])
    return described


def fields_to_read(stream: Stream, schema: ObjectSchema, source: Source) -> list[str]:
    """Return the union of what every record has and what the listeners need, as far as the vendor shows it.

    A field that was hidden or deleted would make the vendor refuse the whole read; its rules then say so one by one.
    """
    visible = {name.casefold(): name for name in schema.fields}
    wanted = [*source.base_fields(schema), *sorted(listeners.fields(stream))]
    readable = (visible.get(name.casefold()) for name in wanted)
    return list(dict.fromkeys(name for name in readable if name))
