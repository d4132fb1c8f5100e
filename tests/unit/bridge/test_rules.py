"""The rules of `map`, against a model that knows nothing of stages compiled: plain loops over what was written."""

import re
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.message import Header, Message, Properties
from bridge.parsing import value_of
from bridge.raw import RawHeaders, RawProperties
from bridge.rules import captured, compile_rules
from bridge.values import text_of
from config.mapping import NUMBERS, PROPERTIES, RESERVED, MapSettings, Part
from tests.unit.bridge.typed import values

HEADERS: tuple[Header, ...] = (
    ("old-a", "string", "1"),
    ("id", "i32", 7),
    ("old-b", "bool", True),
    ("old-a", "string", "2"),
    ("none", "void", None),
)
MESSAGE = Message(
    b"{}",
    "uid",
    "orders.eu",
    "orders",
    b"k",
    {"type": "created", "priority": 3, "timestamp": 1_700_000_000_250, "reply_to": "r"},
    HEADERS,
)


def mapped(message: Message = MESSAGE, **tables: Any) -> Message:
    rules = compile_rules(MapSettings.model_validate(tables))
    assert rules is not None
    return rules(message)


def refused(**tables: Any) -> tuple[str, str]:
    with pytest.raises(Unmappable) as caught:
        mapped(**tables)
    return caught.value.reason, str(caught.value)


def test_a_route_without_rules_has_none() -> None:
    assert compile_rules(MapSettings()) is None


def test_what_is_set_replaces_what_is_there_and_has_the_type_that_was_written() -> None:
    found = mapped(
        set={
            "content_type": "application/json",
            "priority": 5,
            "key": "{header.id}",
            "header.old-a": "{address}/{key}",
            "header.flag": False,
            "header.count": 2**40,
            "header.rate": 0.5,
        }
    )
    assert found.properties == {**MESSAGE.properties, "content_type": "application/json", "priority": 5}
    assert found.key == b"7"
    assert found.headers == (
        ("id", "i32", 7),
        ("old-b", "bool", True),
        ("none", "void", None),
        ("old-a", "string", "orders.eu/k"),
        ("flag", "bool", False),
        ("count", "i64", 2**40),
        ("rate", "f64", 0.5),
    )
    assert (found.body, found.uid, found.address, found.exchange) == (b"{}", "uid", "orders.eu", "orders")


def test_what_is_set_reads_the_message_as_it_was_before() -> None:
    found = mapped(set={"type": "{reply_to}", "reply_to": "{header.id}", "header.id": "{key}"})
    assert (found.properties["type"], found.properties["reply_to"]) == ("r", "7")
    assert found.headers[-1] == ("id", "string", "k")


def test_a_default_is_for_what_is_missing() -> None:
    found = mapped(
        default={
            "type": "other",
            "message_id": "{header.id}",
            "correlation_id": "{header.lacking}",
            "key": "x",
            "header.none": "x",
            "header.new": 1,
            "header.newer": "{header.lacking}",
        }
    )
    assert found.properties == {**MESSAGE.properties, "message_id": "7"}
    assert found.key == b"k"
    assert found.headers == (*HEADERS, ("new", "i64", 1))


def test_what_is_removed_is_gone_and_the_rest_is_in_order() -> None:
    found = mapped(remove=["reply_to", "header.old-*", "key", "app_id", "header.lacking"])
    assert found.key is None
    assert found.properties == {name: value for name, value in MESSAGE.properties.items() if name != "reply_to"}
    assert found.headers == (HEADERS[1], HEADERS[4])


def test_headers_are_renamed_where_they_stand_with_their_types_and_repeats() -> None:
    found = mapped(rename={"header.old-*": "header.new.*!", "header.id": "header.old-a"})
    assert found.headers == (
        ("new.a!", "string", "1"),
        ("old-a", "i32", 7),
        ("new.b!", "bool", True),
        ("new.a!", "string", "2"),
        ("none", "void", None),
    )


def test_the_first_rule_that_fits_renames_and_names_can_be_swapped() -> None:
    found = mapped(rename={"header.id": "header.none", "header.none": "header.id", "header.*": "header.x-*"})
    assert [name for name, _, _ in found.headers] == ["x-old-a", "none", "x-old-b", "x-old-a", "id"]


def test_a_property_becomes_a_header_and_the_key_one_and_headers_become_properties() -> None:
    found = mapped(
        rename={
            "type": "header.kind",
            "priority": "header.p",
            "timestamp": "header.t",
            "key": "header.k",
            "header.id": "message_id",
            "header.old-a": "key",
            "reply_to": "correlation_id",
        }
    )
    assert found.properties == {"message_id": "7", "correlation_id": "r"}
    assert found.key == b"1", "of several the first"
    assert found.headers == (
        HEADERS[2],
        HEADERS[3],
        HEADERS[4],
        ("kind", "string", "created"),
        ("p", "i64", 3),
        ("t", "i64", 1_700_000_000_250),
        ("k", "string", "k"),
    )


def test_what_finds_its_new_name_taken_by_an_earlier_rule_stays() -> None:
    found = mapped(rename={"header.id": "type", "reply_to": "type", "header.none": "app_id"})
    assert found.properties == {**MESSAGE.properties, "type": "7"}
    assert found.headers == (HEADERS[0], *HEADERS[2:]), "and so does a void header, which is no value of a property"


def test_properties_can_be_swapped() -> None:
    found = mapped(rename={"type": "reply_to", "reply_to": "type"})
    assert (found.properties["type"], found.properties["reply_to"]) == ("r", "created")


def test_each_table_sees_what_the_one_before_left() -> None:
    found = mapped(
        set={"type": "{header.b:lacking}"},
        default={"header.b": "default", "message_id": "{header.c:lacking}"},
        remove=["header.b"],
        rename={"header.id": "header.b", "header.old-b": "header.c"},
    )
    assert found.properties["type"] == "default"
    assert found.properties["message_id"] == "true"


def test_the_bridges_own_headers_are_left_alone() -> None:
    own = MESSAGE._replace(headers=(("fedbridge-uid", "string", "1"), ("a", "string", "2")))
    assert mapped(own, remove=["header.*"]).headers == (own.headers[0],)
    assert mapped(own, rename={"header.*": "header.x-*"}).headers == (own.headers[0], ("x-a", "string", "2"))
    headers: tuple[Header, ...] = (("x-fedbridge-uid", "string", "1"),)
    rules = compile_rules(MapSettings.model_validate({"rename": {"header.x-*": "header.*"}}))
    assert rules is not None
    with pytest.raises(Unmappable, match="'fedbridge-uid', which is the bridge's own") as caught:
        rules(MESSAGE._replace(headers=headers))
    assert caught.value.reason == "bad_value"


def test_a_template_without_its_field_is_refused() -> None:
    assert refused(set={"app_id": "a-{header.lacking}"}) == (
        "missing_field",
        "for app_id, the message lacks {header.lacking}, which 'a-{header.lacking}' needs; a default helps, as in "
        "{header.lacking:none}",
    )


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        ({"set": {"priority": "{key}"}}, "priority would be 'k', not a whole number"),
        ({"set": {"priority": "25{header.id}"}}, "priority would be '257', not a whole number from 0 to 255"),
        ({"set": {"timestamp": "{key}T"}}, "timestamp would be 'kT', not a time"),
        ({"set": {"timestamp": "2026-01-01T00:00:00"}}, "not a time: it has no zone"),
        ({"default": {"delivery_mode": "{header.id}"}}, "delivery_mode would be '7', not a whole number from 1 to 2"),
        ({"rename": {"type": "priority"}}, "priority would be 'created', not a whole number"),
        ({"rename": {"header.old-b": "priority"}}, "priority would be 'true', not a whole number"),
    ],
)
def test_what_is_no_number_is_refused(tables: dict[str, Any], text: str) -> None:
    if text.startswith("not"):
        with pytest.raises(ValueError, match=text):
            MapSettings.model_validate(tables)
    else:
        assert refused(**tables) == ("bad_value", text)


@pytest.mark.parametrize(
    ("header", "milliseconds"),
    [
        (("t", "timestamp", 1_700_000_000), 1_700_000_000_000),
        (("t", "i64", 1_700_000_000_123), 1_700_000_000_123),
        (("t", "string", "2023-11-14T22:13:20.250Z"), 1_700_000_000_250),
        (("t", "string", "2023-11-14T23:13:20+01:00"), 1_700_000_000_000),
        (("t", "string", "-5"), -5),
    ],
)
def test_times_are_milliseconds_or_text_with_a_zone(header: Header, milliseconds: int) -> None:
    message = MESSAGE._replace(headers=(header,))
    assert mapped(message, rename={"header.t": "timestamp"}).properties["timestamp"] == milliseconds
    assert mapped(message, set={"timestamp": "{header.t}"}).properties["timestamp"] == milliseconds


def test_the_timestamp_of_a_message_is_itself_by_its_template() -> None:
    assert mapped(set={"timestamp": "{timestamp}"}).properties == MESSAGE.properties


def test_text_that_is_not_utf8_keeps_its_bytes() -> None:
    message = MESSAGE._replace(key=b"\xff", headers=(("a", "string", b"\xfe"), ("b", "bytes", b"\xfd")))
    found = mapped(message, set={"header.k": "{key}", "key": "{header.a}", "app_id": "{key}"})
    assert found.headers[-1] == ("k", "string", b"\xff")
    assert found.key == b"\xfe"
    assert found.properties["app_id"].encode("utf-8", "surrogateescape") == b"\xff"
    moved = mapped(message, rename={"key": "header.k", "header.b": "key", "header.a": "type"})
    assert moved.headers == (("k", "string", b"\xff"),)
    assert moved.key == b"\xfd"
    assert moved.properties["type"].encode("utf-8", "surrogateescape") == b"\xfe"


@pytest.mark.parametrize(
    "tables",
    [
        {"remove": ["app_id", "header.x-*", "header.lacking"]},
        {"rename": {"header.x-*": "header.y-*", "app_id": "type", "header.none": "key"}},
        {"default": {"key": "x", "type": "y", "header.id": "z", "header.new": "{header.lacking}"}},
    ],
)
def test_what_is_not_touched_is_the_very_message(tables: dict[str, Any]) -> None:
    assert mapped(**tables) is MESSAGE


def test_lazy_properties_and_headers_are_read_and_never_written_to() -> None:
    class Given:
        def properties(self, given: Any) -> dict[str, Any]:
            return {"type": "created"}

        def headers(self, given: Any) -> tuple[Header, ...]:
            return HEADERS

        def pairs(self, given: Any, timestamp: int | None) -> None:
            return None

    properties = RawProperties(Given(), None, 5)
    headers = RawHeaders(Given(), None, properties, None)
    message = MESSAGE._replace(properties=cast("Properties", properties), headers=headers)
    assert mapped(message, remove=["app_id", "header.x"]) is message
    found = mapped(message, set={"app_id": "a"}, remove=["header.old-*"], rename={"type": "header.kind"})
    assert found.properties == {"timestamp": 5, "app_id": "a"}
    assert found.headers == (HEADERS[1], HEADERS[4], ("kind", "string", "created"))
    assert dict(properties) == {"type": "created", "timestamp": 5}
    assert mapped(message, remove=["key"]).headers is headers


@given(st.lists(st.text("ab", max_size=2), min_size=1, max_size=4), st.text("abc", max_size=12))
@example(["", ""], "")
@example(["a", "a"], "a")
def test_wildcards_match_as_lazy_groups_do(pieces: list[str], name: str) -> None:
    match = re.fullmatch("(.*?)".join(map(re.escape, pieces)), name, re.DOTALL)
    assert captured(pieces, name) == (None if match is None else match.groups())


# ---- the model

NAMES = st.sampled_from(["a", "b", "aa", "ab", "x-a", "x-b", "fedbridge-a"])
TEXTS = st.text("ab", max_size=2)
PLAIN = st.sampled_from([name for name in PROPERTIES if name not in NUMBERS][:4])
NAMED = PLAIN | st.just("key") | NAMES.filter(lambda name: not name.startswith("f")).map("header.{}".format)
STARRED = st.sampled_from(["header.*", "header.x-*", "header.*a", "header.a*"])
MESSAGES = st.builds(
    Message,
    st.just(b""),
    st.just("uid"),
    TEXTS,
    key=st.none() | TEXTS.map(str.encode),
    properties=st.dictionaries(PLAIN, TEXTS),
    headers=st.lists(st.tuples(NAMES, values).map(lambda pair: (pair[0], *pair[1])), max_size=5).map(tuple),
)
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "rename": st.dictionaries(NAMED, NAMED | TEXTS.map(lambda text: f"header.z{text}"), max_size=4).map(
            lambda table: {old: new for old, new in table.items() if old != new}
        )
        | st.dictionaries(STARRED, st.sampled_from(["header.n-*", "header.*-n"]), max_size=2),
        "remove": st.lists(NAMED | STARRED, max_size=3),
        "default": st.dictionaries(NAMED, TEXTS | st.just("{header.a}") | st.just("{key}"), max_size=3),
        "set": st.dictionaries(NAMED, TEXTS | st.just("{header.b:none}"), max_size=3),
    },
)
State = tuple[dict[str, Any], list[Header]]
"""Everything of a message that has one value, by name, and its headers."""


def pattern(part: str) -> re.Pattern[str]:
    return re.compile(re.escape(part.removeprefix("header.")).replace(r"\*", "(.*)"), re.DOTALL)


def rename(state: State, table: dict[str, str]) -> State:
    single, headers = state
    left, taken, added = dict(single), dict[str, Any](), list[Header]()
    slots: list[list[Header]] = [[header] for header in headers]
    renamed: set[int] = set()
    for old, new in table.items():
        to_header = new.startswith("header.")
        if not old.startswith("header."):
            if old in single and (to_header or new not in taken):
                left.pop(old, None)
                if to_header:
                    added.append((new[7:], "string", single[old]))
                else:
                    taken[new] = single[old]
            continue
        for at, header in enumerate(headers):
            match = pattern(old).fullmatch(header[0])
            if match is None or at in renamed or header[0].startswith(RESERVED):
                continue
            if to_header:
                slots[at] = [(new[7:].replace("*", "".join(match.groups())), *header[1:])]
            elif header[2] is None or new in taken:
                continue
            else:
                raw = new == "key" and isinstance(header[2], bytes)
                taken[new] = header[2] if raw else text_of(header[1], header[2])
                slots[at] = []
            renamed.add(at)
    return left | taken, [header for slot in slots for header in slot] + added


def render(state: State, text: str) -> str | None:
    single, headers = state
    if text == "{key}":
        return cast("str | None", single.get("key"))
    if not text.startswith("{header."):
        return text
    name, _, default = text[8:-1].partition(":")
    first = next((header for header in headers if header[0] == name), None)
    if first is None or first[2] is None:
        return default or None
    return text_of(first[1], first[2])


def give(state: State, table: dict[str, str], *, only_missing: bool) -> State:
    single, headers = dict(state[0]), list(state[1])
    for name, text in table.items():
        value, bare = render(state, text), name.removeprefix("header.")
        there = name in state[0] or (bare != name and any(header[0] == bare for header in state[1]))
        if value is None or (only_missing and there):
            continue
        if bare == name:
            single[name] = value
        else:
            headers = [header for header in headers if header[0] != bare]
            headers.append((bare, "string", value))
    return single, headers


def model(message: Message, tables: dict[str, Any]) -> State:
    state: State = dict(message.properties), list(message.headers)
    if message.key is not None:
        state[0]["key"] = message.key.decode()
    state = rename(state, tables.get("rename", {}))
    removed = tables.get("remove", [])
    state = (
        {name: value for name, value in state[0].items() if name not in removed},
        [
            header
            for header in state[1]
            if header[0].startswith(RESERVED)
            or not any(each.startswith("header.") and pattern(each).fullmatch(header[0]) for each in removed)
        ],
    )
    state = give(state, tables.get("default", {}), only_missing=True)
    return give(state, tables.get("set", {}), only_missing=False)


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


@given(MESSAGES, TABLES)
def test_rules_do_what_the_model_does(message: Message, tables: dict[str, Any]) -> None:
    rules = compile_rules(MapSettings.model_validate(tables))
    before = (dict(message.properties), tuple(message.headers))
    found = message if rules is None else rules(message)
    single, headers = model(message, tables)
    key = single.pop("key", None)
    assert found.properties == single
    assert found.key == (None if key is None else as_bytes(key))
    assert repr([(name, kind, as_bytes(value)) for name, kind, value in found.headers]) == repr(
        [(name, kind, as_bytes(value)) for name, kind, value in headers]
    )
    assert (dict(message.properties), tuple(message.headers)) == before or before != before  # noqa: PLR0124 - NaN


@given(values)
def test_what_a_property_took_from_a_header_reads_as_it_was(typed: tuple[Any, Any]) -> None:
    kind, value = typed
    if value is None or isinstance(value, bytes):
        return
    found = mapped(MESSAGE._replace(headers=(("h", kind, value),)), rename={"header.h": "type"})
    text = found.properties["type"]
    assert text == text_of(kind, value)
    if kind not in ("array", "table", "f32", "f64", "decimal"):
        assert value_of(kind, text) == value


def test_parts_are_read() -> None:
    assert Part.parse("key") == ("key", "key")
    assert Part.parse("type") == ("property", "type")
    assert Part.parse("header.a.b*") == ("header", "a.b*")
    assert Part.parse("header.header.a") == ("header", "header.a")
    assert set(PROPERTIES) == Properties.__annotations__.keys()
