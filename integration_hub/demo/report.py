"""Prints the demo: events as they happen, and at the end what became of each record and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from integration_hub.connectors.moments import lasting
from integration_hub.demo.outcome import Outcome
from integration_hub.demo.watch import Line
from syncs.models.deliveries import DeliveryState

WIDTH_OF_A_FILE = 150


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

    def outcomes(self, outcomes: Sequence[Outcome], strays: Sequence[str]) -> None:
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

    def _row(self, one: Outcome) -> list[Text]:
        why = Text("\n".join(one.why))
        if one.problems:
            why.append("\n" + "\n".join(one.problems), style="bold red")
        mark = Text("✗", style="bold red") if one.problems else Text("✓", style="bold green")
        took = lasting(one.took) if one.took is not None else ""
        title = one.decision.change.title if one.decision else ""
        return [mark, Text(f"{one.scene.title}\n{title}"), Text(_happened(one)), why, Text(took)]


def _happened(one: Outcome) -> str:
    """Say what is at Slack and what became of the rest."""
    lines = [f"At Slack: {count} for {name}" for name, count in sorted(one.arrived.items())]
    for delivery in one.deliveries:
        if delivery.state == DeliveryState.DELIVERED:
            if delivery.attempts > 1:
                lines.append(f"{delivery.attempts} tries")
        elif delivery.state == DeliveryState.WAITING and not delivery.error:
            lines.append(f"Held until {delivery.due_at:%H:%M} UTC")
        else:
            lines.append(f"{DeliveryState(delivery.state).label}: {delivery.error}")
    return "\n".join(lines) or "Nothing was sent"
