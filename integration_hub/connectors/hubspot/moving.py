"""Updates that give records other match values: who leaves a value goes before who comes to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from integration_hub.connectors.hubspot.errors import HubSpotRefusedError
from integration_hub.connectors.hubspot.identity import Job
from integration_hub.connectors.records import Outcome


class Moves:
    """The jobs of one request by the values they leave, and those that were refused because a value is taken.

    In a circle each waits for the next one. Then one gives its value up before it has its new one; should that not
    come, the whole circle counts as not done, so that the same jobs meet again and end it.
    """

    def __init__(self, jobs: Iterable[Job], former: Callable[[Job], str]) -> None:
        self._sitting = {former(job): job for job in jobs if former(job)}
        self._waiting: dict[str, tuple[Job, HubSpotRefusedError]] = {}
        self._tried: set[str] = set()
        self._emptied: dict[str, list[Job]] = {}

    def in_order(self, jobs: Sequence[Job]) -> list[Job]:
        """Put who leaves a value before who comes to it; whether HubSpot keeps the order is not promised."""
        wanted = {job.ref for job in jobs}
        ordered: dict[str, Job] = {}
        for job in jobs:
            path: dict[str, Job] = {}
            following: Job | None = job
            while following and following.ref in wanted and following.ref not in (path.keys() | ordered):
                path[following.ref] = following
                following = self._before(following)
            ordered |= dict(reversed(path.items()))
        return list(ordered.values())

    def refused(self, job: Job, error: HubSpotRefusedError) -> None:
        """Let it wait for the one that has its value; it fails if none of these has it, or not any more."""
        if self._before(job) is None or job.ref in self._tried:
            job.fail(error)
        else:
            self._waiting[job.ref] = job, error

    def next(self) -> list[Job]:
        """Return those that may go now, and behind them those that wait for these."""
        found: dict[str, Job] = {}
        for ref, (job, _) in self._waiting.items():
            before = self._before(job)
            if before and (_is_done(before) or before.ref in self._emptied):
                self._tried.add(ref)
                found[ref] = job
        grown = True
        while grown and found:
            behind = {
                ref: job
                for ref, (job, _) in self._waiting.items()
                if ref not in found and (before := self._before(job)) and before.ref in found
            }
            grown = bool(behind)
            found |= behind
        for ref in found:
            del self._waiting[ref]
        # Who emptied its value comes last: its own new one is left by the others.
        return sorted(self.in_order(list(found.values())), key=lambda job: job.ref in self._emptied)

    def to_empty(self) -> Job | None:
        """Return one that waits in a circle and is to give its value up first."""
        for job, _ in self._waiting.values():
            circle = [job]
            while (
                (before := self._before(circle[-1])) and before.ref in self._waiting and before not in circle
            ):
                circle.append(before)
            if before is job and not any(one.ref in self._emptied for one in circle):
                self._emptied[job.ref] = circle
                return job
        return None

    def give_up(self) -> None:
        """Fail those whose value nobody leaves."""
        for job, error in self._waiting.values():
            job.fail(error)
        self._waiting = {}

    def reopen(self) -> None:
        """Count the circles that were begun as not done."""
        for circle in self._emptied.values():
            for job in circle:
                job.result = None

    def _before(self, job: Job) -> Job | None:
        """Return who has the value that the job comes to."""
        return self._sitting.get(job.key.lower())


def _is_done(job: Job) -> bool:
    return job.result is not None and job.result.outcome is not Outcome.FAILED
