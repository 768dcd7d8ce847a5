"""The demo's play: what happens in the pretend vendors when, and how each scene must end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from integration_hub.demo.world import AMARA, GRACE, LUIS, NINA, PRIYA, QUEUE, TOM, World
from integration_hub.simulator.slack import Message
from routing.models.decisions import Reason, Verdict
from syncs.models import Stream
from syncs.models.deliveries import DeliveryState

HOT, ENTERPRISE, WON = "hot-leads", "enterprise-leads", "deal-won"
SALES, WINS, HUB = "#sales-alerts", "#wins", "#hub-alerts"

CURTAIN, OUTAGE, RECOVERY = 2.0, 14.0, 25.0
"""Seconds into the play: most scenes begin, Slack fails, Slack is back. Streams are read every ten seconds."""
NEARLY_TOO_OLD = timedelta(minutes=4, seconds=50)
LATE = timedelta(minutes=9)
"""Older than any alert may be, and within what each read goes back (Stream.overlap_seconds)."""


@dataclass(slots=True)
class Stage:
    """What the acts work on; `records` are the Salesforce ids that the scenes have brought about so far."""

    world: World
    records: dict[str, str] = field(default_factory=dict)

    def read_now(self) -> None:
        """Do as the button “Poll now” does, where a scene cannot wait for the next read."""
        Stream.objects.update(next_poll_at=None)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens `at` so many seconds; a `do` that returns a record's id begins the scene with it."""

    at: float
    caption: str
    do: Callable[[Stage], str | None]


@dataclass(frozen=True, slots=True)
class Scene:
    """A record's story and its only right end.

    `messages` must be at Slack, by addressee, and no other about this record; `says` must stand in the decision
    or in one of its criterion rows, `fate` in what became of the message.
    """

    key: str
    title: str
    acts: Sequence[Act]
    rule: str = HOT
    verdict: Verdict = Verdict.DELIVER
    reason: Reason = Reason.MATCHED
    says: str = ""
    state: DeliveryState | None = DeliveryState.DELIVERED
    fate: str = ""
    messages: Mapping[str, int] = field(default_factory=dict)
    attempts: int = 1
    reads: Callable[[Sequence[Message]], str] = lambda _messages: ""
    """Returns what is wrong with the texts at Slack, "" when nothing is."""


STRAYS: Mapping[str, int] = {HUB: 1}
"""Messages that belong to no record: the incident about the expired alert, reported once."""


def lead(at: float, owner: str, name: str, caption: str = "", **values: object) -> Act:
    """Return the act that adds a lead of this name."""
    first, _, last = name.rpartition(" ")
    person = {"FirstName": first, "LastName": last, "Email": f"{last.strip('<!>').lower()}@example.test"}

    def add(stage: Stage) -> str:
        return stage.world.add_lead(owner, **person, **values)

    return Act(at, caption or f"Salesforce: a new lead, {name}, owned by {owner}", add)


def scenes() -> tuple[Scene, ...]:
    return (*_plain_scenes(), *_people_scenes(), *_trouble_scenes(), *_later_scenes())


def _plain_scenes() -> list[Scene]:
    return [
        Scene(
            "hot",
            "Hot lead, owner at work",
            [lead(CURTAIN, PRIYA, "Ann Lee")],
            says=f"Goes to {PRIYA}",
            messages={PRIYA: 1},
        ),
        Scene(
            "cold",
            "Cold lead",
            [lead(CURTAIN, PRIYA, "Ben Ode", Rating="Cold")],
            verdict=Verdict.SKIP,
            reason=Reason.NO_MATCH,
            says='Rating is "Cold", wanted "Hot"',
            state=None,
        ),
        Scene(
            "markup",
            "Lead whose name is Slack markup",
            [lead(CURTAIN, TOM, "<!channel>")],
            says=f"Goes to {TOM}",
            messages={TOM: 1},
            reads=nobody_is_pinged,
        ),
        _too_old(),
    ]


def _too_old() -> Scene:
    return Scene(
        "too-old",
        "Lead that becomes visible after nine minutes",
        [
            Act(
                CURTAIN,
                "Salesforce: a lead from nine minutes ago, Eve Old, becomes visible",
                lambda stage: stage.world.add_lead(
                    PRIYA, FirstName="Eve", LastName="Old", created_at=stage.world.now() - LATE
                ),
            )
        ],
        verdict=Verdict.SKIP,
        reason=Reason.TOO_OLD,
        says="the rule's limit is 5 min",
        state=None,
    )


def _people_scenes() -> list[Scene]:
    return [
        Scene(
            "held",
            "Owner outside working hours",
            [lead(CURTAIN, GRACE, "Hal Wait")],
            verdict=Verdict.HOLD,
            reason=Reason.OUTSIDE_HOURS,
            says=f"{GRACE}: ",
            state=DeliveryState.WAITING,
        ),
        Scene(
            "queue",
            "Owned by a queue",
            [lead(CURTAIN, QUEUE, "Ida Two")],
            says=f"{TOM} and {AMARA}",
            messages={TOM: 1, AMARA: 1},
        ),
        Scene(
            "left-salesforce",
            "Owner inactive in Salesforce",
            [lead(CURTAIN, LUIS, "Jon Gone")],
            says=f"{LUIS} is not active at Salesforce",
            messages={SALES: 1},
        ),
        Scene(
            "left-slack",
            "Owner deactivated in Slack",
            [lead(CURTAIN, NINA, "Kim Mute")],
            says=f"{NINA} has no active account at Slack",
            messages={SALES: 1},
        ),
    ]


def _trouble_scenes() -> list[Scene]:
    return [
        Scene(
            "dropped",
            "Slack drops the connection after storing",
            [Act(0.0, "Slack: will store the next message and drop the connection", _drop_next), _dropped()],
            says=f"Goes to {PRIYA}",
            messages={PRIYA: 1},
            attempts=2,
        ),
        Scene(
            "expired",
            "Slack answers 503 until the lead is too old",
            [Act(OUTAGE, "Slack: answers 503 from now on", _slack_down), _nearly_too_old(), _slack_back()],
            says=f"Goes to {PRIYA}",
            state=DeliveryState.EXPIRED,
            fate="not sent in time",
        ),
    ]


def _later_scenes() -> list[Scene]:
    return [
        Scene(
            "late",
            "Lead visible 24 s after its timestamp",
            [lead(CURTAIN, AMARA, "Liv Slow", visible_after=RECOVERY - CURTAIN + 1)],
            says=f"Goes to {AMARA}",
            messages={AMARA: 1},
        ),
        Scene(
            "enterprise",
            "Enterprise lead enters the criteria by an update",
            [
                lead(CURTAIN, TOM, "Max Big", Rating="Warm", NumberOfEmployees=4000),
                Act(RECOVERY, "Salesforce: Max Big is being worked on now", _work_on_enterprise_lead),
            ],
            rule=ENTERPRISE,
            says=f"Goes to {SALES}",
            messages={SALES: 1},
        ),
        Scene(
            "won",
            "Opportunity becomes won",
            [
                Act(CURTAIN, "Salesforce: a new opportunity, Globex renewal", _open_deal),
                Act(RECOVERY, "Salesforce: Globex renewal is won", _win_deal),
            ],
            rule=WON,
            says=f"Goes to {TOM} and {WINS} (copy)",
            messages={TOM: 1, WINS: 1},
        ),
    ]


def nobody_is_pinged(messages: Sequence[Message]) -> str:
    """Say what is wrong if the name is markup in any text that Slack reads as markup."""
    texts = [message.text for message in messages]
    texts += [text for message in messages for block in message.blocks for text in _markup(block)]
    if any("<!channel>" in text for text in texts):
        return "The message would ping the whole channel."
    if not any("&lt;!channel&gt;" in text for text in texts):
        return "The lead's name is not in the message."
    return ""


def _markup(part: object) -> list[str]:
    """Return every text in a block that Slack reads as markup."""
    if isinstance(part, Mapping):
        if part.get("type") == "mrkdwn":
            return [str(part.get("text"))]
        return [text for inner in part.values() for text in _markup(inner)]
    if isinstance(part, list):
        return [text for inner in part for text in _markup(inner)]
    return []


def _drop_next(stage: Stage) -> None:
    stage.world.simulator.slack.faults.fail_next(1, "drop_after", path="chat.postMessage")


def _dropped() -> Act:
    """The fault strikes whatever is sent next: this lead is read at once, before there is another."""
    added = lead(0.0, PRIYA, "Joe Drop")

    def add(stage: Stage) -> str | None:
        record_id = added.do(stage)
        stage.read_now()
        return record_id

    return Act(added.at, added.caption, add)


def _slack_down(stage: Stage) -> None:
    stage.world.simulator.slack.faults.outage(True, "unavailable")


def _slack_back() -> Act:
    return Act(
        RECOVERY,
        "Slack: answers again",
        lambda stage: stage.world.simulator.slack.faults.outage(False),
    )


def _nearly_too_old() -> Act:
    def add(stage: Stage) -> str:
        created_at = stage.world.now() - NEARLY_TOO_OLD
        record_id = stage.world.add_lead(PRIYA, FirstName="Pia", LastName="Brink", created_at=created_at)
        stage.read_now()
        return record_id

    return Act(OUTAGE, "Salesforce: a lead from 4 min 50 s ago, Pia Brink, becomes visible", add)


def _work_on_enterprise_lead(stage: Stage) -> None:
    stage.world.simulator.salesforce.update(stage.records["enterprise"], Status="Working - Contacted")


def _open_deal(stage: Stage) -> str:
    return stage.world.add_opportunity(
        TOM, Name="Globex renewal", StageName="Negotiation/Review", Amount=48_000
    )


def _win_deal(stage: Stage) -> None:
    stage.world.simulator.salesforce.update(stage.records["won"], StageName="Closed Won")
