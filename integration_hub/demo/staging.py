"""Prepares the database for the demo: refuses one that is somebody's, empties an earlier demo's, configures."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError

from integration_hub.configuration import apply, reading
from integration_hub.demo import onboarding, world
from integration_hub.demo.world import World
from integration_hub.simulator import hubspot, iterable, order_system, salesforce, slack
from integration_hub.simulator.server import Simulator
from routing import directory
from routing.models import Flow, Rule
from routing.models.rules import QueueHandling
from syncs import connect
from syncs.models import Connection, Stream, Sync
from syncs.models.syncs import WhenNew

FILES = (
    "lead-alerts.yaml",
    "deal-closed.yaml",
    "iterable-audience.yaml",
    "hubspot-onboarding.yaml",
    "order-system.yaml",
)
LOGIN = "demo"
SECONDS_BETWEEN_READS = 10
ON_SINCE = timedelta(hours=1)


def prepare_database() -> None:
    """Migrate, and leave an empty database with the demo's login. CommandError: it is not the demo's."""
    if not settings.ON_SQLITE:
        raise CommandError(
            "The demo makes a login that everybody knows, so it only runs on a SQLite file of its own. "
            "Run it with: make demo"
        )
    Path(settings.DATABASES["default"]["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    call_command("migrate", interactive=False, verbosity=0)
    refuse_foreign_data()
    if User.objects.exists():
        call_command("flush", interactive=False, verbosity=0)
    User.objects.create_superuser(LOGIN, world.ADMIN_EMAIL, LOGIN, first_name="Dana", last_name="Demo")


def refuse_foreign_data() -> None:
    """Raise unless everything here is from an earlier demo, whose login comes before all else."""
    foreign = [f"the login “{user.username}”" for user in User.objects.exclude(username=LOGIN)]
    known = User.objects.filter(username=LOGIN).exists()
    foreign += [
        f"the connection “{connection.name}”"
        for connection in Connection.objects.all()
        if not known or not _is_local(connection.base_url)
    ]
    if foreign:
        raise CommandError(
            f"This database holds what is not the demo's: {', '.join(foreign[:3])}. The demo empties its database "
            "when it starts. Run it with make demo, or point DATABASE_URL to a SQLite file of its own."
        )


def configure(simulator: Simulator, now: datetime) -> World:
    """Import the examples, lead their connections to the simulator, and get to know everybody."""
    os.environ["SALESFORCE_CLIENT_SECRET"] = salesforce.CLIENT_SECRET
    os.environ["SLACK_BOT_TOKEN"] = slack.SLACK_TOKEN
    os.environ["ITERABLE_API_KEY"] = iterable.API_KEY
    os.environ["HUBSPOT_ACCESS_TOKEN"] = hubspot.ACCESS_TOKEN
    os.environ["PRODUCT_EVENT_SECRET"] = onboarding.SECRET
    os.environ["ORDERS_TOKEN"] = order_system.TOKEN
    os.environ["ORDERS_EVENT_SECRET"] = order_system.WEBHOOK_SECRET
    for name in FILES:
        content = (settings.BASE_DIR / "examples" / name).read_bytes()
        apply.run(reading.parse(content), now=now)
    Connection.objects.filter(kind="salesforce").update(base_url=simulator.salesforce.url)
    Connection.objects.filter(kind="slack").update(base_url=f"{simulator.slack.url}/api/")
    Connection.objects.filter(kind="iterable").update(base_url=simulator.iterable.url)
    Connection.objects.filter(kind="hubspot").update(base_url=simulator.hubspot.url)
    Connection.objects.filter(kind="http_json").update(base_url=simulator.order_system.url)
    simulator.hubspot.add_property("deals", "order_number", unique=True)
    Stream.objects.update(interval_seconds=SECONDS_BETWEEN_READS)
    Sync.objects.update(enabled=True)  # the examples leave that to a person
    Sync.objects.exclude(counterpart=None).update(when_new=WhenNew.IGNORE)  # who registers is no customer yet
    Flow.objects.update(enabled=True)
    # As if switched on some time ago: the scenes have leads that are minutes old.
    Rule.objects.filter(enabled=True).update(active_from=now - ON_SINCE)
    Rule.objects.filter(key="hot-leads").update(queue_handling=QueueHandling.MEMBERS)
    populated = World.populated(simulator)
    populated.add_channels(world.channels_of(Rule.objects.all()) | {"#hub-alerts"})
    for report in directory.refresh_all(now):
        if not report.ok:
            raise CommandError(f"The directory of {report.connection} cannot be read: {report.error}")
    world.give_hours(now)
    return populated


def check_connections(now: datetime) -> list[str]:
    """Return what each vendor says we are. CommandError: one refuses us."""
    said = []
    for connection in Connection.objects.all():
        result = connect.check(connection, now)
        if not result.ok:
            raise CommandError(f"{connection.name}: {result.summary} {' '.join(result.problems)}")
        said.append(f"{connection.name}: {result.summary}")
    return said


def _is_local(address: str) -> bool:
    return urlsplit(address).hostname == "127.0.0.1"
