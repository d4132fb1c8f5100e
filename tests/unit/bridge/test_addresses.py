"""Addresses as segments, and back: reversible for every kind."""

import sys
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.addresses import joined, matching, remembering, segments, within
from config.kafka import is_target
from config.patterns import Pattern
from config.values import Kind
from connectors.mqtt.rules import topic_fault

KINDS: tuple[Kind, ...] = ("amqp", "kafka", "mqtt", "redis")
PIECES = (
    *"%_-./:+#$*25aBf\0\x07\x7f\x85\ufdd0\ufffe\U0001fffe é€😀",
    *("%2F", "%25", "%2B", "%24", "%00", "%C2%85", "%EF%B7%90", "%F0%9F%BF%BE", "%C3%A9", "%C2", "%41", "%2f", "%3A"),
    *("_-", "__", "--", "_-20", "_--20", "_-5f", "_-2e", "_-c3a9", "_-41", "_-c3", "_-2", "20", "5f_"),
)
texts = st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"]), max_size=8).map("".join)
parts = st.lists(texts, min_size=1, max_size=4).map(tuple)
disallowed = [chr(each) for each in (*range(0x20), *range(0x7F, 0xA0), *range(0xFDD0, 0xFDF0))]
disallowed += [chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)]
topics = texts.filter(lambda name: not topic_fault(name) and not set(disallowed) & set(name))
kafka_topics = (
    st.lists(
        st.sampled_from([*"_-.aB", "_-5f", "_--", "_-20", "_-c3a9", "_-2e", "__", "_-41", "orders_2024"]), min_size=1
    )
    .map("".join)
    .filter(is_target)
)
names: dict[Kind, st.SearchStrategy[str]] = {
    "amqp": texts,
    "kafka": kafka_topics,
    "mqtt": topics,
    "redis": texts.filter(bool),
}


@pytest.mark.parametrize("kind", KINDS)
@given(given_parts=parts)
@example(("",))
@example(("", ""))
@example(("", "", ""))
@example(("$",))
@example(("_", " "))
@example(("%",))
@example(("%24",))
@example(("%25",))
@example(("_-", ""))
def test_segments_have_a_name_that_is_allowed_and_no_other(kind: Kind, given_parts: tuple[str, ...]) -> None:
    name = joined(given_parts, kind)
    assert segments(name, kind) == given_parts
    if kind == "mqtt":
        assert not topic_fault(name)
        assert not set(disallowed) & set(name)
    if kind == "kafka" and len(name) <= 249:
        assert is_target(name)
    if kind == "redis":
        assert name


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_a_name_that_is_allowed_is_that_of_its_segments(kind: Kind, data: st.DataObject) -> None:
    name = data.draw(names[kind])
    assert joined(segments(name, kind), kind) == name


@given(names["amqp"])
@example("")
@example("%")
@example("%2525")
def test_every_routing_key_has_a_topic_of_its_own(key: str) -> None:
    topic = joined(segments(key, "amqp"), "mqtt")
    assert not topic_fault(topic)
    assert joined(segments(topic, "mqtt"), "amqp") == key


@given(names["mqtt"])
def test_every_topic_has_a_routing_key_of_its_own(topic: str) -> None:
    assert joined(segments(joined(segments(topic, "mqtt"), "amqp"), "amqp"), "mqtt") == topic


@pytest.mark.parametrize(
    ("key", "topic"),
    [
        ("", "%"),
        ("a", "a"),
        ("sensors.berlin.t/1", "sensors/berlin/t.1"),
        (".a..b.", "/a//b/"),
        ("$SYS.x", "%24SYS/x"),
        ("a.$b", "a/$b"),
        ("#.+*", "%23/%2B*"),
        ("a\0\x1f\x7f", "a%00%1F%7F"),
        ("\x85\ufdd0\U0010ffff", "%C2%85%EF%B7%90%F4%8F%BF%BF"),
        ("100%", "100%"),
        ("%41%C3%A9é", "%41%C3%A9é"),
        ("%2B", "%252B"),
        ("%252B", "%25252B"),
        ("%", "%25"),
        ("%24a", "%2524a"),
        ("a%24", "a%24"),
        ("a%2Fb", "a%2Fb"),
    ],
)
def test_routing_keys_and_topics(key: str, topic: str) -> None:
    assert joined(segments(key, "amqp"), "mqtt") == topic
    assert joined(segments(topic, "mqtt"), "amqp") == key


@pytest.mark.parametrize(
    ("topic", "other"),
    [
        ("shop/orders_2024", "shop.orders_2024"),
        ("a.b/c d", "a_-2eb.c_-20d"),
        ("é/", "_-c3a9."),
        ("a_-20", "a_--20"),
        ("__a/__b", "_-5f_a.__b"),
        ("/", "_-."),
        ("//", "_-.."),
        ("///", "..."),
        ("a_-41_-x", "a_-41_-x"),
    ],
)
def test_mqtt_and_kafka_topics(topic: str, other: str) -> None:
    assert joined(segments(topic, "mqtt"), "kafka") == other
    assert joined(segments(other, "kafka"), "mqtt") == topic


def test_redis_streams_have_colons() -> None:
    assert joined(segments("a/b:c", "mqtt"), "redis") == "a:b%3Ac"
    assert joined(segments("a:b%3Ac", "redis"), "mqtt") == "a/b:c"


def test_exactly_what_mqtt_does_not_have_in_a_level_is_escaped() -> None:
    escaped = {chr(each) for each in range(sys.maxunicode + 1) if within([chr(each)], "mqtt") != chr(each)}
    assert escaped == {*disallowed, *"/+#"}
    for char in escaped:
        assert segments(within([char], "mqtt"), "mqtt") == (char,)


@pytest.mark.parametrize("kind", ["amqp", "redis"])
def test_what_is_not_utf_8_is_left_as_it_is(kind: Kind) -> None:
    assert joined(segments("a\udcff%2B", kind), "amqp") == "a\udcff%2B"
    assert joined(segments("a\udcff", kind), "mqtt") == joined(segments("a\udcff", kind), "kafka") == "a\udcff"


@pytest.mark.parametrize(
    ("kind", "pattern", "address", "captures"),
    [
        ("mqtt", "sensors/{site}/{device...}", "sensors/berlin/t/1", {"site": ("berlin",), "device": ("t", "1")}),
        ("mqtt", "sensors/{site}/{device...}", "sensors/berlin/t", {"site": ("berlin",), "device": ("t",)}),
        ("mqtt", "sensors/{site}/{device...}", "sensors/berlin", None),
        ("mqtt", "sensors/{site}/{device...}", "sensors//t", None),
        ("mqtt", "sensors/{site}/{device...}", "sensors/berlin/", {"site": ("berlin",), "device": ("",)}),
        ("mqtt", "sensors/{site}/{device...}", "sensor/berlin/t", None),
        ("amqp", "{all...}.end", "a.b.end", {"all": ("a", "b")}),
        ("amqp", "{all...}.end", "a.b.ends", None),
        ("amqp", "{a}.{all...}.{b}", "a.b.c.d", {"a": ("a",), "all": ("b", "c"), "b": ("d",)}),
        ("amqp", "{a}.{all...}.{b}", "a.b", None),
        ("amqp", "a.b", "a.b", {}),
        ("amqp", "a.b", "a.c", None),
        ("amqp", "{key_}", "x/y", {"key_": ("x.y",)}),
        ("amqp", "{{a}}.{x}", "{a}.b", {"x": ("b",)}),
        ("redis", "s:{x}", "s:a%3Ab", {"x": ("a:b",)}),
        ("redis", "s%3At:{x}", "s%3At:a", {"x": ("a",)}),
        ("kafka", "{x}.v1", "a_-20b.v1", {"x": ("a b",)}),
        ("mqtt", "{x}/a", "%24SYS/a", {"x": ("$SYS",)}),
        ("mqtt", "%24SYS/{x}", "%24SYS/a", {"x": ("a",)}),
    ],
)
def test_patterns(kind: Kind, pattern: str, address: str, captures: dict[str, tuple[str, ...]] | None) -> None:
    match = matching(Pattern.parse(pattern, kind))
    assert match(address) == captures
    assert match(address) == captures


def test_what_is_remembered_of_addresses_is_bounded() -> None:
    worked, recall = _recalling()
    first = [f"{number}" for number in range(10_000)]
    assert [recall(address) for address in [*first, *first]] == [*first, *first]
    assert worked == first, "thousands of addresses that come in turn are all remembered"
    for number in range(30_000):
        recall(f"more{number}")
        assert recall("kept") == "kept"
    worked.clear()
    assert recall("kept") == "kept"
    assert not worked, "what comes again is remembered longest"
    assert recall("0") == "0"
    assert worked == ["0"]


def test_of_long_addresses_fewer_are_remembered_and_of_the_longest_none() -> None:
    worked, recall = _recalling()
    for number in range(10_000):
        recall(f"{number:01024}")
    worked.clear()
    assert recall(f"{9_999:01024}")
    assert not worked
    assert recall(f"{5_000:01024}")
    assert len(worked) == 1
    long = "x" * 1025
    assert recall(long) == recall(long)
    assert worked[1:] == [long, long]


def _recalling() -> tuple[list[str], Callable[[str], str]]:
    """Give what was worked out, and a function that remembers it."""
    worked: list[str] = []

    def work(address: str) -> str:
        worked.append(address)
        return address

    return worked, remembering(work)
