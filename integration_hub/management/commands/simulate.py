"""`manage.py simulate`: the pretend vendors in the foreground, until Ctrl-C."""

from __future__ import annotations

import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integration_hub.simulator import hubspot, iterable, order_system, salesforce, slack
from integration_hub.simulator.server import Simulator

VENDORS = ("salesforce", "slack", "iterable", "hubspot", "order_system")


class Command(BaseCommand):
    help = "Run a pretend Salesforce, Slack, Iterable, HubSpot and order system on local ports until Ctrl-C."
    requires_system_checks: list[str] = []  # it needs neither a database nor valid settings

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--salesforce-port", type=int, default=8801)
        parser.add_argument("--slack-port", type=int, default=8802)
        parser.add_argument("--iterable-port", type=int, default=8803)
        parser.add_argument("--hubspot-port", type=int, default=8804)
        parser.add_argument("--order-system-port", type=int, default=8805)
        parser.add_argument("--host", default="127.0.0.1")

    def handle(self, *args: Any, **options: Any) -> None:
        ports = {name: options[f"{name}_port"] for name in VENDORS}
        try:
            with Simulator(ports, options["host"]) as simulator:
                self._introduce(simulator)
                threading.Event().wait()
        except OSError as error:
            raise CommandError(f"A port cannot be opened: {error}. Choose another with --…-port.") from error
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")

    def _introduce(self, simulator: Simulator) -> None:
        self.stdout.write(f"Salesforce  {simulator.salesforce.url}")
        self.stdout.write(f"  client id {salesforce.CLIENT_ID}, client secret {salesforce.CLIENT_SECRET}")
        self.stdout.write(f"  user name {salesforce.USERNAME}, password {salesforce.PASSWORD}")
        self.stdout.write(f"  refresh token {salesforce.REFRESH_TOKEN}")
        self.stdout.write(f"Slack       {simulator.slack.url}/api/")
        self.stdout.write(f"  bot token {slack.SLACK_TOKEN}")
        self.stdout.write(f"Iterable    {simulator.iterable.url}")
        self.stdout.write(f"  API key {iterable.API_KEY}, project type {simulator.iterable.project_type}")
        self.stdout.write(f"HubSpot     {simulator.hubspot.url}")
        self.stdout.write(f"  access token {hubspot.ACCESS_TOKEN}, app client secret {hubspot.CLIENT_SECRET}")
        self.stdout.write(f"  client id {hubspot.CLIENT_ID}, refresh token {hubspot.REFRESH_TOKEN}")
        self.stdout.write(f"Orders      {simulator.order_system.url}")
        self.stdout.write(f"  token {order_system.TOKEN}, secret of its events {order_system.WEBHOOK_SECRET}")
        self.stdout.write("Add records, faults and more: GET /_control/ on each address lists how.")
