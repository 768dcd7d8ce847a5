"""Prints the demo: events as they happen, and at the end what became of each record and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from integration_hub.connectors.moments import lasting
from integration_hub.demo.watch import Line

WIDTH_OF_A_FILE = 150


class Played(Protocol):
    """A scene, of whichever kind."""

    @property
    def title(self) -> str: ...


class Ended(Protocol):
    """How a scene ended so far, whichever kind it is of."""

    @property
    def scene(self) -> Played: ...
    @property
    def title(self) -> str: ...
    @property
    def happened(self) -> list[str]: ...
    @property
    def why(self) -> list[str]: ...
    @property
    def took(self) -> timedelta | None: ...
    @property
    def problems(self) -> list[str]: ...


class Report:
    """All that the demo says. Texts of records are printed as they are, never as markup."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        if not self.console.is_terminal:
            self.console.width = WIDTH_OF_A_FILE

    def say(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style=style))

    def act(self, at: datetime, caption: str) -> None:
        self.event(at, Line(caption, "bold cyan"), mark="▶")

    def event(self, at: datetime, line: Line, mark: str = " ") -> None:
        self.console.print(Text(f"{at:%H:%M:%S} {mark} ") + Text(line.text, style=line.style))

    def outcomes(self, outcomes: Sequence[Ended], strays: Sequence[str]) -> None:
        """Print a row for each scene, then the verdict on the whole."""
        table = Table(title="What happened, and why", show_lines=True, title_justify="left", expand=True)
        for heading, share in (("", 0), ("Scene", 4), ("What happened", 4), ("Why", 7), ("Took", 0)):
            table.add_column(heading, ratio=share or None, overflow="fold")
        for one in outcomes:
            table.add_row(*self._row(one))
        self.console.print(table)
        failed = [one for one in outcomes if one.problems]
        for text in strays:
            self.say(text, "bold red")
        if failed or strays:
            self.say(f"{len(failed)} of {len(outcomes)} scenes did not end as they should.", "bold red")
        else:
            self.say(f"All {len(outcomes)} scenes ended exactly as they should.", "bold green")

    def _row(self, one: Ended) -> list[Text]:
        why = Text("\n".join(one.why))
        if one.problems:
            why.append("\n" + "\n".join(one.problems), style="bold red")
        mark = Text("✗", style="bold red") if one.problems else Text("✓", style="bold green")
        took = lasting(one.took) if one.took is not None else ""
        happened = "\n".join(one.happened) or "Nothing was sent"
        return [mark, Text(f"{one.scene.title}\n{one.title}"), Text(happened), why, Text(took)]
