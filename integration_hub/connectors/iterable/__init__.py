"""Iterable: users, their fields, events and lists."""
