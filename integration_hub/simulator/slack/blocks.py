"""Block Kit's rules, as far as a message can break them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BLOCKS_PER_MESSAGE = 50
KNOWN_WITHOUT_RULES = frozenset({"divider", "rich_text", "markdown", "video", "file", "table", "input"})
IDENTIFIER = 255
PLAIN, MRKDWN = "plain_text", "mrkdwn"
EITHER = (PLAIN, MRKDWN)


def block_problems(blocks: list[Any]) -> list[str]:
    """Return what Slack would say against these blocks, in its words; empty when they are fine."""
    check = _Check()
    check.items(blocks, "/blocks", BLOCKS_PER_MESSAGE, check.block, least=0)
    return check.problems


class _Check:
    """Walks one message's blocks and collects problems with JSON pointers."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._seen: set[tuple[str, str]] = set()
        self._blocks: dict[str, Callable[[dict[str, Any], str], None]] = {
            "section": self._section,
            "header": lambda block, at: self.text(block.get("text"), f"{at}/text", 150, (PLAIN,)),
            "context": lambda block, at: self.items(
                block.get("elements"), f"{at}/elements", 10, self._context
            ),
            "actions": lambda block, at: self.items(
                block.get("elements"), f"{at}/elements", 25, self._element
            ),
            "image": self._image,
        }

    def say(self, problem: str, at: str) -> None:
        self.problems.append(f"[ERROR] {problem} [json-pointer:{at}]")

    def items(
        self, value: Any, at: str, most: int, check: Callable[[Any, str], None], *, least: int = 1
    ) -> None:
        if not isinstance(value, list):
            self.say("must be an array", at)
            return
        if len(value) > most:
            self.say(f"no more than {most} items allowed", at)
        if len(value) < least:
            self.say(f"no fewer than {least} items allowed", at)
        for position, item in enumerate(value):
            check(item, f"{at}/{position}")

    def block(self, block: Any, at: str) -> None:
        if not isinstance(block, dict) or "type" not in block:
            self.say("missing required field: type", at)
            return
        self._identifier(block, "block_id", at)
        kind = block["type"]
        if kind in self._blocks:
            self._blocks[kind](block, at)
        elif kind not in KNOWN_WITHOUT_RULES:
            self.say(f"Unsupported block type: {kind}", f"{at}/type")

    def text(self, value: Any, at: str, most: int, kinds: tuple[str, ...] = EITHER) -> None:
        if not isinstance(value, dict) or value.get("type") not in kinds:
            self.say(f"must be a {' or '.join(kinds)} object", at)
            return
        self.string(value.get("text"), f"{at}/text", most)

    def string(self, value: Any, at: str, most: int, *, required: bool = True) -> None:
        if value is None and not required:
            return
        if not isinstance(value, str) or (required and not value):
            self.say("must be more than 0 characters", at)
        elif len(value) > most:
            self.say(f"must be less than {most + 1} characters", at)

    def _section(self, block: dict[str, Any], at: str) -> None:
        if not block.get("text") and not block.get("fields"):
            self.say("missing required field: text", at)
        if block.get("text"):
            self.text(block["text"], f"{at}/text", 3000)
        if block.get("fields"):
            self.items(block["fields"], f"{at}/fields", 10, lambda item, place: self.text(item, place, 2000))
        if block.get("accessory"):
            self._element(block["accessory"], f"{at}/accessory")

    def _context(self, element: Any, at: str) -> None:
        if isinstance(element, dict) and element.get("type") == "image":
            self._image(element, at)
        else:
            self.text(element, at, 2000)

    def _image(self, block: dict[str, Any], at: str) -> None:
        self.string(block.get("image_url"), f"{at}/image_url", 3000)
        self.string(block.get("alt_text"), f"{at}/alt_text", 2000)

    def _element(self, element: Any, at: str) -> None:
        if not isinstance(element, dict) or "type" not in element:
            self.say("missing required field: type", at)
            return
        self._identifier(element, "action_id", at)
        if element["type"] == "button":
            self.text(element.get("text"), f"{at}/text", 75, (PLAIN,))
            self.string(element.get("value"), f"{at}/value", 2000, required=False)
            self.string(element.get("url"), f"{at}/url", 3000, required=False)
        elif element["type"] == "image":
            self._image(element, at)
        elif "options" in element:
            self.items(element["options"], f"{at}/options", 100, self._option)
        if element.get("confirm"):
            self._confirm(element["confirm"], f"{at}/confirm")

    def _option(self, option: Any, at: str) -> None:
        if not isinstance(option, dict):
            self.say("must be an object", at)
            return
        self.text(option.get("text"), f"{at}/text", 75)
        self.string(option.get("value"), f"{at}/value", 150)

    def _confirm(self, confirm: dict[str, Any], at: str) -> None:
        self.text(confirm.get("title"), f"{at}/title", 100, (PLAIN,))
        self.text(confirm.get("text"), f"{at}/text", 300)
        for button in ("confirm", "deny"):
            self.text(confirm.get(button), f"{at}/{button}", 30, (PLAIN,))

    def _identifier(self, part: dict[str, Any], name: str, at: str) -> None:
        value = part.get(name)
        if value is None:
            return
        self.string(value, f"{at}/{name}", IDENTIFIER)
        if (name, str(value)) in self._seen:
            self.say(f"`{name}` already exists", f"{at}/{name}")
        self._seen.add((name, str(value)))
