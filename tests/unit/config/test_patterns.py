"""The grammar of `match`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.patterns import SEPARATORS, Capture, Pattern
from config.values import Kind

KINDS: tuple[Kind, ...] = ("amqp", "kafka", "mqtt", "redis")
literals = st.text("abc{}é_-", max_size=5)
captures = st.lists(st.sampled_from(["site", "a", "b_2", "device"]), unique=True, max_size=3)


def written(segment: str | Capture) -> str:
    return segment.replace("{", "{{").replace("}", "}}") if isinstance(segment, str) else str(segment)


@pytest.mark.parametrize("kind", ["amqp", "mqtt", "redis"])
@given(st.data())
def test_what_is_written_is_read(kind: Kind, data: st.DataObject) -> None:
    several = data.draw(st.integers(0, 3))
    named = [Capture(name, at == several) for at, name in enumerate(data.draw(captures))]
    parts: list[str | Capture] = [*named, *data.draw(st.lists(literals, max_size=3))]
    segments = data.draw(st.permutations(parts))
    text = SEPARATORS[kind].join(map(written, segments))
    if not text:
        return
    pattern = Pattern.parse(text, kind)
    assert pattern.segments == tuple(segments)
    assert str(pattern) == text
    assert pattern.captures == {capture.name: capture for capture in named}


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(st.sampled_from("{}./:+#*a_x") | st.characters(), max_size=20))
def test_any_text_parses_or_is_a_value_error(kind: Kind, text: str) -> None:
    try:
        pattern = Pattern.parse(text, kind)
    except ValueError:
        return
    assert SEPARATORS[kind].join(map(written, pattern.segments)) == text


@pytest.mark.parametrize(
    ("text", "kind", "wrong"),
    [
        ("", "amqp", "is empty"),
        ("a.{b", "amqp", "character 3 of the pattern is a { that is never closed; a brace itself is written {{"),
        ("a.}b", "amqp", "character 3 of the pattern is a } without its {; a brace itself is written }}"),
        ("{topic}", "mqtt", "a capture cannot be called topic, which every template knows as something else"),
        ("{address...}", "mqtt", "a capture cannot be called address, which every template knows as something else"),
        ("{}", "mqtt", "{} is not a capture: {name} or {name...}, of a-z, 0-9 and _, beginning with a letter"),
        ("{A b}", "mqtt", "{A b} is not a capture: {name} or {name...}, of a-z, 0-9 and _, beginning with a letter"),
        ("{a}/{a}", "mqtt", "two captures are called a; give each a name of its own"),
        ("{a...}/{b...}", "mqtt", "{a...} and {b...} both take several segments, and only one capture can"),
        ("x{a}", "mqtt", "{a} is not alone in its segment; it stands between two /"),
        ("{a}{b}", "redis", "{a} is not alone in its segment; it stands between two :"),
        ("a/+/b", "mqtt", "no topic holds + or #, they are for subscriptions; {name} is one level, {name...} several"),
        ("a.*", "amqp", "* is for binding keys; here {name} is one word, and {name...} several"),
        ("a/b.{c}", "kafka", "no topic holds that; Kafka takes A-Z a-z 0-9 . _ -"),
    ],
)
def test_what_is_wrong_is_said(text: str, kind: Kind, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
        Pattern.parse(text, kind)
