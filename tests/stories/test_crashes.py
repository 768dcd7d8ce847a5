"""A process that ends between any two statements: what it began is taken up, once, and nothing is lost."""

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from routing import router
from routing.models import Alert, Decision
from syncs import isolation, leases, outbox
from syncs.engine import poll, push
from syncs.models import Change, Delivery, Incident, SyncRun
from syncs.models.changes import ChangeState
from syncs.models.deliveries import DeliveryState
from syncs.models.runs import RunState
from tests.factories import NOON, make_delivery, make_slack
from tests.stories.world import Company

LEASE = timedelta(seconds=settings.LEASE_SECONDS + 1)
MOST_STATEMENTS = 400


class Killed(BaseException):
    """The process is gone: nothing may handle this."""


class Killer:
    """Lets `statements` pass, then none: also what tidies up on the way out does not run any more."""

    def __init__(self, statements):
        self.left = statements

    def __call__(self, execute, sql, params, many, context):
        self.left -= 1
        if self.left < 0:
            raise Killed
        return execute(sql, params, many, context)


@contextmanager
def killed_after(statements):
    """Give a list that is empty unless the block was killed."""
    killed = []
    killer = Killer(statements)
    try:
        with connection.execute_wrapper(killer):
            yield killed
    except Killed:
        killed.append(True)
        connection.close()  # the server rolls back what is open


@pytest.fixture
def company(simulator, transactional_db):
    """A company of three sellers with one rule, polling since a moment."""
    company = Company(simulator)
    for name in ("Priya", "Sam", "Kim"):
        company.hire(name)
    company.rule()
    company.tick()
    return company


def add_leads(company):
    company.wait(2)
    return [company.lead(name, f"{name} of {company.now:%d %H:%M:%S}") for name in company.owners]


def poll_once(company):
    poll.run(company.stream, company.now)


def route_once(company):
    router.run(company.stream, company.now)


def push_once(company):
    push.run(company.chat, company.now, clock=lambda: company.now, sleep=company.wait)


STEPS = (poll_once, route_once, push_once)


@pytest.mark.parametrize("step", STEPS)
def test_killed_after_any_statement(company, step):
    """Each round adds leads, kills the step one statement later than before, and lets the next process go on."""
    leads = []
    before = STEPS[: STEPS.index(step)]
    for statements in range(MOST_STATEMENTS):
        leads += add_leads(company)
        for earlier in before:
            earlier(company)

        with killed_after(statements) as killed:
            step(company)

        company.wait(LEASE.total_seconds())
        for again in STEPS:
            again(company)
        assert_once(company, leads)
        if not killed:
            break

    assert statements > 10, "many boundaries were tried"
    assert not killed, "the last round ran to its end"
    assert {run.state for run in SyncRun.objects.exclude(state=RunState.RUNNING)} <= {RunState.OK}
    assert not Incident.objects.exists()


@pytest.mark.parametrize(("minutes", "state"), [(5, RunState.RUNNING), (15, RunState.FAILED)])
def test_a_run_whose_process_was_killed_does_not_run_for_ever(company, minutes, state):
    add_leads(company)
    with killed_after(12) as killed:
        poll_once(company)
    [unfinished] = SyncRun.objects.filter(state=RunState.RUNNING)

    company.wait(minutes * 60)
    company.tick()

    assert killed
    unfinished.refresh_from_db()
    assert unfinished.state == state


def assert_once(company, leads):
    """Each lead is stored, decided and told once, and none is in between."""
    sent = Counter(message.text for message in company.slack.messages)
    assert set(sent.values()) == {1}
    assert len(sent) == len(leads)
    assert sorted(Change.objects.values_list("record_id", flat=True)) == sorted(leads)
    assert not Change.objects.filter(state=ChangeState.WAITING).exists()
    assert Decision.objects.filter(verdict="deliver").count() == len(leads)
    assert Alert.objects.count() == len(leads)
    assert Delivery.objects.filter(state=DeliveryState.DELIVERED).count() == len(leads)
    assert Delivery.objects.count() == len(leads)


def test_what_a_lost_worker_had_in_a_lane_does_not_block_what_is_due_before_it(db):
    slack = make_slack()
    make_delivery(slack, lane="U1")
    [lost] = outbox.claim(slack, limit=5, now=NOON)
    earlier = make_delivery(slack, lane="U1", due_at=NOON - timedelta(minutes=1))

    [first] = outbox.claim(slack, limit=5, now=NOON + LEASE)
    outbox.delivered([first], remote_id="D1:1", now=NOON + LEASE)
    [second] = outbox.claim(slack, limit=5, now=NOON + LEASE)

    assert (first.pk, second.pk) == (earlier.pk, lost.pk)
    assert second.unanswered_at == NOON


def test_slow_answers_never_outlast_the_lease_of_what_was_claimed(simulator, db):
    now = NOON
    simulator.set_clock(NOON)
    slack = make_slack(simulator)
    for number in range(10):
        make_delivery(slack, lane=simulator.slack.add_member(f"Member {number}", f"m{number}@example.test"))

    def clock():
        """Each look at the clock finds it five seconds later: as slow as Slack can be."""
        nonlocal now
        now += timedelta(seconds=5)
        simulator.set_clock(now)
        return now

    run = push.run(slack, NOON, clock=clock)

    assert now - NOON < timedelta(seconds=settings.LEASE_SECONDS)
    assert 0 < len(simulator.slack.messages) < 10
    assert Delivery.objects.filter(state="waiting", attempts=0).count() == 10 - len(simulator.slack.messages)
    assert (run.state, run.waiting) == (RunState.OK, 10 - len(simulator.slack.messages))


class Cut:
    """A connection that the server has closed: every statement fails until it is made anew."""

    def __init__(self):
        self.lasts = True

    def __call__(self, execute, sql, params, many, context):
        if self.lasts:
            raise OperationalError("the connection is closed")
        return execute(sql, params, many, context)

    def end(self):
        self.lasts = False


@pytest.fixture
def cut(monkeypatch, db):
    cut = Cut()
    for module in (leases, isolation):
        monkeypatch.setattr(module, "close_old_connections", cut.end)
    monkeypatch.setattr(connection, "is_usable", lambda: not cut.lasts)
    return cut


def test_a_connection_cut_while_a_lease_is_held_does_not_keep_the_lease(cut):
    cut.lasts = False

    def work_under_lease():
        with connection.execute_wrapper(cut), leases.held("pump", 90, NOON):
            cut.lasts = True
            Change.objects.count()

    with pytest.raises(OperationalError):
        work_under_lease()

    assert not leases.is_held("pump", NOON)


def test_a_connection_cut_within_a_step_stops_no_other_and_alarms_nobody(cut):
    errors = []

    with connection.execute_wrapper(cut):
        first = isolation.isolated("dispatch", Change.objects.count, errors, NOON)
        second = isolation.isolated("dispatch", Change.objects.count, errors, NOON)

    assert (first, second, errors) == (None, 0, ["dispatch"])
    assert not Incident.objects.exists()


def test_a_database_that_stays_away_stops_no_step_from_being_tried(cut, monkeypatch):
    errors = []
    monkeypatch.setattr(isolation, "close_old_connections", lambda: None)

    with connection.execute_wrapper(cut):
        for _ in range(3):
            isolation.isolated("dispatch", Change.objects.count, errors, NOON)

    assert errors == ["dispatch"] * 3
