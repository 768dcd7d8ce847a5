"""The admin of routing: one module per noun."""

from routing.admin import decisions, directory, hours, rules, templates

__all__ = ["decisions", "directory", "hours", "rules", "templates"]
