"""The admin of routing: one module per noun."""

from routing.admin import decisions, directory, flow_runs, flows, hours, rules, steps, templates, versions

__all__ = ["decisions", "directory", "flow_runs", "flows", "hours", "rules", "steps", "templates", "versions"]
