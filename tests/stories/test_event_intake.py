"""Events posted to a real gunicorn that is killed and started again: what was answered is there, and once."""

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress

import pytest
import requests
from django.utils import timezone

from routing.flows import engine as flows
from routing.models import FlowRun
from syncs.models import InboundEvent
from tests.connectors.wire import free_port
from tests.factories import make_event_source
from tests.routing.crm import link, make_flow, make_step
from tests.stories.processes import ROOT, environment, manage, speaking_to, until
from tests.stories.test_clusters import scratch_database

SENDERS, EACH, KILLS = 4, 30, 3
SECRET = "story-secret"


class Web:
    """gunicorn as it is deployed, on one port for all its lives."""

    def __init__(self, url, log):
        self.port, self.url, self.log = free_port(), url, log
        self.address = f"http://127.0.0.1:{self.port}/events/product/"
        self.process = None

    def start(self):
        command = ["-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "integration_hub.wsgi"]
        more = {"BIND": f"127.0.0.1:{self.port}", "WEB_WORKERS": "2", "PUBLIC_URL": "http://127.0.0.1"}
        self.process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment(self.url, **more), stdout=self.log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def kill(self):
        """End all its processes at once, in the middle of whatever they do."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Sender(threading.Thread):
    """A product that posts one event after the other, each under its key until it is answered."""

    def __init__(self, web, number):
        super().__init__()
        self.web, self.number = web, number
        self.promised, self.unanswered = {}, 0

    def run(self):
        for at in range(EACH):
            key = f"{self.number}-{at}"
            while not self._posted(key):
                self.unanswered += 1
                time.sleep(0.1)  # for the next life of the web process

    def _posted(self, key):
        body = json.dumps({"event": "register", "customer": {"id": key}}).encode()
        stamp = str(int(time.time()))
        made = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json", "Idempotency-Key": key, "X-Hub-Timestamp": stamp,
            "X-Hub-Signature": f"sha256={made}",
        }  # fmt: skip
        try:
            answer = requests.post(self.web.address, data=body, headers=headers, timeout=20)
        except requests.RequestException:
            return False
        if answer.status_code != 202:
            return False
        self.promised[key] = answer.json()["id"]
        return True


@pytest.fixture
def web(django_db_blocker, tmp_path):
    with ExitStack() as stack:
        database = scratch_database()
        stack.callback(database.drop)
        database.create()
        manage(database.url, "migrate", "--verbosity", "0")
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(speaking_to(database))
        web = Web(database.url, stack.enter_context((tmp_path / "gunicorn.log").open("wb")))
        yield web
        web.kill()


def test_what_gunicorn_answered_before_it_was_killed_is_there_and_gets_its_run_once(web):
    source = make_event_source(key="product", secret=SECRET)
    flow = make_flow(source=source, subject_path="customer.id")
    link(make_step(flow, "end", kind="end"))
    senders = [Sender(web, number) for number in range(SENDERS)]
    wanted = SENDERS * EACH

    web.start()
    for sender in senders:
        sender.start()
    for part in range(1, KILLS + 1):
        enough = part * wanted // (KILLS + 1)
        until(lambda enough=enough: InboundEvent.objects.count() >= enough, 90, "events")
        web.kill()
        web.start()
    for sender in senders:
        sender.join(120)
    while flows.run(timezone.now()).total:
        pass

    promised = {key: uid for sender in senders for key, uid in sender.promised.items()}
    stored = {key: str(uid) for key, uid in InboundEvent.objects.values_list("idempotency_key", "uid")}
    assert len(promised) == wanted
    assert stored == promised
    assert InboundEvent.objects.count() == wanted
    assert Counter(FlowRun.objects.values_list("event__idempotency_key", flat=True)) == Counter(
        list(promised)
    )
    assert set(FlowRun.objects.values_list("stage", flat=True)) == {"done"}
    assert sum(sender.unanswered for sender in senders) > 0, "it was killed while they posted"
