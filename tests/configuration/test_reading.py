from __future__ import annotations

import time

import pytest

from integration_hub.configuration import reading
from integration_hub.configuration.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("17:00", "17:00"),
        ("2026-12-25", "2026-12-25"),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("true", True),
        ("false", False),
        ("12", 12),
        ("-1.5", -1.5),
        ("99999999999999999999", "99999999999999999999"),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ("[a, 1]", ["a", 1]),
    ],
)
def test_a_value_is_what_it_looks_like(text, value):
    assert reading.parse(f"key: {text}".encode()) == {"key": value}


def test_a_key_is_always_a_text():
    assert reading.parse(b"2026-12-25: x\n1: y\ntrue: z") == {"2026-12-25": "x", "1": "y", "true": "z"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"rules:\n  a: 1\n  a: 2", "Line 3, column 3: “a” stands here twice; keep one of them."),
        (
            b"a: &x [1]\nb: *x",
            "Line 1, column 4: anchors (&) and aliases (*) are not allowed; write the values out.",
        ),
        (b"b: *x", "Line 1, column 4: anchors (&) and aliases (*) are not allowed; write the values out."),
        (
            b"a: !!python/name:os.system x",
            "Line 1, column 4: the tag tag:yaml.org,2002:python/name:os.system is not allowed; write a plain value.",
        ),
        (
            b"a: !!binary aGk=",
            "Line 1, column 4: the tag tag:yaml.org,2002:binary is not allowed; write a plain value.",
        ),
        (b"[a, b]: 1", "Line 1, column 1: a key must be a text."),
        (b"a: [1", "Line 1, column 6: expected ',' or ']', but got '<stream end>'."),
        (b"a: \xff", "The file is not UTF-8 text; save it in that encoding."),
        (b"a: \x01", "The file holds a character that YAML does not allow."),
        (b"", "The file must hold sections such as “connections:” and “rules:”."),
        (b"- a", "The file must hold sections such as “connections:” and “rules:”."),
        (b"a: " + b"[" * 20_000, "The file is nested too deeply."),
        (b"#" * (reading.MAX_BYTES + 1), "The file is larger than 1024 KiB; that is no configuration."),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(content, sentence):
    with pytest.raises(ConfigurationError) as refused:
        reading.parse(content)

    assert refused.value.sentences == (sentence,)


def test_a_bomb_of_aliases_is_refused_at_once():
    bomb = b"a: &a [x, x]\n" + b"".join(
        f"{name}: &{name} [*{before}, *{before}]\n".encode()
        for before, name in zip("abcdefghijklm", "bcdefghijklmn", strict=True)
    )
    started = time.monotonic()

    with pytest.raises(ConfigurationError):
        reading.parse(bomb)

    assert time.monotonic() - started < 1


def test_the_sentence_never_quotes_the_line():
    with pytest.raises(ConfigurationError) as refused:
        reading.parse(b"client_secret: hunter2: [")

    assert "hunter2" not in str(refused.value)
