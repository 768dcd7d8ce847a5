"""Where a poll starts and what it leaves behind: values in, values out."""

from __future__ import annotations

from datetime import datetime, timedelta


def next_since(
    watermark: datetime | None, *, start: datetime, overlap: timedelta, resume_at: datetime | None = None
) -> datetime:
    """Return the instant to read from, that instant included.

    Vendors index late: a record stamped before our last read may become visible only after it, so we step back
    by the overlap. Reading a record twice costs one ignored row; missing it costs a customer. `start` is where
    the stream began; before it there is nothing to read. A poll that had no time to read to the end is resumed
    without a step back: else a mass change larger than one poll would be read from its beginning for ever.
    """
    if resume_at is not None:
        return resume_at
    if watermark is None:
        return start
    return max(watermark - overlap, start)


def advanced(watermark: datetime | None, seen: datetime | None) -> datetime | None:
    """Return the later of the two: a watermark never moves back by itself."""
    if watermark is None or seen is None:
        return watermark or seen
    return max(watermark, seen)
