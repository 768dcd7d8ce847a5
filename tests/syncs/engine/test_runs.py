"""Runs: what is written down of an execution, however it ends."""

import pytest

from integration_hub.connectors.errors import RetryableError
from syncs.engine import runs
from syncs.models import SyncRun
from syncs.models.runs import RunKind, RunState
from tests.factories import NOON, make_stream

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RetryableError("Salesforce does not answer."), "Salesforce does not answer."),
        (
            ValueError("Failing row contains (Ann Lee, ann@example.test)"),
            "Internal error (ValueError); the log has the details.",
        ),
    ],
)
def test_a_run_that_breaks_says_why_without_what_an_unexpected_error_quotes(error, text):
    with pytest.raises(type(error)), runs.recording(RunKind.POLL, now=NOON, stream=make_stream()):
        raise error

    run = SyncRun.objects.get()
    assert (run.state, run.error) == (RunState.FAILED, text)
