"""Refuses impossible settings at start."""
