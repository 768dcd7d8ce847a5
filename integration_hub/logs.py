"""Structured logs: one event a line, as key=value or JSON."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_TOKEN_IN_PATH = re.compile(r"(/hooks/[\w-]+/[\w-]+/)[^/\s\"'<>]+")


def _without_tokens(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask what proves a notice: Salesforce can send it in the address only, and refusals are logged by address."""
    for name in ("event", "exception"):
        if isinstance(event.get(name), str):
            event[name] = _TOKEN_IN_PATH.sub(r"\1***", event[name])
    return event


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _without_tokens,
]


def configure(style: str, level: str) -> dict[str, Any]:
    """Set structlog up and return Django's LOGGING; `style` is "text" (key=value) or "json"."""
    renderer = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    )
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django-q": {"level": "WARNING" if level == "INFO" else level},
            "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        },
    }
