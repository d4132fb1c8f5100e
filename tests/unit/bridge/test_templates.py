"""Templates over messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.message import Message
from bridge.templates import lacking, render_bytes, render_text
from config.templates import FIELDS, Template, TemplateField

FULL = Message(
    body=b"",
    uid="u",
    address="order.eu",
    exchange="orders",
    key=b"k\xff",
    properties={
        "message_id": "m-1",
        "correlation_id": "c\udcff",
        "reply_to": "r",
        "content_type": "text/plain",
        "timestamp": 1_500,
    },
    headers=[
        ("region", "string", "eu"),
        ("region", "string", "second"),
        ("count", "i64", -3),
        ("raw", "string", b"\xff"),
        ("flag", "bool", True),
        ("gone", "void", None),
        ("a:b", "table", (("x", "i8", 1),)),
        ("empty", "string", ""),
    ],
)
EMPTY = Message(body=None, uid="u")

CASES = [
    ("", b""),
    ("a{{b}}", b"a{b}"),
    ("{routing_key}", b"order.eu"),
    ("{address}", b"order.eu"),
    ("{topic}", b"order.eu"),
    ("{stream}", b"order.eu"),
    ("{exchange}", b"orders"),
    ("{key}", b"k\xff"),
    ("{key}!", b"k\xff!"),
    ("{key:none}", b"k\xff"),
    ("{message_id}", b"m-1"),
    ("{correlation_id}", b"c\xff"),
    ("{reply_to}", b"r"),
    ("{content_type}", b"text/plain"),
    ("{timestamp}", b"1970-01-01T00:00:01.500Z"),
    ("{header.region}", b"eu"),
    ("{header.count}", b"-3"),
    ("{header.raw}", b"\xff"),
    ("{header.flag}", b"true"),
    ("{header.gone}", None),
    ("{header.gone:x}", b"x"),
    ("{header.empty:x}", b""),
    ('{header."a:b"}', b'{"x":1}'),
    ("{header.nope}", None),
    ("{header.nope:}", b""),
    ("o.{header.region}.{message_id}", b"o.eu.m-1"),
    ("o.{header.region}.{header.nope}", None),
    ("o.{header.region}.{header.nope:d}", b"o.eu.d"),
]


@pytest.mark.parametrize(("text", "rendered"), CASES)
def test_what_a_template_gives(text: str, rendered: bytes | None) -> None:
    template = Template.parse(text)
    assert render_bytes(template)(FULL) == rendered
    expected = None if rendered is None else rendered.decode("utf-8", "surrogateescape")
    assert render_text(template)(FULL) == expected


@pytest.mark.parametrize("field", ["exchange", "key", "message_id", "correlation_id", "reply_to", "content_type",
                                   "timestamp", "header.x"])  # fmt: skip
def test_what_is_missing(field: str) -> None:
    for text, expected in (("{%s}", None), ("{%s:d}", "d"), ("a{%s}", None), ("a{%s:}", "a")):
        template = Template.parse(text % field)
        assert render_text(template)(EMPTY) == expected
        assert render_bytes(template)(EMPTY) == (None if expected is None else expected.encode())


def test_an_empty_routing_key_is_there() -> None:
    assert render_text(Template.parse("{routing_key:d}"))(EMPTY) == ""


def test_an_empty_key_is_there() -> None:
    assert render_bytes(Template.parse("{key:d}"))(EMPTY._replace(key=b"")) == b""


def test_a_field_nobody_knows_is_an_error_when_it_is_compiled() -> None:
    with pytest.raises(ValueError, match="no template field is named nope"):
        render_text(Template("{nope}", (TemplateField("nope"),)))


@given(st.lists(st.text(max_size=4) | st.builds(TemplateField, st.sampled_from(FIELDS), st.just("region"),
                                                st.none() | st.text(max_size=4)), max_size=5))  # fmt: skip
def test_bytes_are_the_text_in_utf8(parts: list[str | TemplateField]) -> None:
    template = Template("", tuple(parts))
    for message in (FULL, EMPTY):
        text, data = render_text(template)(message), render_bytes(template)(message)
        assert data == (None if text is None else text.encode("utf-8", "surrogateescape"))


def test_what_a_message_lacks_is_named_with_what_helps() -> None:
    template = Template.parse("{header.region}.{key:none}.{message_id}.{address}")
    assert lacking(template, EMPTY) == (
        "the message lacks {header.region} and {message_id}, which '{header.region}.{key:none}.{message_id}.{address}' "
        "needs; a default helps, as in {header.region:none}"
    )
