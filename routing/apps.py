"""Who is concerned, where it goes, and what happens next."""

from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = "Rules and people"
