"""Plays the demo: prepares, lets the scenes happen, does the hub's work each second, judges."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType

from django.conf import settings

from integration_hub.demo import audience, onboarding, orders, outcome, script, staging, web
from integration_hub.demo.audience import UserScene
from integration_hub.demo.onboarding import OnboardingScene
from integration_hub.demo.orders import OrderScene
from integration_hub.demo.report import Ended, Report
from integration_hub.demo.script import Act, Scene, Stage
from integration_hub.demo.traffic import Traffic
from integration_hub.demo.watch import Watcher
from integration_hub.simulator.server import Simulator
from routing import work

BEAT = 1.0
"""Seconds between two looks at what is due."""
ENCORE = 3
"""Beats that must change nothing once all is as it should be: a doubled message would come late."""
LEAD_EVERY = 5.0
PAGES = (
    ("dashboard", "/admin/"),
    ("decisions, with reasons", "/admin/routing/decision/"),
    ("deliveries", "/admin/syncs/delivery/"),
    ("rules", "/admin/routing/rule/"),
    ("syncs, with their mappings", "/admin/syncs/sync/"),
    ("runs of the onboarding, step by step", "/admin/routing/flowrun/"),
    ("a conflict between HubSpot and the order system", "/admin/syncs/conflict/"),
)


def once(seconds: float, report: Report) -> bool:
    """Play all scenes and print how each ended. True: each exactly as it should."""
    staging.prepare_database()
    with Simulator() as simulator:
        show = opened(simulator, report)
        return show.play(seconds)


def going_on(port: int, seconds: float, report: Report) -> None:
    """Play all scenes with the pages open to look at, then go on with new leads until Ctrl-C."""
    web.refuse_taken(port)
    staging.prepare_database()
    log = Path(settings.DATABASES["default"]["NAME"]).with_suffix(".web.log")
    with _ended_by_signals(), Simulator() as simulator:
        show = opened(simulator, report)
        with web.serving(port, log) as address:
            report.say(f"Look at {address}/admin/ — user name demo, password demo", "bold")
            for name, path in PAGES:
                report.say(f"  {address}{path}  {name}")
            show.play(seconds)
            report.say(
                f"A new lead every {LEAD_EVERY:.0f} seconds. Look at {address}/admin/. Ctrl-C ends it.",
                "bold",
            )
            show.go_on()


def opened(simulator: Simulator, report: Report) -> Show:
    """Set the stage in an empty database: configured, everybody known, everything read once."""
    now = simulator.clock()
    world = staging.configure(simulator, now)
    for sentence in staging.check_connections(now):
        report.say(sentence)
    work.tick(now)
    parts = script.scenes(), audience.scenes(), onboarding.scenes(), orders.scenes()
    return Show(Stage(world), *parts, report, Watcher(since=now))


@dataclass(slots=True)
class Show:
    """One performance."""

    stage: Stage
    scenes: tuple[Scene, ...]
    user_scenes: tuple[UserScene, ...]
    onboarding_scenes: tuple[OnboardingScene, ...]
    order_scenes: tuple[OrderScene, ...]
    report: Report
    watcher: Watcher
    sleep: Callable[[float], None] = time.sleep
    """Tests hand in a clock that is moved instead of waited for."""

    def play(self, seconds: float) -> bool:
        """Perform until each scene has ended well or the time is up; print the table, say whether all is well."""
        scenes: list[Scene | UserScene | OnboardingScene | OrderScene] = [
            *self.scenes,
            *self.user_scenes,
            *self.onboarding_scenes,
            *self.order_scenes,
        ]
        acts = sorted(
            ((act, scene.key) for scene in scenes for act in scene.acts), key=lambda pair: pair[0].at
        )
        begun = self._now()
        quiet = 0
        while quiet < ENCORE and self._seconds_since(begun) < seconds:
            while acts and acts[0][0].at <= self._seconds_since(begun):
                self._perform(*acts.pop(0))
            self._beat()
            quiet = quiet + 1 if not acts and self._is_well(self._outcomes()) else 0
        self.report.outcomes(self._outcomes(), outcome.stray_problems(self.stage))
        return quiet >= ENCORE

    def go_on(self) -> None:
        """Add leads and do what is due, for ever."""
        traffic = Traffic(self.stage.world)
        last = self._now()
        while True:
            if self._seconds_since(last) >= LEAD_EVERY:
                last = self._now()
                self.report.act(last, traffic.add_lead())
            self._beat()

    def _perform(self, act: Act, key: str) -> None:
        self.report.act(self._now(), act.caption)
        record_id = act.do(self.stage)
        if record_id:
            self.stage.records[key] = record_id

    def _beat(self) -> None:
        begun = self._now()
        work.tick(begun, clock=self._now, sleep=self.sleep)
        for line in self.watcher.news():
            self.report.event(self._now(), line)
        self.sleep(max(0.0, BEAT - self._seconds_since(begun)))

    def _now(self) -> datetime:
        return self.stage.world.now()

    def _seconds_since(self, begun: datetime) -> float:
        return (self._now() - begun).total_seconds()

    def _outcomes(self) -> list[Ended]:
        return [
            *outcome.outcomes(self.scenes, self.stage),
            *audience.outcomes(self.user_scenes, self.stage),
            *onboarding.outcomes(self.onboarding_scenes, self.stage),
            *orders.outcomes(self.order_scenes, self.stage),
        ]

    def _is_well(self, outcomes: list[Ended]) -> bool:
        return not any(one.problems for one in outcomes) and not outcome.stray_problems(self.stage)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let a request to terminate end the demo as Ctrl-C does, children included."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
