"""Everything a connector may raise; each class says what the engine does next.

ConnectorError
├── ConfigError            a person must change something: the connection goes on hold
│   └── AuthError          the credentials were refused: likewise
├── RateLimitError         the vendor, our rate or our budget says wait: the connection is paused
│   └── BudgetError        the day's calls for this priority are used up
├── RetryableError         the same call may work later: back with backoff
│   └── UnknownOutcomeError  it left us and no answer came: repeated only if that is harmless, else recalled
└── RejectedError          this record is refused: a dead letter, the others go on
    └── RecipientError     the addressee cannot be reached: another recipient may
"""

from __future__ import annotations


class ConnectorError(Exception):
    """A failed exchange with a vendor.

    `code` is short and stable (the vendor's own code where it has one), `remedy` tells an operator in words
    what to do. Neither may hold a secret or personal data: both are stored and shown.
    """

    default_code = "error"

    def __init__(self, message: str, *, code: str = "", remedy: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.remedy = remedy
        self.status = status


class ConfigError(ConnectorError):
    default_code = "configuration"


class AuthError(ConfigError):
    default_code = "credentials"


class RateLimitError(ConnectorError):
    """`retry_after` is in seconds."""

    default_code = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float,
        code: str = "",
        remedy: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(message, code=code, remedy=remedy, status=status)
        self.retry_after = retry_after


class BudgetError(RateLimitError):
    default_code = "budget"


class RetryableError(ConnectorError):
    default_code = "unavailable"


class UnknownOutcomeError(RetryableError):
    default_code = "no_answer"


class RejectedError(ConnectorError):
    default_code = "rejected"


class RecipientError(RejectedError):
    default_code = "recipient"
