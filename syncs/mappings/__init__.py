"""Mappings as rows: checked when saved, tried on a live record, exchanged as plain JSON."""
