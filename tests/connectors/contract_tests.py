"""What every source and every destination must do, whatever the vendor: a connector's tests inherit these.

A subclass has a fixture `connector` and says how its vendor answers: the methods without a body here.
"""

from abc import ABC, abstractmethod

import pytest

from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    RateLimitError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.records import Outcome


class SourceContract(ABC):
    read_errors = {
        401: AuthError,
        403: ConfigError,
        408: RetryableError,
        429: RateLimitError,
        500: RetryableError,
        502: RetryableError,
        503: RetryableError,
        504: RetryableError,
    }

    @abstractmethod
    def read_request(self): ...

    @abstractmethod
    def serve_status(self, vendor, status): ...

    @abstractmethod
    def serve_pages(self, vendor, sizes):
        """Answer the read with pages of so many records; return their ids in order."""

    @pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 502, 503, 504])
    def test_a_refused_read_says_what_to_do_next(self, vendor, connector, status):
        self.serve_status(vendor, status)

        with pytest.raises(self.read_errors[status]) as caught:
            list(connector.read(self.read_request()))

        assert not isinstance(caught.value, UnknownOutcomeError), "reading again is harmless"

    def test_nothing_new_is_no_record_and_no_watermark(self, vendor, connector):
        self.serve_pages(vendor, [0])

        pages = list(connector.read(self.read_request()))

        assert all(not page.records and page.watermark is None for page in pages)

    @pytest.mark.parametrize("sizes", [[1], [3, 2], [2, 1, 3]])
    def test_reading_ends_with_the_last_page_and_leaves_nothing_out(self, vendor, connector, sizes):
        ids = self.serve_pages(vendor, sizes)

        pages = list(connector.read(self.read_request()))

        assert [record.remote_id for page in pages for record in page.records] == ids

    def test_the_oldest_change_comes_first_and_the_watermark_is_the_newest_of_its_page(
        self, vendor, connector
    ):
        self.serve_pages(vendor, [3, 2])

        pages = list(connector.read(self.read_request()))

        instants = [record.modified_at for page in pages for record in page.records]
        assert instants == sorted(instants)
        assert [page.watermark for page in pages] == [page.records[-1].modified_at for page in pages]


class DestinationContract(ABC):
    write_errors = {
        401: AuthError,
        403: ConfigError,
        429: RateLimitError,
        500: UnknownOutcomeError,
        502: UnknownOutcomeError,
        503: RetryableError,
        504: UnknownOutcomeError,
    }
    """For a write that is not repeatable; a vendor whose writes are overrides it."""

    @abstractmethod
    def write_request(self, refs): ...

    @abstractmethod
    def serve_status(self, vendor, status): ...

    @abstractmethod
    def serve_verdicts(self, vendor, verdicts):
        """Accept (True) or refuse (False) the writes, in this order."""

    @pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503, 504])
    def test_an_unanswered_write_says_what_to_do_next(self, vendor, connector, status):
        self.serve_status(vendor, status)

        with pytest.raises(self.write_errors[status]) as caught:
            connector.write(self.write_request(["d1"]))

        assert type(caught.value) is self.write_errors[status]

    @pytest.mark.parametrize(
        "verdicts", [[True], [False], [True, False, True], [False, True]], ids=lambda v: str(v)
    )
    def test_each_write_has_its_result_in_order_under_its_ref(self, vendor, connector, verdicts):
        refs = [f"d{number}" for number in range(len(verdicts))]
        self.serve_verdicts(vendor, verdicts)

        results = connector.write(self.write_request(refs))

        assert [result.ref for result in results] == refs
        assert [result.outcome is not Outcome.FAILED for result in results] == verdicts
        assert all((result.error is None) == fine for result, fine in zip(results, verdicts, strict=True))
        assert all(isinstance(r.error, RejectedError) for r in results if r.outcome is Outcome.FAILED)
        assert all(result.remote_id for result in results if result.outcome is not Outcome.FAILED)
