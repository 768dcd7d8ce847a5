"""The audience's part of the play: what happens in Salesforce, and which users must be at Iterable in the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from integration_hub.demo.script import CURTAIN, OUTAGE, Act, Stage
from integration_hub.demo.world import AMARA, PRIYA, TOM
from syncs.engine.mapping import at
from syncs.models import Change, Delivery, RecordLink
from syncs.models.changes import ChangeOrigin
from syncs.models.deliveries import DeliveryState
from syncs.models.links import LinkState

LEADS, CONTACTS = "leads-to-iterable", "contacts-to-iterable"
CHANGE = OUTAGE
"""Seconds into the play: what has been read once changes. Slack fails then, and that must not touch Iterable."""


@dataclass(frozen=True, slots=True)
class UserScene:
    """A record's story and its only right end: what its link says, and the user at Iterable.

    `users` are the values that must stand there by e-mail and path, None for a user that must not be there.
    `written_by` names the record whose id the user must carry, if it is not the scene's own.
    """

    key: str
    title: str
    acts: Sequence[Act]
    users: Mapping[str, Mapping[str, Any] | None]
    sync: str = LEADS
    state: LinkState = LinkState.WRITTEN
    says: str = ""
    writes: int = 1
    written_by: str = ""


@dataclass(slots=True)
class UserOutcome:
    """One scene's end so far. `users` are those that the scene is about, as they are at Iterable."""

    scene: UserScene
    salesforce_id: str = ""
    link: RecordLink | None = None
    change: Change | None = None
    delivered: list[Delivery] = field(default_factory=list)
    users: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.change.title if self.change else ""

    @property
    def happened(self) -> list[str]:
        """The users at Iterable, and how often this record was written."""
        there = [f"At Iterable: {email}" for email in self.users]
        times = len(self.delivered)
        return [*there, f"Written {times} times"] if times > 1 else there

    @property
    def why(self) -> list[str]:
        """What the hub noted about the record, then what the script looks for at Iterable."""
        if self.link is None:
            return ["Not decided yet."]
        noted = [f"{LinkState(self.link.state).label}. {self.link.reason}".strip()]
        return [*noted, *(f"{path}: {value}" for _, path, value, _ in self._values())]

    @property
    def took(self) -> timedelta | None:
        """From the last change of the record to its write. None: it was a parent that changed."""
        last = self.delivered[-1] if self.delivered else None
        if (
            last is None
            or last.change is None
            or last.settled_at is None
            or last.change.origin == ChangeOrigin.PARENT
        ):
            return None
        return last.settled_at - last.change.modified_at

    @property
    def problems(self) -> list[str]:
        """Whatever is not as the script wants it; empty: the scene has ended well."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        if self.link is None:
            yield "No sync has decided about it."
            return
        if self.link.state != self.scene.state:
            yield f"It is {self.link.state}, expected {self.scene.state}."
        if self.scene.says not in self.link.reason:
            yield f"The reason does not say “{self.scene.says}”."
        if len(self.delivered) != self.scene.writes:
            yield f"It was written {len(self.delivered)} times, expected {self.scene.writes}."
        wanted = {email for email, values in self.scene.users.items() if values is not None}
        if set(self.users) != wanted:
            yield f"At Iterable: {_listed(self.users)}, expected {_listed(wanted)}."
        for email, path, value, expected in self._values():
            if value != expected:
                yield f"{email}: {path} is {value!r}, expected {expected!r}."

    def _values(self) -> Iterator[tuple[str, str, Any, Any]]:
        """Yield (e-mail, path, value there, value that is wanted)."""
        for email, user in self.users.items():
            wanted = {**(self.scene.users[email] or {}), "Salesforce.Id": self.salesforce_id}
            for path, expected in wanted.items():
                yield email, path, at(user, path.split(".")), expected


def outcomes(scenes: Sequence[UserScene], stage: Stage) -> list[UserOutcome]:
    return [outcome(scene, stage) for scene in scenes]


def outcome(scene: UserScene, stage: Stage) -> UserOutcome:
    record_id = stage.records.get(scene.key)
    there = stage.world.simulator.iterable.users
    users = {email: there[email]["dataFields"] for email in scene.users if email in there}
    if record_id is None:
        return UserOutcome(scene, users=users)
    deliveries = Delivery.objects.filter(
        sync__key=scene.sync, record_id=record_id, state=DeliveryState.DELIVERED
    )
    return UserOutcome(
        scene,
        salesforce_id=stage.records.get(scene.written_by or scene.key, ""),
        link=RecordLink.objects.filter(sync__key=scene.sync, record_id=record_id).first(),
        change=Change.objects.filter(record_id=record_id).order_by("modified_at", "pk").last(),
        delivered=list(deliveries.select_related("change").order_by("pk")),
        users=users,
    )


def scenes() -> tuple[UserScene, ...]:
    return (*_arrivals(), *_changes())


def _arrivals() -> tuple[UserScene, ...]:
    return (
        UserScene(
            "new-user",
            "Lead with an e-mail becomes a user",
            [_lead(PRIYA, "Noa Field", "Noa.Field@Example.test", LeadSource="Web")],
            {
                "noa.field@example.test": {
                    "Name.First": "Noa",
                    "Name.Last": "Field",
                    "Source": "Web",
                    "Company.Name": "Acme",
                    "Owner.Name": PRIYA,
                }
            },
        ),
        UserScene(
            "typo",
            "Lead with an invalid e-mail",
            [_lead(PRIYA, "Ody Typo", "ody@example..test")],
            {"ody@example..test": None},
            state=LinkState.SKIPPED,
            says="it does not hold a valid e-mail address",
            writes=0,
        ),
    )


def _changes() -> tuple[UserScene, ...]:
    return (
        UserScene(
            "changed-lead",
            "A changed lead updates its user",
            [
                _lead(TOM, "Pam Step", "pam.step@example.test"),
                Act(CHANGE, "Salesforce: Pam Step is being worked on now", _work_on_lead),
            ],
            {"pam.step@example.test": {"Status": "Working - Contacted"}},
            writes=2,
        ),
        UserScene(
            "renamed-account",
            "A renamed account updates the users below it",
            [
                Act(CURTAIN, "Salesforce: a new contact at Initech, Quin Desk", _contact_with_account),
                Act(CHANGE, "Salesforce: Initech is called Initech Global now", _rename_account),
            ],
            {"quin.desk@example.test": {"Company.Name": "Initech Global"}},
            sync=CONTACTS,
            writes=2,
        ),
        UserScene(
            "one-user",
            "Lead and contact with one e-mail are one user",
            [
                _lead(AMARA, "Ria Twice", "ria.twice@example.test"),
                Act(CHANGE, "Salesforce: a contact with the e-mail of the lead Ria Twice", _same_contact),
            ],
            {"ria.twice@example.test": {"Name.First": "Maria", "Owner.Name": TOM}},
            state=LinkState.SKIPPED,
            says="has the same email and goes first",
            written_by="one-user contact",
        ),
    )


def _lead(owner: str, name: str, email: str, **values: object) -> Act:
    """Return the act that adds a lead which no rule wants."""
    first, _, last = name.rpartition(" ")

    def add(stage: Stage) -> str:
        person = {"FirstName": first, "LastName": last, "Email": email, "Rating": "Cold"}
        return stage.world.add_lead(owner, **{**person, **values})

    return Act(CURTAIN, f"Salesforce: a new lead, {name}, {email}", add)


def _work_on_lead(stage: Stage) -> None:
    stage.world.simulator.salesforce.update(stage.records["changed-lead"], Status="Working - Contacted")


def _contact_with_account(stage: Stage) -> str:
    account = stage.records["renamed-account account"] = stage.world.add("Account", TOM, Name="Initech")
    return stage.world.add(
        "Contact", TOM, FirstName="Quin", LastName="Desk", Email="quin.desk@example.test", AccountId=account
    )


def _rename_account(stage: Stage) -> None:
    stage.world.simulator.salesforce.update(stage.records["renamed-account account"], Name="Initech Global")


def _same_contact(stage: Stage) -> None:
    stage.records["one-user contact"] = stage.world.add(
        "Contact", TOM, FirstName="Maria", LastName="Twice", Email="ria.twice@example.test"
    )


def _listed(emails: Iterable[str]) -> str:
    return ", ".join(sorted(emails)) or "nobody"
