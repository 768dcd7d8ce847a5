"""An order system and a HubSpot that are kept alike by two opposite syncs, and a clock that only the story moves."""

import json
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from integration_hub.simulator.hubspot import ACCESS_TOKEN
from integration_hub.simulator.hubspot.access import CLIENT_SECRET
from integration_hub.simulator.hubspot.webhooks import Manner
from integration_hub.simulator.order_system import TOKEN
from routing import router
from syncs.engine import poll, push
from syncs.models import Change, Conflict, Connection, Delivery, FieldMapping, RecordPair, Sync
from syncs.models.syncs import WhenNew
from syncs.notices import intake as notices
from syncs.notices import reading as noticed
from tests.factories import make_connection, make_stream, make_sync

OBJECTS = """
customers:
  modified: updated_at
  title: name
  email: email
  list: {path: /customers, records: data, since: updated_since, sorted: true,
         paging: cursor, cursor: next_cursor, cursor_parameter: cursor, size_parameter: limit, size: 50}
  get: /customers/{id}
  create: /customers
  update: /customers/{id}
  delete: DELETE /customers/{id}
  match: {field: email, path: "/customers?email={value}", records: data}
  deleted: {path: /customers/deleted, records: data, since: since, id: id, at: deleted_at}
"""
PAIRS = [
    ("email", "email"),
    ("name", "firstname"),
    ("phone", "phone"),
    ("city", "city"),
    ("company", "company"),
]


class TwoWay:
    def __init__(self, simulator, **back):
        self.simulator = simulator
        self.now = timezone.now()  # the hub judges signed notices by the real clock
        simulator.set_clock(self.now)
        self.shop, self.portal = simulator.order_system, simulator.hubspot
        settings = {"address": self.shop.url, "auth": "bearer", "objects": OBJECTS}
        self.api = make_connection("http_json", settings=settings, secrets={"token": TOKEN})
        self.hubspot = make_connection(
            "hubspot",
            base_url=self.portal.url,
            settings={"credential": "token", "api_version": "v3"},
            secrets={"access_token": ACCESS_TOKEN, "client_secret": CLIENT_SECRET},
        )
        long_ago = self.now - timedelta(minutes=5)
        self.customers = make_stream(
            self.api, key="customers", object_type="customers", described_at=None, started_at=long_ago
        )
        self.contacts = make_stream(
            self.hubspot, key="contacts", object_type="contacts", described_at=None, started_at=long_ago
        )
        self.forward = make_sync(
            *PAIRS,
            key="forward",
            stream=self.customers,
            destination=self.hubspot,
            object_type="contacts",
            match_path="email",
        )
        back.setdefault("when_new", WhenNew.CREATE)
        self.back = make_sync(
            *[(right, left) for left, right in PAIRS],
            key="back",
            stream=self.contacts,
            destination=self.api,
            object_type="customers",
            match_path="email",
            counterpart=self.forward,
            **back,
        )

    def wins(self, path, winner):
        FieldMapping.objects.filter(sync=self.forward, destination=path).update(winner=winner)

    def policy(self, sync, **values):
        Sync.objects.filter(pk=sync.pk).update(**values)

    def wait(self, seconds=10):
        self.now += timedelta(seconds=seconds)
        self.simulator.set_clock(self.now)

    def poll(self, *streams):
        for stream in streams or (self.customers, self.contacts):
            stream.refresh_from_db()
            poll.run(stream, self.now, clock=lambda: self.now)

    def route(self, *streams):
        for stream in streams or (self.customers, self.contacts):
            stream.refresh_from_db()
            router.run(stream, self.now)

    def push(self, *connections):
        for connection in connections or (self.hubspot, self.api):
            fresh = Connection.objects.get(pk=connection.pk)
            push.run(fresh, self.now, clock=lambda: self.now, sleep=lambda seconds: None)

    def tick(self, times=1):
        for _ in range(times):
            self.wait()
            self.poll()
            self.route()
            self.push()

    def settle(self):
        """Go round until nothing is written any more; return how many rounds that took."""
        for turn in range(12):
            before = Delivery.objects.count()
            self.tick()
            if turn and Delivery.objects.count() == before:
                return turn
        raise AssertionError("It does not come to rest.")

    def notice(self, *again):
        """Let HubSpot post what changed since it last did, and `again` what it posted before; return all of it."""
        events, self.portal.webhooks.waiting = [*again, *self.portal.webhooks.waiting], []
        self.post(events)
        self.wait(2)
        self.read_noticed()
        return events

    def post(self, events):
        """Post a batch of HubSpot's events to the hub, signed at this very moment."""
        body = json.dumps(events).encode()
        self.simulator.set_clock(timezone.now())
        headers = self.portal.webhooks.headers(notices.address_of(self.hubspot), body, Manner())
        self.simulator.set_clock(self.now)
        kind = headers.pop("Content-Type")
        answer = Client().post(notices.path_of(self.hubspot), body, content_type=kind, headers=headers)
        assert answer.status_code == 200, answer.content

    def read_noticed(self):
        fresh = Connection.objects.get(pk=self.hubspot.pk)
        noticed.run(fresh, self.now, clock=lambda: self.now)

    def customer(self, email="ann@x.test", **values):
        """Have a customer on both sides; return both ids."""
        left = self.shop.add_customer(
            email, **{"name": "Ann", "phone": "+4930123456", "city": "Bonn", **values}
        )
        self.settle()
        return left, RecordPair.objects.get(left_id=left).right_id

    def sides(self, left, right, name="name", path="firstname"):
        return self.shop.shop.rows["customer"][left][name], self.portal.record("contacts", right).get(
            path, ""
        )

    def writes(self):
        """The writes that both vendors got, as (method, path)."""
        calls = [*self.shop.requests, *self.portal.requests]
        return [
            (one.method, one.path)
            for one in calls
            if one.method in ("POST", "PATCH", "PUT", "DELETE")
            and not one.path.endswith(("/search", "/batch/read"))
        ]

    @staticmethod
    def fates(record_id):
        """What became of each version of a record under its sync, newest last; "" where it was written."""
        rows = Change.objects.filter(record_id=record_id).order_by("pk")
        return [next(iter(row.synced.values()), ["", ""])[1] for row in rows]

    @staticmethod
    def conflict():
        return Conflict.objects.get(state="open")
