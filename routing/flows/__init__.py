"""Flows: what happens when an event comes in, step by step."""
