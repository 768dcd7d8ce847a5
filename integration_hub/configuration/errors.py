"""What is wrong with a configuration file, and where: every problem at once, each with its path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class ConfigurationError(Exception):
    """The file cannot be used; `sentences` say where and why. None of them repeats a secret."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("\n".join(self.sentences))


def path(section: str, key: str = "", *inside: str | int) -> str:
    """Return such as `rules[hot-leads].criteria[2].field`; rows are counted from 1, as in the filter logic."""
    text = f"{section}[{key}]" if key else section
    for part in inside:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text


def listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"
