"""Positions of keys in TOML."""

import json
import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.positions import Position, Text, index, inside

DOCUMENT = """\
title = "x"
a.b = 1
[routes.orders]
from.amqp = { queue = "q", arguments = { "x-é" = 1, y = 2 } }
list = [
  1,  # one
  { deep = [2] },
]
["quoted.name"]
'lit' = 1
[[many]]
x = 1
[many.sub]
z = 1
[[many]]
y = 2
"""


@pytest.mark.parametrize(
    ("path", "position"),
    [
        (("title",), (1, 1)),
        (("a",), (2, 1)),
        (("a", "b"), (2, 3)),
        (("routes", "orders"), (3, 9)),
        (("routes", "orders", "from"), (4, 1)),
        (("routes", "orders", "from", "amqp"), (4, 6)),
        (("routes", "orders", "from", "amqp", "queue"), (4, 15)),
        (("routes", "orders", "from", "amqp", "arguments", "x-é"), (4, 42)),
        (("routes", "orders", "from", "amqp", "arguments", "y"), (4, 53)),
        (("routes", "orders", "list", 0), (6, 3)),
        (("routes", "orders", "list", 1, "deep", 0), (7, 13)),
        (("quoted.name", "lit"), (10, 1)),
        (("many", 0, "x"), (12, 1)),
        (("many", 0, "sub", "z"), (14, 1)),
        (("many", 1, "y"), (16, 1)),
    ],
)
def test_where_a_key_stands(path: tuple[str | int, ...], position: tuple[int, int]) -> None:
    assert index(DOCUMENT).at[path] == position


def test_every_value_has_a_position() -> None:
    def paths(value: Any, path: tuple[str | int, ...]) -> set[tuple[str | int, ...]]:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return {path} | {below for key, item in inner for below in paths(item, (*path, key))}

    assert paths(tomllib.loads(DOCUMENT), ()) - {()} <= set(index(DOCUMENT).at)


def test_what_is_there_twice() -> None:
    twice = index("[a]\nx = 1\nx = 2\n[b]\n[a]\n").twice
    assert [(path, tuple(first), tuple(second)) for path, first, second in twice] == [
        (("a", "x"), (2, 1), (3, 1)),
        (("a",), (1, 2), (5, 2)),
    ]


@given(st.text(st.sampled_from("[]{}=.,\"'#\n ab1\\u") | st.characters(exclude_categories=["Cs"]), max_size=60))
def test_no_text_upsets_it(text: str) -> None:
    index(text)


def basic(text: str) -> str:
    return json.dumps(text).replace("\x7f", "\\u007f") if text.isascii() else json.dumps(text, ensure_ascii=False)


@given(st.text(st.sampled_from("aab\n\t\"\\é😀' ") | st.characters(exclude_categories=["Cs", "Cc"]), max_size=8))
@example("xxab")
@example("\n\"a'")
def test_every_character_of_a_text_is_found_where_it_is_written(text: str) -> None:
    """What is written up to the place that was found stands for what is before the character."""
    text = text.replace("$", "")
    ways = [basic(text), '"""\n' + basic(text)[1:-1].replace("\\n", "\n") + '"""']
    ways.append(f'"""{basic(text)[1:-1]}"""'.replace("a", "\\\n \n  a"))
    if not {"\n", "'"} & set(text):
        ways.append(f"'{text}'")
    for raw in ways:
        document = f"x = 1\na.b = [{raw}] # é"
        assert tomllib.loads(document)["a"]["b"] == [text]
        written = index(document).texts["a", "b", 0]
        assert written == Text(Position(2, 8), raw)
        lines = document.split("\n")
        closing = raw[:3] if raw[:3] == '"""' else raw[0]
        for offset in range(len(text) + 1):
            place = inside(written, offset)
            assert place is not None
            *whole, last = lines[1 : place.line]
            assert last[place.column - 1 :] != "\\", "a line that goes on is no character"
            before = "\n".join([*whole, last[: place.column - 1]])
            assert tomllib.loads(f"{before}{closing}]")["a"]["b"] == [text[:offset]]


def test_of_a_text_with_references_no_place_is_told() -> None:
    assert inside(Text(Position(1, 1), "'a$$b'"), 1) is None
