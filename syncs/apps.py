"""What changed, how it translates, and was it delivered."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SyncsConfig(AppConfig):
    name = "syncs"
    verbose_name = "Connections and syncs"

    def ready(self) -> None:
        from syncs import schedules

        post_migrate.connect(schedules.install_after_migrate, sender=self)
