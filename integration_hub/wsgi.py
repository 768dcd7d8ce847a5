"""The hub as a WSGI application, for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_hub.settings")

application = get_wsgi_application()

from integration_hub import checks  # noqa: E402 - the apps are ready only now

checks.refuse_impossible_settings()
