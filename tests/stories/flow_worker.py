"""A process that moves runs of flows on and on, as one does whose lease another takes for lost. `python -m … `"""

from __future__ import annotations

import logging

import django

django.setup()

from django.db import OperationalError  # noqa: E402 - the settings come first
from django.utils import timezone  # noqa: E402

from routing.flows import engine as flows  # noqa: E402
from syncs.models import Lease  # noqa: E402

logger = logging.getLogger("flow_worker")


def main() -> None:
    while True:
        try:
            Lease.objects.filter(name="flows").update(owner="")
            flows.run(timezone.now(), seconds=0.5)
        except OperationalError as error:
            if "locked" not in str(error):  # SQLite lets one write at a time; that is no trouble of ours
                logger.exception("a pass failed")


if __name__ == "__main__":
    main()
