"""Django settings; deployment's values come from the environment, each as NAME or NAME_FILE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django_stubs_ext
import environ

from integration_hub import logs

# Django's forms and admin classes take type arguments only in their stubs; this lets them at run time, too.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()
ENV_FILE = BASE_DIR / env.str("ENV_FILE", default=".env")
"""What it says counts where the environment itself says nothing. Tests and the demo name none."""
if ENV_FILE.is_file():
    env.read_env(ENV_FILE)

DEBUG: bool = env.bool("DEBUG", default=False)
TRIAL_KEY = "trial-only-not-for-production-0123456789abcdefghijklmnop"
SECRET_KEY: str = env.str("SECRET_KEY", default=TRIAL_KEY if DEBUG else "")
HUB_SECRET_KEYS: list[str] = env.list(
    "HUB_SECRET_KEYS", default=["aHViLXRyaWFsLWtleS1ub3QtZm9yLXByb2R1Y3Rpb24="] if DEBUG else []
)
"""Fernet keys for the connections' secrets; the first one encrypts, all decrypt."""
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL: str = env.str("PUBLIC_URL", default="http://localhost:8000").rstrip("/")
"""Where people reach the hub; links in messages start with it."""

INSTALLED_APPS = [
    "integration_hub.apps.HubConfig",  # before the theme: its templates take the place of the theme's
    "unfold",
    "unfold.contrib.filters",
    "syncs.apps.SyncsConfig",
    "routing.apps.RoutingConfig",
    "django_q",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "integration_hub.headers.ContentPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "integration_hub.console.recording.Recording",
]
ROOT_URLCONF = "integration_hub.urls"
WSGI_APPLICATION = "integration_hub.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def _database() -> dict[str, Any]:
    config: dict[str, Any] = env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'hub.sqlite3'}")
    if config["ENGINE"].endswith("sqlite3"):
        # A writer waits for its turn at BEGIN instead of failing in the middle; readers never wait.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    else:
        # No pool: django-q2 forks, and a pool does not survive that.
        config["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
        config["CONN_HEALTH_CHECKS"] = True
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL: str = env.str("REDIS_URL", default="")
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

# Four numbers in one order: a task stops taking work, ends (timeout) before its lease does, and its lease before
# the broker would hand it out again (retry). integration_hub.checks refuses to start otherwise.
TASK_SECONDS: int = env.int("HUB_TASK_SECONDS", default=30)
"""How long a task goes on taking new work."""
LEASE_SECONDS: int = env.int("HUB_LEASE_SECONDS", default=90)
"""After so long the work of a worker that was lost is taken up by another."""
ON_SQLITE: bool = DATABASES["default"]["ENGINE"].endswith("sqlite3")
ALERT_WORKERS: int = env.int("ALERT_WORKERS", default=2 if ON_SQLITE else 4)
SYNC_WORKERS: int = env.int("SYNC_WORKERS", default=1 if ON_SQLITE else 4)
Q_CLUSTER: dict[str, Any] = {
    "name": "sync",
    "ALT_CLUSTERS": {"alerts": {"workers": ALERT_WORKERS, "queue_limit": ALERT_WORKERS}},
    "workers": SYNC_WORKERS,
    "queue_limit": SYNC_WORKERS,
    "timeout": env.int("HUB_TASK_TIMEOUT", default=60),
    "retry": env.int("HUB_TASK_RETRY", default=120),
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 100,
    "recycle": 500,
    "bulk": 1,
    "poll": 0.2,
    "guard_cycle": 0.5,
    "label": "Task queue",
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
}

STREAM_LISTENERS = [
    "routing.listener.RuleListener",
    "syncs.sync_listener.SyncListener",
    "routing.flows.listener.FlowListener",
]
"""Who listens to streams: each says which fields it needs and what is switched off (syncs.listeners)."""
EVENT_LISTENERS = ["routing.flows.listener.FlowListener"]
"""Who takes events up: each tells what came of one (syncs.events.listeners)."""

LANGUAGE_CODE = "en-us"
TIME_ZONE: str = env.str("TIME_ZONE", default="UTC")
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

HTTPS: bool = env.bool("HTTPS", default=PUBLIC_URL.startswith("https://"))
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")
"""With a token set, /metrics asks for it as a bearer; without one it answers only to loopback addresses."""

LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logs.configure(env.str("LOG_FORMAT", default="text"), env.str("LOG_LEVEL", default="INFO"))

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Integration hub",
    "SITE_HEADER": "Integration hub",
    "SITE_SUBHEADER": "Revenue operations",
    "SITE_SYMBOL": "hub",
    "SITE_URL": "",  # the hub is its admin: there is no other site to return to
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "integration_hub.console.badge.favicon"}
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "integration_hub.console.badge.environment",
    "DASHBOARD_CALLBACK": "integration_hub.console.dashboard.context",
    "SIDEBAR": {"navigation": "integration_hub.console.navigation.sidebar"},
}
