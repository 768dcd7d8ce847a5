"""SOQL as text to SOQL as a tree; knows the language, not the org."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

GRAMMAR = r"""
query: "SELECT"i select "FROM"i NAME where? order_by? limit? offset?
select: "COUNT"i "(" ")" -> count
      | path ("," path)* -> fields
path: NAME ("." NAME)*
where: "WHERE"i condition
?condition: term | term ("AND"i term)+ -> all_of | term ("OR"i term)+ -> any_of
?term: "NOT"i term -> negated | "(" condition ")" | comparison
comparison: path COMPARATOR literal -> compared
          | path "LIKE"i literal -> like
          | path "IN"i values -> is_in
          | path "NOT"i "IN"i values -> not_in
          | path "INCLUDES"i values -> includes
          | path "EXCLUDES"i values -> excludes
values: "(" literal ("," literal)* ")"
literal: STRING | NUMBER | DATETIME | DATE | NAME (":" WHOLE)?
order_by: "ORDER"i "BY"i order ("," order)*
order: path DIRECTION? nulls?
nulls: "NULLS"i NULLS_PLACE
limit: "LIMIT"i WHOLE
offset: "OFFSET"i WHOLE
COMPARATOR: "<=" | ">=" | "!=" | "<>" | "=" | "<" | ">"
DIRECTION: "ASC"i | "DESC"i
NULLS_PLACE: "FIRST"i | "LAST"i
STRING: /'(\\.|[^'\\])*'/
DATETIME.3: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)/i
DATE.2: /\d{4}-\d\d-\d\d/
NUMBER: /[+-]?(\d+(\.\d+)?|\.\d+)/
WHOLE: /\d+/
NAME: /[a-z_][a-z0-9_]*/i
%ignore /\s+/
"""

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
LENGTH_LIMIT = 100_000


class SoqlError(Exception):
    """A refused query: the vendor's code, its words, and where in the text."""

    def __init__(self, code: str, message: str, at: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.at = at

    def told(self, soql: str) -> str:
        """Return the message with the excerpt and caret that Salesforce puts before it."""
        if self.at is None:
            return self.message
        head = soql[: self.at]
        row, column = head.count("\n") + 1, self.at - (head.rfind("\n") + 1) + 1
        start = max(0, self.at - 20)
        excerpt = soql[start : self.at + 20].replace("\n", " ")
        caret = " " * (self.at - start) + "^"
        return f"\n{excerpt}\n{caret}\nERROR at Row:{row}:Column:{column}\n{self.message}"


@dataclass(frozen=True, slots=True)
class Path:
    """A field, reached through zero or more relationships; `at` is its place in the text."""

    parts: tuple[str, ...]
    at: int

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Literal:
    """`kind` is string, number, date, datetime or word (null, true, TODAY, LAST_N_DAYS with `n`)."""

    kind: str
    text: str
    at: int
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    path: Path
    operator: str
    literals: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    part: Condition


Condition = Comparison | AllOf | AnyOf | Negated


@dataclass(frozen=True, slots=True)
class Order:
    path: Path
    descending: bool = False
    nulls_first: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """One parsed query; `fields` is empty for COUNT()."""

    object_type: str
    at: int
    fields: tuple[Path, ...]
    where: Condition | None = None
    orders: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0


def _place(token: Token) -> int:
    return token.start_pos or 0


def _unquoted(text: str) -> str:
    inner, out, position = text[1:-1], [], 0
    if "\\" not in inner:
        return inner
    while position < len(inner):
        char = inner[position]
        if char == "\\":
            position += 1
            escaped = inner[position]
            # \% and \_ keep their backslash: LIKE needs to know.
            char = f"\\{escaped}" if escaped in "%_" else ESCAPES.get(escaped, escaped)
        out.append(char)
        position += 1
    return "".join(out)


class _TreeBuilder(Transformer[Token, Any]):
    """Turns the grammar's rules into the classes above; one method per rule."""

    def path(self, names: list[Token]) -> Path:
        return Path(tuple(str(name) for name in names), _place(names[0]))

    def count(self, _: list[Any]) -> tuple[Path, ...]:
        return ()

    def fields(self, paths: list[Path]) -> tuple[Path, ...]:
        return tuple(paths)

    def literal(self, tokens: list[Token]) -> Literal:
        first = tokens[0]
        if first.type == "STRING":
            return Literal("string", _unquoted(str(first)), _place(first))
        if first.type == "NAME":
            n = int(tokens[1]) if len(tokens) > 1 else None
            return Literal("word", str(first).upper(), _place(first), n)
        return Literal(first.type.lower(), str(first), _place(first))

    def values(self, literals: list[Literal]) -> tuple[Literal, ...]:
        return tuple(literals)

    def compared(self, parts: list[Any]) -> Comparison:
        operator = str(parts[1]).replace("<>", "!=")
        return Comparison(parts[0], operator, (parts[2],))

    def like(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], "LIKE", (parts[1],))

    def is_in(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], "IN", parts[1])

    def not_in(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], "NOT IN", parts[1])

    def includes(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], "INCLUDES", parts[1])

    def excludes(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], "EXCLUDES", parts[1])

    def all_of(self, parts: list[Any]) -> AllOf:
        return AllOf(tuple(parts))

    def any_of(self, parts: list[Any]) -> AnyOf:
        return AnyOf(tuple(parts))

    def negated(self, parts: list[Any]) -> Negated:
        return Negated(parts[0])

    def where(self, parts: list[Any]) -> tuple[str, Any]:
        return "where", parts[0]

    def nulls(self, parts: list[Token]) -> bool:
        return str(parts[0]).upper() == "FIRST"

    def order(self, parts: list[Any]) -> Order:
        words = [part for part in parts[1:] if isinstance(part, Token)]
        places = [part for part in parts[1:] if isinstance(part, bool)]
        descending = bool(words) and str(words[0]).upper() == "DESC"
        return Order(parts[0], descending, places[0] if places else True)

    def order_by(self, parts: list[Any]) -> tuple[str, Any]:
        return "orders", tuple(parts)

    def limit(self, parts: list[Token]) -> tuple[str, Any]:
        return "limit", int(parts[0])

    def offset(self, parts: list[Token]) -> tuple[str, Any]:
        return "offset", int(parts[0])

    def query(self, parts: list[Any]) -> Query:
        fields, object_type, *clauses = parts
        return Query(str(object_type), _place(object_type), fields, **dict(clauses))


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, start="query", parser="lalr")


@lru_cache(maxsize=256)
def parse(soql: str) -> Query:
    """Return the tree of `soql`; parsed queries are remembered."""
    if len(soql) > LENGTH_LIMIT:
        raise SoqlError("MALFORMED_QUERY", "SOQL statements can't be longer than 100000 characters.")
    try:
        tree = _parser().parse(soql)
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise SoqlError("MALFORMED_QUERY", "unexpected token: '<EOF>'", len(soql.rstrip())) from None
        raise SoqlError(
            "MALFORMED_QUERY", f"unexpected token: '{error.token}'", _place(error.token)
        ) from None
    except UnexpectedCharacters as error:
        at = error.pos_in_stream or 0
        raise SoqlError(
            "MALFORMED_QUERY", f"line 1:{at} no viable alternative at character '{soql[at]}'", at
        ) from None
    except UnexpectedInput:
        raise SoqlError("MALFORMED_QUERY", "unexpected token: '<EOF>'", len(soql)) from None
    query: Query = _TreeBuilder().transform(tree)
    return query
