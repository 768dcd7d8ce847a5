"""Record ids that come without their object type, as from a file: which records they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from integration_hub.connectors.contract import TypedIds
from integration_hub.connectors.errors import ConfigError
from syncs import connect
from syncs.models import Connection

MOST_TOLD = 20


class RecordIdsError(ValueError):
    """Lines that are no ids of records: a sentence for each, with its number."""

    def __init__(self, problems: list[str]) -> None:
        more = len(problems) - MOST_TOLD
        told = problems[:MOST_TOLD] + ([f"{more} more lines are wrong."] if more > 0 else [])
        super().__init__("\n".join(told))
        self.problems = problems


def read_ids(file: str | Path, connection: Connection) -> dict[str, list[str]]:
    """Return the ids of a file by object type, each once, in its order and its full form.

    One id a line, or the first column of a CSV file; empty lines, lines after # and one heading are passed over.
    RecordIdsError: some lines are no ids, so nothing is returned. OSError: the file cannot be read.
    """
    with Path(file).open(encoding="utf-8-sig") as lines:
        return sort_ids(lines, connection)


def sort_ids(lines: Iterable[str], connection: Connection) -> dict[str, list[str]]:
    """Do the same with lines; a prefix that is not known yet costs one call, whatever the number of ids."""
    found: dict[str, dict[str, None]] = {}
    problems: list[str] = []
    with connect.opened(connection) as connector:
        types = _Types(connector, connection)
        for number, line in enumerate(lines, start=1):
            text = line.split(",")[0].split(";")[0].split("\t")[0].strip().strip("\"'").strip()
            if not text or text.startswith("#") or (number == 1 and _is_heading(text)):
                continue
            try:
                record_id, object_type = types.of(text)
            except ValueError as error:
                problems.append(f"Line {number}: {error}")
            else:
                found.setdefault(object_type, {})[record_id] = None
    if problems:
        raise RecordIdsError(problems)
    return {object_type: list(ids) for object_type, ids in found.items()}


def _is_heading(text: str) -> bool:
    return text.casefold().endswith("id") and not any(char.isdigit() for char in text)


class _Types:
    """The account's own prefixes are kept with the connection; they are asked for again once, if one is unknown."""

    def __init__(self, connector: object, connection: Connection) -> None:
        if not isinstance(connector, TypedIds):
            raise ConfigError(
                f"The ids of {connection} do not tell their object type.",
                remedy="Name the records by a condition instead.",
            )
        self.connector, self.connection = connector, connection
        self.prefixes: dict[str, str] = connection.key_prefixes
        self.asked = False

    def of(self, text: str) -> tuple[str, str]:
        """Return the full id and its object type. ValueError: a sentence on what is wrong."""
        record_id = self.connector.full_id(text)
        object_type = self.connector.object_type_of(record_id, self.prefixes)
        if not object_type and not self.asked:
            self._ask()
            object_type = self.connector.object_type_of(record_id, self.prefixes)
        if not object_type:
            raise ValueError(f"“{record_id}” is of no object type that {self.connection} shows us.")
        return record_id, object_type

    def _ask(self) -> None:
        self.asked = True
        self.prefixes = self.connector.key_prefixes()
        Connection.objects.filter(pk=self.connection.pk).update(key_prefixes=self.prefixes)
        self.connection.key_prefixes = self.prefixes
