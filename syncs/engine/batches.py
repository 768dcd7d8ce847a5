"""How deliveries go together: those of one call, halves of a refused one, one of each origin."""

from __future__ import annotations

from collections.abc import Sequence

from syncs.models import Delivery


def alike(claimed: Sequence[Delivery], size: int) -> list[list[Delivery]]:
    """Group by object and operation, in order, each group cut to the vendor's batch size."""
    groups: dict[tuple[str, str], list[Delivery]] = {}
    for delivery in claimed:
        groups.setdefault((delivery.object_type, delivery.operation), []).append(delivery)
    return [group[i : i + size] for group in groups.values() for i in range(0, len(group), size)]


def halves(batch: Sequence[Delivery]) -> tuple[Sequence[Delivery], Sequence[Delivery]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def first_of_each_origin(deliveries: Sequence[Delivery]) -> list[Delivery]:
    return list({(d.origin, d.connection_id): d for d in reversed(deliveries)}.values())
