"""Settings of the tests: those of the product, with keys and fast passwords; the database may be given."""

import os

os.environ.setdefault("ENV_FILE", os.devnull)
os.environ.setdefault("SECRET_KEY", "tests-only-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789")
os.environ.setdefault("HUB_SECRET_KEYS", "dGVzdHMtb25seS1rZXktMzItYnl0ZXMtbG9uZy0wMDE=")
os.environ.setdefault("DEBUG", "true")
os.environ.setdefault("DATABASE_URL", "sqlite://:memory:")
os.environ.setdefault("LOG_LEVEL", "ERROR")

from integration_hub.settings import *  # noqa: F403 - settings are a module

DEBUG = False
WHITENOISE_AUTOREFRESH = True  # nobody collects static files for tests
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
