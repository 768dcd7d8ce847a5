"""Sending messages one by one, for the destinations that know no batches."""

from __future__ import annotations

from collections.abc import Callable

from integration_hub.connectors.errors import ConfigError, ConnectorError, RejectedError
from integration_hub.connectors.records import Operation, Outcome, RecordResult, RecordWrite, WriteRequest


def send_each(request: WriteRequest, send: Callable[[RecordWrite], str]) -> list[RecordResult]:
    """Return what became of each message; `send` returns the id that the vendor gave it.

    A refusal of one message is its result. Any other error is raised, unless an earlier message has been
    sent: then it becomes the result, because raising it would lose what is known of that one.
    """
    if request.object_type != "message" or request.operation is not Operation.SEND:
        raise ConfigError(
            f"This connection cannot {request.operation} a {request.object_type}.",
            remedy="Choose a connection of another kind: this one only sends messages.",
        )
    results: list[RecordResult] = []
    for write in request.writes:
        try:
            remote_id = send(write)
        except ConnectorError as error:
            if not isinstance(error, RejectedError) and not results:
                raise
            results.append(RecordResult(write.ref, Outcome.FAILED, error=error))
        else:
            results.append(RecordResult(write.ref, Outcome.SENT, remote_id=remote_id))
    return results
