"""Backfills: many records read again and written, by any number of processes."""
