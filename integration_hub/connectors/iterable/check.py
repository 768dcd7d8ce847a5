"""What a sync to Iterable cannot do in this kind of project, said when its mapping is saved."""

from __future__ import annotations

from collections.abc import Collection

from integration_hub.connectors.iterable import events, lists
from integration_hub.connectors.iterable.fields import OBJECT_TYPE

_MATCH_KEYS = {"email": ("email",), "userid": ("userId",), "hybrid": ("userId", "email")}
_WORDS = {"email": "e-mail", "userid": "userId", "hybrid": "userId or e-mail"}
_EVENT_PATHS = ("email", "userId", "eventName", "createdAt")


def objections(
    project_type: str, object_type: str, match_path: str, paths: Collection[str]
) -> dict[str, str]:
    """Return, by path, why it cannot be written; what concerns the match key is under ""."""
    keys = _MATCH_KEYS.get(project_type)
    found: dict[str, str] = {}
    if keys is not None and match_path not in keys:
        found[""] = (
            f"Users of this project are identified by {_WORDS[project_type]}. "
            f"Choose “{keys[0]}” as the match key."
        )
    if object_type == events.OBJECT_TYPE:
        found |= _event(paths)
    elif lists.list_id(object_type) is not None:
        for path in paths:
            if path not in lists.IDENTIFIERS:
                found[path] = (
                    "A list member has an email or a userId only. Map this in the sync of the users."
                )
    elif object_type != OBJECT_TYPE:
        found[""] = (
            f"“{object_type}” is not written here. Choose user, event, or list: with the list's number."
        )
    elif match_path == "email" and project_type == "hybrid" and "userId" in paths:
        found[""] = "The line to “userId” identifies the user here. Choose “userId” as the match key."
    return found


def _event(paths: Collection[str]) -> dict[str, str]:
    found = {}
    if "eventName" not in paths:
        found[""] = (
            "An event has a name: add a line to “eventName”, such as the Liquid text leadStatusChanged."
        )
    for path in paths:
        if path not in _EVENT_PATHS and not path.startswith("dataFields."):
            found[path] = f"An event has no “{path}”. Did you mean “dataFields.{path}”?"
    return found
