"""Pure: which person is behind each account, judged by e-mail address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

PersonKey = int | str
"""The id of a known person or, for one who is yet to be created, their address."""


class State(StrEnum):
    MATCHED = "matched"
    UNMATCHED = "unmatched"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as its system lists it.

    `single`: nobody has two active accounts in this system, so two with one address are in doubt (true of a
    messenger; in a CRM one may well have two). `manual` ones are `person_id`'s, whatever their address says.
    """

    connection_id: int
    remote_id: str
    name: str = ""
    email: str = ""
    active: bool = True
    is_group: bool = False
    single: bool = False
    manual: bool = False
    person_id: int | None = None


@dataclass(frozen=True, slots=True)
class KnownPerson:
    id: PersonKey
    email: str | None


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody no known person matches: to be created before the verdicts are stored."""

    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Verdict:
    account: Account
    state: State
    person: PersonKey | None = None
    candidates: tuple[PersonKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Matching:
    """Verdicts in the order of the accounts given."""

    verdicts: list[Verdict]
    newcomers: list[Newcomer]


def match(accounts: Sequence[Account], people: Iterable[KnownPerson]) -> Matching:
    """Decide for each account whose it is; the order of the accounts makes no difference.

    Same address first, then the address without its plus-alias. Active accounts that match nobody become
    newcomers; groups, and accounts without an address such as bots, are nobody's.
    """
    known = list(people)
    newcomers: list[Newcomer] = []
    while True:
        matcher = _Matcher(accounts, known)
        verdicts = {
            _identity(account): matcher.verdict(account) for account in sorted(accounts, key=matcher.turn)
        }
        if not matcher.newcomers:
            return Matching([verdicts[_identity(account)] for account in accounts], newcomers)
        # A newcomer may put others in doubt. Judge again as if they had been known, as the next time will.
        newcomers += matcher.newcomers
        known += [KnownPerson(newcomer.email, newcomer.email) for newcomer in matcher.newcomers]


def _identity(account: Account) -> tuple[int, str]:
    return account.connection_id, account.remote_id


def normalized(email: str) -> str:
    """Return the address as it is compared: lower case, without the suffix that Salesforce sandboxes add."""
    return email.strip().casefold().removesuffix(".invalid")


def without_alias(email: str) -> str:
    """Return `ann@x.test` for `ann+crm@x.test`."""
    local, at, domain = email.rpartition("@")
    plain = local.partition("+")[0]
    return f"{plain}{at}{domain}" if plain else email


class _Turn(IntEnum):
    """Strongest claims first, so that a weaker one finds the person taken."""

    EXACT = 0
    PLAIN = 1
    ALIAS = 2


@dataclass(slots=True)
class _Index:
    """People by address, and by their address without its alias where it has one."""

    exact: dict[str, list[PersonKey]] = field(default_factory=dict)
    alias: dict[str, list[PersonKey]] = field(default_factory=dict)

    def add(self, email: str, person: PersonKey) -> None:
        self.exact.setdefault(email, []).append(person)
        plain = without_alias(email)
        if plain != email:
            self.alias.setdefault(plain, []).append(person)

    def candidates(self, email: str) -> list[PersonKey]:
        """Two different aliases of one mailbox are no evidence: one side must be the plain address."""
        plain = without_alias(email)
        if email in self.exact:
            return self.exact[email]
        return self.exact.get(plain, []) if plain != email else self.alias.get(email, [])


class _Matcher:
    def __init__(self, accounts: Iterable[Account], people: Iterable[KnownPerson]) -> None:
        self.newcomers: list[Newcomer] = []
        self._index = _Index()
        for person in people:
            if person.email:
                self._index.add(normalized(person.email), person.id)
        self._known = frozenset(self._index.exact)
        self._taken: set[tuple[int, PersonKey]] = set()
        rivals = [account for account in accounts if self._is_exclusive(account) and not account.manual]
        self._same = Counter((account.connection_id, normalized(account.email)) for account in rivals)
        self._aliases = Counter(
            (account.connection_id, without_alias(normalized(account.email)))
            for account in rivals
            if self._strength(account) == _Turn.ALIAS
        )

    def turn(self, account: Account) -> tuple[bool, bool, _Turn, str, bool, int, str]:
        """Those who left come last: newcomers are named after accounts in use."""
        return (
            not account.manual,
            not account.active,
            self._strength(account),
            normalized(account.email),
            not account.single,
            account.connection_id,
            account.remote_id,
        )

    def verdict(self, account: Account) -> Verdict:
        email = normalized(account.email)
        if account.manual:
            state = State.MATCHED if account.person_id is not None else State.UNMATCHED
            return self._given(account, state, account.person_id)
        if account.is_group or "@" not in email:
            return Verdict(account, State.UNMATCHED)
        candidates = [
            person for person in self._index.candidates(email) if not self._is_taken(account, person)
        ]
        if not candidates:
            if not account.active or email in self._index.exact:
                return Verdict(account, State.UNMATCHED)
            candidates = [self._newcomer(account, email)]
        if len(candidates) > 1 or self._has_rivals(account, email):
            return Verdict(account, State.DOUBTFUL, candidates=tuple(candidates))
        return self._given(account, State.MATCHED, candidates[0])

    def _has_rivals(self, account: Account, email: str) -> bool:
        """Say whether another active account of the system has as good a claim to the same person."""
        if not self._is_exclusive(account):
            return False
        same = self._same[account.connection_id, email]
        aliases = self._aliases[account.connection_id, without_alias(email)]
        return same > 1 or (aliases > 1 and email not in self._index.exact)

    def _newcomer(self, account: Account, email: str) -> PersonKey:
        self._index.add(email, email)
        self.newcomers.append(Newcomer(email, account.name.strip() or email.partition("@")[0]))
        return email

    def _given(self, account: Account, state: State, person: PersonKey | None) -> Verdict:
        if person is not None and self._is_exclusive(account):
            self._taken.add((account.connection_id, person))
        return Verdict(account, state, person)

    def _is_taken(self, account: Account, person: PersonKey) -> bool:
        return self._is_exclusive(account) and (account.connection_id, person) in self._taken

    def _is_exclusive(self, account: Account) -> bool:
        return account.single and account.active and not account.is_group

    def _strength(self, account: Account) -> _Turn:
        email = normalized(account.email)
        if email in self._known:
            return _Turn.EXACT
        return _Turn.PLAIN if email == without_alias(email) else _Turn.ALIAS
