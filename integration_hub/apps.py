"""The project's app: its commands, pages, templates and checks; it owns no tables."""

from django.apps import AppConfig


class HubConfig(AppConfig):
    name = "integration_hub"
    label = "hub"
    verbose_name = "Integration hub"

    def ready(self) -> None:
        from integration_hub import checks  # noqa: F401 - registers the checks
