"""Threads without a database: they read and write at vendors, and one thread does all that touches our tables."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from django.utils import timezone

from integration_hub.connectors.contract import Connector
from integration_hub.connectors.session import new_session
from integration_hub.connectors.transport import Callout, Transport
from syncs import callouts, connect, kept, limits
from syncs.models import Connection, Priority

T = TypeVar("T")
LONGEST_TURN = 10.0
"""Seconds that a call waits for its turn; a vendor that says "later than that" is an error for the caller."""


class StoppedError(Exception):
    """The work was ended; whoever gets this leaves."""


class Desk:
    """Jobs for the thread that made it. With SQLite only one may write, and no connection is left open anywhere."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.ending = threading.Event()
        self._owner = threading.get_ident()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any] | None]] = queue.SimpleQueue()

    def ask(self, job: Callable[[], T]) -> T:
        """Have the job done and return what it gives."""
        if threading.get_ident() == self._owner:
            return job()
        if self.stopped.is_set():
            raise StoppedError
        answer: Future[T] = Future()
        self._jobs.put((job, answer))
        while not wait((answer,), timeout=1.0).done:
            if self.stopped.is_set():
                raise StoppedError
        return answer.result()

    def post(self, job: Callable[[], object]) -> None:
        """Have the job done some time; an exception of it ends the whole work."""
        self._jobs.put((job, None))

    def serve(self, seconds: float) -> None:
        """Do what there is to do, waiting so long for it."""
        try:
            self._do(*self._jobs.get(timeout=seconds))
            while True:
                self._do(*self._jobs.get_nowait())
        except queue.Empty:
            return

    def pause(self, seconds: float) -> None:
        """Let a thread wait; StoppedError: the work ends, and what is only waited for is not begun."""
        if self.ending.wait(seconds):
            raise StoppedError

    def close(self) -> None:
        """End the work: threads that wait for an answer, or will, leave."""
        self.ending.set()
        self.stopped.set()
        while not self._jobs.empty():
            _job, answer = self._jobs.get()
            if answer is not None:
                answer.set_exception(StoppedError())

    def together(self, jobs: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run jobs side by side, each in a thread, and return what they give."""
        answers: list[Future[Any]] = [Future() for _ in jobs]
        for job, answer in zip(jobs, answers, strict=True):
            threading.Thread(target=_run_into, args=(job, answer), daemon=True).start()
        while not all(answer.done() for answer in answers):
            self.serve(0.01)
        return [answer.result() for answer in answers]

    @staticmethod
    def _do(job: Callable[[], Any], answer: Future[Any] | None) -> None:
        if answer is None:
            job()
            return
        _run_into(job, answer)


class Side:
    """One connection as many threads use it: rate limit, budget, callout log and tokens are shared at the desk."""

    def __init__(
        self,
        connection: Connection,
        desk: Desk,
        clock: Callable[[], datetime] = timezone.now,
        user: str = "backfill",
    ) -> None:
        self.connection = connection
        self.desk = desk
        self.clock = clock
        self.kind = connection.connector_class
        self.config = connect.configuration(connection)
        self.rates = self.kind.rates_for(self.config)
        self.limiter = limits.SharedLimiter(
            connection, self.rates, Priority.BACKFILL, patience=LONGEST_TURN,
            clock=lambda: clock().timestamp(), sleep=self._noted,
        )  # fmt: skip
        self.buffer = callouts.CalloutBuffer(connection, Priority.BACKFILL, user)
        self.keeper = kept.ConnectionKeeper(connection)
        self.turn = threading.Lock()
        self._wait = 0.0

    @contextmanager
    def connector(self) -> Iterator[Connector]:
        """Give a connector for the use of one thread, with HTTP connections of its own."""
        transport = Transport(
            connect.base_url(self.connection),
            observer=lambda callout: self.desk.post(lambda: self._observe(callout)),
            limiter=_SharedTurn(self),
            secrets=[self.config[s.name] for s in self.kind.settings if s.secret and self.config[s.name]],
            session=new_session(),
            clock=self.clock,
        )
        with self.kind(self.config, transport, _DeskKeeper(self)) as connector:
            yield connector

    @property
    def calls(self) -> int:
        return self.limiter.calls

    def reserve(self, scope: str) -> float:
        """Draw one call; return the seconds until it may leave. RateLimitError, BudgetError."""
        self._wait = 0.0
        self.limiter.acquire(scope)
        return self._wait

    def look_at_budget(self) -> None:
        """Count what others called meanwhile."""
        self.buffer.flush()
        self.connection.refresh_from_db()
        left = limits.calls_left(self.connection, Priority.BACKFILL, self.clock())
        self.limiter.left = None if left is None else self.limiter.calls + left

    def close(self) -> None:
        self.buffer.flush()

    def _noted(self, seconds: float) -> None:
        self._wait = seconds

    def _observe(self, callout: Callout) -> None:
        self.buffer(callout)


class _SharedTurn:
    """The limiter of one thread. Only one waits at a time: a live write is never more than one call behind."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def acquire(self, scope: str) -> None:
        desk = self.side.desk
        if not self.side.rates.get(scope):
            desk.ask(lambda: self.side.reserve(scope))
            return
        with self.side.turn:
            seconds = desk.ask(lambda: self.side.reserve(scope))
            if seconds > 0:
                desk.pause(seconds)

    def block(self, scope: str, seconds: float) -> None:
        self.side.desk.ask(lambda: self.side.limiter.block(scope, seconds))

    def report_usage(self, used: int, limit: int) -> None:
        self.side.desk.post(lambda: self.side.limiter.report_usage(used, limit))


class _DeskKeeper:
    """The keeper of one thread."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def recall(self) -> Mapping[str, str]:
        return self.side.desk.ask(self.side.keeper.recall)

    def remember(self, values: Mapping[str, str]) -> None:
        self.side.desk.ask(lambda: self.side.keeper.remember(values))

    def replace_secret(self, name: str, value: str) -> None:
        self.side.desk.ask(lambda: self.side.keeper.replace_secret(name, value))


def _run_into(job: Callable[[], Any], answer: Future[Any]) -> None:
    """Run a job; what it raises is its answer, for whoever asked."""
    try:
        answer.set_result(job())
    except Exception as error:  # noqa: BLE001 - carried to the thread that asked, and raised there
        answer.set_exception(error)
