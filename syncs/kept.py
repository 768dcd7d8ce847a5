"""What a connector keeps between uses, encrypted in its connection's row."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.db import transaction

from syncs import secrets
from syncs.models import Connection


class ConnectionKeeper:
    """The `Keeper` of one connection. Tokens are read afresh: another process may have renewed them."""

    def __init__(self, connection: Connection) -> None:
        self.pk = connection.pk

    def recall(self) -> Mapping[str, str]:
        kept = Connection.objects.values_list("kept", flat=True).get(pk=self.pk)
        found: dict[str, str] = json.loads(secrets.decrypt(kept)) if kept else {}
        return found

    def remember(self, values: Mapping[str, str]) -> None:
        Connection.objects.filter(pk=self.pk).update(kept=secrets.encrypt(json.dumps(dict(values))))

    def replace_secret(self, name: str, value: str) -> None:
        with transaction.atomic():
            connection = Connection.objects.select_for_update().get(pk=self.pk)
            connection.secrets = {**connection.secrets, name: {"encrypted": secrets.encrypt(value)}}
            connection.save(update_fields=["secrets"])
