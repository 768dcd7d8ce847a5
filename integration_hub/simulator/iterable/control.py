"""What `POST /_control/<verb>` does to the pretend project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integration_hub.simulator.vendor import Body, Verb

if TYPE_CHECKING:
    from integration_hub.simulator.iterable.vendor import Iterable

MANNER = ("max_users", "max_bytes", "strict_batches", "answers")


def iterable_verbs(iterable: Iterable) -> dict[str, Verb]:
    """Return the verbs about the project, its users and its limits."""

    def project_type(body: Body) -> None:
        iterable.project_type = body["type"]

    def path_latency(body: Body) -> None:
        iterable.latency = {str(body["path"]): float(body["seconds"])}

    def enforce_limits(body: Body) -> None:
        iterable.enforce_limits = bool(body["on"])

    def create_new_fields(body: Body) -> None:
        iterable.create_new_fields = bool(body["on"])

    def manner(body: Body) -> dict[str, Any]:
        for name, value in body.items():
            if name not in MANNER:
                raise ValueError(f"There is no {name!r}. Choose one of: {', '.join(MANNER)}.")
            setattr(iterable.manner, name, value)
        return {name: getattr(iterable.manner, name) for name in MANNER}

    return {
        "users": Verb(lambda body: iterable.users),
        "events": Verb(lambda body: iterable.events),
        "lists": Verb(lambda body: iterable.lists),
        "add_list": Verb.calling(iterable.add_list, name="Newsletter"),
        "disallow_event": Verb.calling(iterable.disallow_event, name="leadStatusChanged"),
        "forget": Verb.calling(iterable.forget, identifier="ann@example.test"),
        "revoke": Verb.calling(iterable.revoke, on=True),
        "project_type": Verb(project_type, {"type": "email"}),
        "path_latency": Verb(path_latency, {"path": "users/bulkUpdate", "seconds": 1.0}),
        "enforce_limits": Verb(enforce_limits, {"on": True}),
        "create_new_fields": Verb(create_new_fields, {"on": False}),
        "manner": Verb(manner, {"strict_batches": True, "answers": "sparse"}),
    }
