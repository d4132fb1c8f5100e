"""Templates over messages."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.addresses import Captured, matching
from bridge.message import Message
from bridge.templates import lacking, render_bytes, render_text
from config.patterns import FIELDS, Pattern
from config.templates import Bond, Template, TemplateField
from config.values import Kind

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
                                                st.none() | st.text(max_size=4), st.just(False)),
                max_size=5))  # fmt: skip
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


def bond(source: Kind, match: str | None, target: Kind) -> Bond:
    return Bond(source, None if match is None else Pattern.parse(match, source), target)


@pytest.mark.parametrize(
    ("source", "match", "target", "text", "address", "rendered"),
    [
        ("amqp", "sensors.{site}.{device...}", "mqtt", "s/{site}/{device...}", "sensors.b/1.t.x", "s/b.1/t/x"),
        ("mqtt", "sensors/{site}/{device...}", "amqp", "s.{device...}.{site}", "sensors/b.1/t/x", "s.t.x.b/1"),
        ("mqtt", "{a}/{b}", "redis", "{b}:{a}", "x:y/z", "z:x%3Ay"),
        ("mqtt", "{a}/{b}", "kafka", "{b}.{a}", "x y/z", "z.x_-20y"),
        ("mqtt", "{a}/{b}", "mqtt", "one-{b}", "x/y", "one-y"),
        ("mqtt", None, "amqp", "{address...}", "a.b/c", "a/b.c"),
        ("mqtt", None, "amqp", "{address}", "a.b/c", "a.b/c"),
        ("amqp", None, "mqtt", "{address...}", "", "%"),
        ("amqp", None, "mqtt", "x/{address...}", "$a.b", "x/$a/b"),
        ("amqp", None, "mqtt", "{address...}/x", "$a.b", "%24a/b/x"),
        ("amqp", None, "mqtt", "{address...}/{header.region}", "$a.b", "%24a/b/eu"),
        ("amqp", None, "kafka", "{address...}", "..", "_-.."),
        ("amqp", None, "kafka", "{address...}", "__a", "_-5f_a"),
        ("amqp", None, "kafka", "{address...}.{header.nope}", "a", None),
        ("mqtt", "{a}/{b}", "amqp", "{a}", "x", None),
        ("mqtt", None, "mqtt", "{address...}", "%24a/b", "%24a/b"),
        ("redis", "s:{x}", "kafka", "{x}", "s:a\udcffb", "a\udcffb"),
    ],
)
def test_segments_of_the_address_are_as_the_target_has_them(
    source: Kind, match: str | None, target: Kind, text: str, address: str, rendered: str | None
) -> None:
    template = Template.parse(text).bound(bond(source, match, target))
    for render in (render_text(template), render_text(template)):
        assert [render(FULL._replace(address=address)) for _ in range(2)] == [rendered] * 2
    data = None if rendered is None else rendered.encode("utf-8", "surrogateescape")
    assert render_bytes(template)(FULL._replace(address=address)) == data


def test_what_is_remembered_is_that_of_its_address() -> None:
    render = render_text(Template.parse("{address...}").bound(bond("amqp", None, "mqtt")))
    for number in [*range(2000), *range(2000)]:
        assert render(FULL._replace(address=f"a.{number}")) == f"a/{number}"


@pytest.mark.parametrize("text", ["{site}.{device...}", "{site}.{header.region}.{device...}"])
def test_an_address_is_taken_apart_once_for_all_fields(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def counted(pattern: Pattern) -> Callable[[str], Captured | None]:
        match = matching(pattern)

        def count(address: str) -> Captured | None:
            taken.append(address)
            return match(address)

        return count

    monkeypatch.setattr("bridge.templates.matching", counted)
    render = render_text(Template.parse(text).bound(bond("mqtt", "s/{site}/{device...}", "amqp")))
    addresses = [f"s/{number}/t/1" for number in range(3000)]
    for address in [*addresses, *addresses]:
        assert render(FULL._replace(address=address))
    assert taken == addresses


def test_a_template_of_no_route_cannot_have_segments() -> None:
    for text in ("{address...}", "{site}", "a{site...}"):
        with pytest.raises(ValueError, match="no template field is named"):
            render_text(Template.parse(text))
    with pytest.raises(ValueError, match="no template field is named site"):
        render_text(Template.parse("{site}").bound(bond("amqp", None, "mqtt")))
