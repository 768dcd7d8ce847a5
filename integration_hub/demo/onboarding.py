"""The onboarding's part of the play: what the product posts, and what must stand in HubSpot in the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integration_hub.demo.script import CURTAIN, OUTAGE, Act, Stage
from routing.models import FlowRun, StepTry
from routing.models.flows import RunStage
from syncs.events import inbox
from syncs.events import proof as event_proof
from syncs.events import sources as event_sources
from syncs.events.inbox import Post
from syncs.events.proof import Credentials

SOURCE, SECRET = "product", "demo-product-secret"
LATER = 8.0
"""Seconds into the play: the register that an update has overtaken."""
BACK = 24.0
"""Seconds into the play: HubSpot, which fails when Slack does, is back."""


@dataclass(frozen=True, slots=True)
class OnboardingScene:
    """A customer's story and its only right end.

    `contact` must stand at HubSpot under `email`, tied to the company of `domain` alone; `runs` are how many runs must
    be done; the registration's step of the contact must have ended with `outcome`, and some step have taken so many
    `attempts` at least.
    """

    key: str
    title: str
    acts: Sequence[Act]
    email: str
    domain: str
    contact: Mapping[str, str]
    runs: int = 1
    outcome: tuple[str, int] = ("created", 201)
    attempts: int = 1

    @property
    def customer(self) -> str:
        return f"c-{self.key}"


@dataclass(slots=True)
class OnboardingOutcome:
    """One scene's end so far: the customer's runs, oldest event first, and what is at HubSpot."""

    scene: OnboardingScene
    runs: list[FlowRun] = field(default_factory=list)
    tries: list[StepTry] = field(default_factory=list)
    contacts: list[dict[str, str]] = field(default_factory=list)
    companies: list[str] = field(default_factory=list)
    tied: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.scene.email

    @property
    def happened(self) -> list[str]:
        there = [f"At HubSpot: {one['email']}" for one in self.contacts]
        return [*there, *(f"Tied to {domain}" for domain in self.tied)]

    @property
    def why(self) -> list[str]:
        """The steps of the customer's runs, each with its outcome."""
        if not self.runs:
            return ["Nothing was posted yet."]
        names = {run.pk: run.flow.name for run in self.runs}
        return [f"{names[one.run_id]}, {one.step_key}: {_said(one)}" for one in self.tries if one.delivery_id]

    @property
    def took(self) -> timedelta | None:
        ended = [run.ended_at for run in self.runs if run.ended_at]
        return max(ended) - self.runs[0].started_at if ended and len(ended) == len(self.runs) else None

    @property
    def problems(self) -> list[str]:
        """Whatever is not as the script wants it; empty: the scene has ended well."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        stages = [run.stage for run in self.runs]
        if stages != [RunStage.DONE] * self.scene.runs:
            yield f"Runs: {', '.join(stages) or 'none'}, expected {self.scene.runs} done."
        for what, found in (("contacts", self.contacts), ("companies", self.companies)):
            if len(found) != 1:
                yield f"At HubSpot are {len(found)} such {what}, expected 1."
        if self.tied != [self.scene.domain]:
            yield f"Tied to {', '.join(self.tied) or 'nothing'}, expected {self.scene.domain}."
        for name, expected in self.scene.contact.items():
            if any(one.get(name) != expected for one in self.contacts):
                yield f"{name} is {[one.get(name) for one in self.contacts]}, expected {expected!r}."
        registers = {run.pk for run in self.runs if run.flow.key == "register"}
        made = [one for one in self.tries if one.step_key == "contact" and one.run_id in registers]
        if [(one.outcome, one.status) for one in made] != [self.scene.outcome]:
            yield f"The contact was {[_said(one) for one in made]}, expected {self.scene.outcome}."
        most = max((one.delivery.attempts for one in self.tries if one.delivery), default=0)
        if most < self.scene.attempts:
            yield f"Expected {self.scene.attempts} tries of a step."


def outcomes(scenes: Sequence[OnboardingScene], stage: Stage) -> list[OnboardingOutcome]:
    return [outcome(scene, stage) for scene in scenes]


def outcome(scene: OnboardingScene, stage: Stage) -> OnboardingOutcome:
    hubspot = stage.world.simulator.hubspot
    contacts = [one for one in hubspot.records("contacts") if one.get("email") == scene.email]
    domains = {one["hs_object_id"]: one.get("domain", "") for one in hubspot.records("companies")}
    runs = FlowRun.objects.filter(subject=f"{SOURCE}:{scene.customer}").select_related("flow").order_by("pk")
    return OnboardingOutcome(
        scene,
        runs=list(runs),
        tries=list(
            StepTry.objects.filter(run__in=runs).select_related("delivery").order_by("began_at", "number")
        ),
        contacts=contacts,
        companies=[domain for domain in domains.values() if domain == scene.domain],
        tied=[
            domains[pk]
            for one in contacts
            for pk in hubspot.tied("contacts", one["hs_object_id"], "companies")
        ],
    )


def scenes() -> tuple[OnboardingScene, ...]:
    return (
        _scene("register", "Registration becomes company and contact", [(CURTAIN, "register", "Sol")], "Sol"),
        OnboardingScene(
            "conflict",
            "Contact that is there already (409) is tied",
            [
                Act(CURTAIN, "HubSpot: somebody enters the contact conflict@example.test", _enter_contact),
                _posted(CURTAIN, "conflict", "register", "Tea"),
            ],
            "conflict@example.test",
            "conflict.test",
            {"lastname": "By hand"},
            outcome=("existing", 409),
        ),
        _scene(
            "overtaken",
            "Update that overtakes its registration waits for it",
            [(CURTAIN, "update", "Una New"), (LATER, "register", "Una")],
            "Una New",
            runs=2,
        ),
        _scene(
            "outage",
            "Registration while HubSpot answers 503",
            [(OUTAGE + 1, "register", "Val")],
            "Val",
            [
                Act(OUTAGE, "HubSpot: answers 503 from now on", lambda stage: _down(stage, on=True)),
                Act(BACK, "HubSpot: answers again", lambda stage: _down(stage, on=False)),
            ],
            attempts=2,
        ),
    )


def _scene(
    key: str,
    title: str,
    posts: Sequence[tuple[float, str, str]],
    name: str,
    more: Sequence[Act] = (),
    **wanted: Any,
) -> OnboardingScene:
    """Return the scene of these posts: when, which event, and the customer's first name in it."""
    acts = [*more, *(_posted(at, key, event, first) for at, event, first in posts)]
    email, domain = f"{key}@example.test", f"{key}.test"
    return OnboardingScene(key, title, acts, email, domain, {"firstname": name}, **wanted)


def _posted(at: float, key: str, event: str, first_name: str) -> Act:
    """Return the act that posts an event, signed as the product signs it."""

    def post(stage: Stage) -> None:
        data = {
            "event": event,
            "id": f"{event}-{key}",
            "customer": {"id": f"c-{key}", "email": f"{key}@example.test", "first_name": first_name},
            "company": {"domain": f"{key}.test", "name": key.title()},
        }
        _take_in(json.dumps(data).encode(), stage.world.now())

    return Act(at, f"Product: posts {event} of {key}@example.test", post)


def _take_in(body: bytes, now: datetime) -> None:
    source, stamp = event_sources.known(SOURCE), str(int(now.timestamp()))
    if source is None:
        raise LookupError(f"The example has no event source “{SOURCE}”.")
    proof = Credentials(timestamp=stamp, signature=event_proof.signature(SECRET.encode(), stamp, body))
    receipt = inbox.receive(source, Post(body, credentials=proof), now)
    if receipt.refusal:
        raise receipt.refusal


def _enter_contact(stage: Stage) -> None:
    stage.world.simulator.hubspot.add("contacts", email="conflict@example.test", lastname="By hand")


def _down(stage: Stage, *, on: bool) -> None:
    stage.world.simulator.hubspot.faults.outage(on, "unavailable")


def _said(tried: StepTry) -> str:
    return f"{tried.outcome or 'waiting'}{f' ({tried.status})' if tried.status else ''}"
