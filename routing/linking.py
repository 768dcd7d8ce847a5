"""Links set by hand: they win over matching until they are released."""

from __future__ import annotations

from routing.models import DirectoryLink, Person


def link_by_hand(link: DirectoryLink, person: Person | None) -> None:
    """Say whose account it is; None says that it is nobody's, which also stays."""
    state = DirectoryLink.State.MATCHED if person else DirectoryLink.State.UNMATCHED
    link.person, link.manual, link.state, link.candidates = person, True, state, []
    link.save(update_fields=["person", "manual", "state", "candidates"])


def release(link: DirectoryLink) -> None:
    """Leave the account to matching again; until the next refresh it stays as it is."""
    link.manual = False
    link.save(update_fields=["manual"])
