"""Slack: messages, and people by their e-mail."""
