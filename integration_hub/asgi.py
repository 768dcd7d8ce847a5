"""The hub as an ASGI application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_hub.settings")

application = get_asgi_application()

from integration_hub import checks  # noqa: E402 - the apps are ready only now

checks.refuse_impossible_settings()
