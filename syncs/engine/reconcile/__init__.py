"""Reconciliations: what the source has beside what stands at the destination."""
