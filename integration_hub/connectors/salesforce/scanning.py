"""Reading all records of a Salesforce object by ranges of their ids, for backfills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from integration_hub.connectors.errors import RetryableError
from integration_hub.connectors.records import Scan, Scanned, ScanPage
from integration_hub.connectors.salesforce import soql
from integration_hub.connectors.salesforce.reading import Row, instant, plain

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""In the order in which Salesforce compares ids."""
ID_LENGTH = 15
_VALUES = {digit: value for value, digit in enumerate(DIGITS)}
_CHECK_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def query(scan: Scan) -> str:
    """Return the scan as a query, in the order of ids. ValueError: a sentence on what cannot be asked."""
    return soql.select(
        ["Id", "SystemModstamp", *scan.fields],
        scan.object_type,
        where=_where(scan),
        order=["Id"],
        limit=scan.limit,
    )


def bulk_query(scan: Scan) -> str:
    """Return the whole scan as a query, in whatever order is quickest; with a limit always the same records."""
    return soql.select(
        ["Id", "SystemModstamp", *scan.fields],
        scan.object_type,
        where=_where(replace(scan, after_id="", up_to_id="")),
        order=["Id"] if scan.limit is not None else [],
        limit=scan.limit,
    )


def last(scan: Scan) -> str:
    """Return the query for the greatest id alone."""
    return soql.select(["Id"], scan.object_type, where=_where(scan), order=["-Id"], limit=1)


def page(answer: Mapping[str, Any], scan: Scan) -> ScanPage:
    """Return an answer's rows. Their values are what the answer holds, only freed of its `attributes`."""
    rows: list[dict[str, Any]] = answer["records"]
    parents = _parents(scan.fields)
    records: list[Scanned] = []
    try:
        for row in rows:
            row.pop("attributes", None)
            for name in parents or ():
                parent = row.get(name)
                if parent:
                    parent.pop("attributes", None)
            values = row if parents is not None else plain(row)
            records.append((row["Id"], instant(row["SystemModstamp"]), values))
        return ScanPage(records, int(answer["totalSize"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RetryableError("Salesforce sent rows that are not whole.", code="malformed_page") from None


def first_id(pages: Iterator[list[Row]]) -> str:
    for rows in pages:
        for row in rows:
            return str(row["Id"])
    return ""


def split(after_id: str, up_to_id: str, parts: int) -> list[str]:
    """Cut a range of ids evenly, as numbers of base 62; the last end is `up_to_id` itself."""
    low, high = _number(after_id), _number(up_to_id)
    parts = max(1, min(parts, high - low))
    ends = [_id(low + (high - low) * part // parts) for part in range(1, parts)]
    return [*ends, up_to_id]


def _where(scan: Scan) -> str:
    parts = [f"({checked(scan.condition)})"] if scan.condition.strip() else []
    if scan.since:
        parts.append(f"SystemModstamp >= {soql.literal(scan.since)}")
    if scan.until:
        parts.append(f"SystemModstamp < {soql.literal(scan.until)}")
    if scan.after_id:
        parts.append(f"Id > '{_known(scan.after_id)}'")
    if scan.up_to_id:
        parts.append(f"Id <= '{_known(scan.up_to_id)}'")
    return " AND ".join(parts)


def checked(condition: str) -> str:
    """Return what a person typed after WHERE, if it stays within the parentheses we put around it."""
    depth, quoted, escaped = 0, False, False
    for char in condition:
        if quoted:
            quoted = escaped or char != "'"
            escaped = char == "\\" and not escaped
        elif char == "'":
            quoted = True
        else:
            depth += (char == "(") - (char == ")")
            if depth < 0:
                break
    if depth or quoted:
        raise ValueError("The condition has a parenthesis or a quote that is not closed.")
    return condition.strip()


def _parents(fields: Sequence[str]) -> list[str] | None:
    """Return the relationships of the fields; None: some lead over more than one."""
    if any(name.count(".") > 1 for name in fields):
        return None
    return sorted({name.partition(".")[0] for name in fields if "." in name})


def _known(record_id: str) -> str:
    if len(record_id) not in (15, 18) or not (record_id.isascii() and record_id.isalnum()):
        raise ValueError(f"“{record_id}” is not a Salesforce id; it has 15 or 18 letters and digits.")
    return record_id


def _number(record_id: str) -> int:
    number = 0
    for digit in record_id[:ID_LENGTH]:
        number = number * len(DIGITS) + _VALUES[digit]
    return number


def _id(number: int) -> str:
    digits = ""
    for _ in range(ID_LENGTH):
        number, value = divmod(number, len(DIGITS))
        digits = DIGITS[value] + digits
    return digits + checksum(digits)


def checksum(digits: str) -> str:
    """Return the three letters that make an id safe where case is ignored."""
    blocks = (digits[start : start + 5] for start in range(0, ID_LENGTH, 5))
    return "".join(
        _CHECK_LETTERS[sum(1 << place for place, char in enumerate(block) if "A" <= char <= "Z")]
        for block in blocks
    )
