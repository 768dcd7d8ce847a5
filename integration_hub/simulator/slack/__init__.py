"""A pretend Slack workspace: the Web API as the real one answers it."""

from integration_hub.simulator.slack.vendor import Slack
from integration_hub.simulator.slack.workspace import DEFAULT_SCOPES, SLACK_TOKEN, Message

__all__ = ["DEFAULT_SCOPES", "SLACK_TOKEN", "Message", "Slack"]
