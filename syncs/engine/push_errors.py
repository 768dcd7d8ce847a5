"""What is said of a delivery that failed on our side, or of which nothing can be found out."""

from __future__ import annotations

from integration_hub.connectors.errors import RejectedError, UnknownOutcomeError

INTERNAL = "internal"


def internal(failure: Exception) -> UnknownOutcomeError:
    """Return our own failure as an error; it may have come after the vendor did what we asked."""
    text = f"Internal error ({type(failure).__name__}); the log has the details."
    return UnknownOutcomeError(text, code=INTERNAL, remedy="Report it if it lasts.")


def not_to_be_seen_yet() -> UnknownOutcomeError:
    return UnknownOutcomeError(
        "It is unknown whether it arrived: what was written may not show there yet.", code="unanswered"
    )


def not_to_be_found_out(error: RejectedError) -> RejectedError:
    return RejectedError(
        f"It is unknown whether it arrived, and the look for it was refused: {error.message}",
        code=error.code,
        remedy=f"Look yourself; requeue it if it is not there. {error.remedy}".strip(),
    )
