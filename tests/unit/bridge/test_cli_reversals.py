"""What `fedbridge check` says of addresses: reversible, or one for which they are not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.addresses import joined, segments
from bridge.cli.reversals import filled, reversals
from bridge.cli.ways import Form, bind
from config import Settings
from config.patterns import SEPARATORS, Capture
from config.values import Kind
from tests.unit.config.configurations import MORE, loads

KINDS: tuple[Kind, ...] = ("amqp", "kafka", "mqtt", "redis")
LONG = "; what has more than 255 bytes there goes by on_error"


def said(settings: Settings, name: str) -> list[str]:
    lines = list(reversals(name, settings))
    assert all(line.startswith("  addresses  ") for line in lines)
    return [line.removeprefix("  addresses  ") for line in lines]


def routes(tmp_path: Path, there: str, back: str = "") -> Settings:
    return loads(tmp_path, f"{MORE}[routes.there]\n{there}\n" + (f"[routes.back]\n{back}\n" if back else ""))


@pytest.mark.parametrize(
    ("match", "key", "expected"),
    [
        ('match = "s/{a}/{b...}"', "{a}.{b...}", f"amqp: s/{{a}}/{{b...}} becomes {{a}}.{{b...}}, reversible: no two "
         f"addresses become one{LONG}"),
        ('match = "s/{a}/{b...}"', "{b...}", "amqp: s/{a}/{b...} becomes {b...}, NOT reversible: s/a/a and s/b/a both "
         "become a"),
        ('match = "s/{a}/{b}"', "{a}-{b}", "amqp: s/{a}/{b} becomes {a}-{b}, not proven reversible: of the addresses "
         "that were tried no two become one"),
        ('match = "s/{a}/{b...}"', "{b...}.{header.x}.{a}", "amqp: s/{a}/{b...} becomes {b...}.{header.x}.{a}: what "
         "becomes of an address depends on more of a message"),
        ("qos = 1", "x.{address...}", f"amqp: {{address...}} becomes x.{{address...}}, reversible: no two addresses "
         f"become one{LONG}"),
        ("qos = 1", "x.{address}", None),
        ('match = "s/{a}/{b}"', "x", None),
    ],
)  # fmt: skip
def test_of_one_route_it_is_said_whether_two_addresses_become_one(
    tmp_path: Path, match: str, key: str, expected: str | None
) -> None:
    settings = routes(
        tmp_path,
        f'from.mqtt = {{ topics = ["s/#"], {match} }}\nto.amqp = {{ exchange = "e", routing_key = "{key}" }}',
    )
    assert said(settings, "there") == ([] if expected is None else [expected])


def test_only_addresses_that_the_source_asks_for_are_tried(tmp_path: Path) -> None:
    there = 'from.mqtt = { topics = ["s/a/#"], match = "s/{a}/{b...}" }\n'
    there += 'to.amqp = { exchange = "e", routing_key = "{b...}" }'
    assert said(routes(tmp_path, there), "there") == [
        "amqp: s/{a}/{b...} becomes {b...}, not proven reversible: of the addresses that were tried no two become one"
    ]


def test_a_capture_that_stands_twice_is_no_proof(tmp_path: Path) -> None:
    there = 'from.mqtt = { topics = ["s/#"], match = "s/{b...}" }\n'
    there += 'to.amqp = { exchange = "e", routing_key = "{b...}.{b...}" }'
    assert "not proven reversible" in said(routes(tmp_path, there), "there")[0]


MQTT = 'from.mqtt = { topics = ["s/#"], match = "s/{site}/{device...}" }\n'
TO_AMQP = 'to.amqp = { exchange = "e", routing_key = "s.{site}.{device...}" }'
AMQP = 'from.amqp = { exchange = "e", exchange_type = "topic", match = "s.{x}.{y...}" }\n'
ALL = 'from.amqp = { exchange = "e", exchange_type = "topic", binding_keys = ["#"] }\n'
ALL += 'to.mqtt = { topic = "{address...}" }'
BACK = "amqp: and back by route back"


@pytest.mark.parametrize(
    ("there", "back", "expected"),
    [
        (MQTT + TO_AMQP, AMQP + 'to.mqtt = { topic = "s/{x}/{y...}" }', f"{BACK}, reversible: every address comes back "
         f"as it was{LONG}"),
        (MQTT + TO_AMQP, AMQP + 'to.mqtt = { topic = "s/{y...}/{x}" }', f"{BACK}, NOT reversible: s/a/b becomes s.a.b, "
         "which comes back as s/b/a"),
        (MQTT + TO_AMQP, AMQP.replace("s.{x}.{y...}", "s.{x}.{y}") + 'to.mqtt = { topic = "s/{x}/{y}" }',
         f"{BACK}, NOT reversible: s/a/a/b becomes s.a.a.b, which does not match there"),
        (MQTT + TO_AMQP, AMQP.replace('match = "s.{x}.{y...}"', "declare = true") + 'to.mqtt = { topic = '
         '"{address...}" }', f"{BACK}, reversible: every address comes back as it was{LONG}"),
        (MQTT + TO_AMQP, AMQP.replace('match = "s.{x}.{y...}"', "declare = true") + 'to.mqtt = { topic = '
         '"s/{address...}" }', f"{BACK}, NOT reversible: s/a/a becomes s.a.a, which comes back as s/s/a/a"),
        (MQTT + TO_AMQP, AMQP + 'to.mqtt = { topic = "s/{x}/{header.y}" }', f"{BACK}, NOT reversible: s/a/a becomes "
         "s.a.a, which does not match there"),
        ('from.mqtt = { topics = ["s/+/#"] }\nto.amqp = { exchange = "e", routing_key = "{address...}" }', AMQP +
         'to.mqtt = { topic = "s/{x}/{y...}" }', f"{BACK}, NOT reversible: s//a becomes s..a, which does not match "
         "there"),
        ('from.mqtt = { topics = ["s/+/#"] }\nto.amqp = { exchange = "e", routing_key = "{address...}" }',
         AMQP.replace('match = "s.{x}.{y...}"', "declare = true") + 'to.mqtt = { topic = "{address...}" }',
         f"{BACK}, reversible: every address comes back as it was{LONG}"),
        ('from.mqtt = { topics = ["s/+/#"] }\nto.amqp = { exchange = "e", routing_key = "{address}" }',
         AMQP.replace('match = "s.{x}.{y...}"', "declare = true") + 'to.mqtt = { topic = "{address}" }',
         f"{BACK}, not proven reversible: every address that was tried comes back as it was"),
        ('from.amqp = { exchange = "e", exchange_type = "topic", binding_keys = ["#"] }\nto.mqtt = { topic = '
         '"{address...}" }', 'from.mqtt = { topics = ["b/#"] }\nto.amqp = { exchange = "e", routing_key = '
         '"{address...}" }', "mqtt: and back by route back, NOT reversible: a becomes a, which is not read there"),
        ('from.mqtt = { topics = ["s/#"] }\nto.kafka = { topic = "{address...}" }',
         'from.kafka = { pattern = ".*[^q]" }\nto.mqtt = { topic = "{address...}" }',
         "kafka: and back by route back, not proven reversible: every address that was tried comes back as it was"),
        (MQTT + TO_AMQP, AMQP.replace('"e"', '"other"') + 'to.mqtt = { topic = "s/{x}/{y...}" }', None),
        (MQTT + TO_AMQP, AMQP + 'to.mqtt = { topic = "t/{x}/{y...}" }', None),
        (MQTT + TO_AMQP, AMQP + 'to.mqtt = { topic = "s/fixed" }', None),
        (MQTT + TO_AMQP, "enabled = false\n" + AMQP + 'to.mqtt = { topic = "s/{x}/{y...}" }', None),
    ],
)  # fmt: skip
def test_of_a_pair_it_is_said_whether_addresses_come_back(
    tmp_path: Path, there: str, back: str, expected: str | None
) -> None:
    found = [line for line in said(routes(tmp_path, there, back), "there") if "route back" in line]
    assert found == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("there", "back", "expected"),
    [
        (ALL, 'from.mqtt = { topics = ["a/#"] }\nto.amqp = { exchange = "e", routing_key = "{address...}" }',
         "NOT reversible: b becomes b, which is not read there"),
        (ALL, 'from.mqtt = { topics = ["#"] }\nto.amqp = { exchange = "e", routing_key = "{address...}" }',
         "reversible: every address comes back as it was; what has more than 65,535 bytes "
         "there goes by on_error"),
        (ALL, 'from.mqtt = { topics = ["+/#"] }\nto.amqp = { exchange = "e", routing_key = "{address...}" }',
         "not proven reversible: every address that was tried comes back as it was"),
        ('from.mqtt = { topics = ["b/#"] }\nto.amqp = { exchange = "e", routing_key = "{address...}" }',
         ALL.replace('["#"]', '["#.b.#"]'),
         "not proven reversible: every address that was tried comes back as it was"),
        ('from.mqtt = { topics = ["b/#"] }\nto.kafka = { topic = "{address...}" }',
         'from.kafka = { pattern = "b([.].*)?" }\nto.mqtt = { topic = "{address...}" }',
         "not proven reversible: every address that was tried comes back as it was"),
        (ALL.replace('binding_keys = ["#"]', 'binding_keys = ["a.#"]'),
         'from.mqtt = { topics = ["a/rarely/#"] }\nto.amqp = { exchange = "e", routing_key = "{address...}" }',
         "NOT reversible: a.a becomes a/a, which is not read there"),
    ],
)  # fmt: skip
def test_what_the_way_back_does_not_read_does_not_come_back(
    tmp_path: Path, there: str, back: str, expected: str
) -> None:
    found = [line for line in said(routes(tmp_path, there, back), "there") if "route back" in line]
    assert [line.partition(": and back by route back, ")[2] for line in found] == [expected]


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ('from.kafka = { topics = ["a.b", "c"] }\nto.mqtt = { topic = "{address...}" }',
         'from.mqtt = { topics = ["#"] }\nto.kafka = { topic = "{address...}" }'),
        ('from.redis = { streams = ["a:b"] }\nto.mqtt = { topic = "r/{address...}" }',
         'from.mqtt = { topics = ["r/#"], match = "r/{x...}" }\nto.redis = { stream = "{x...}" }'),
        ('from.kafka = { topics = ["b"] }\nto.redis = { stream = "a:{address...}" }',
         'from.redis = { streams = ["a:b"], match = "a:{x...}" }\nto.kafka = { topic = "{x...}" }'),
    ],
)  # fmt: skip
def test_pairs_of_every_kind(tmp_path: Path, there: str, back: str) -> None:
    settings = routes(tmp_path, there, back)
    assert ["and back by route back, reversible:" in line for line in said(settings, "there")].count(True) == 1


texts = st.sampled_from(["", "a", "b", "a.b", "a/b", "%2B", "$x", "_-20", "é"])


@st.composite
def forms(draw: st.DrawFn, *names: str) -> Form:
    several = draw(st.sampled_from([*names, ""]))
    captures = [Capture(name, name == several) for name in draw(st.sets(st.sampled_from(names)))]
    parts: list[str | Capture] = [*captures, *draw(st.lists(texts, max_size=2))]
    return tuple(draw(st.permutations(parts))) or ("a",)


@given(forms("p", "q"), forms("x", "y"), st.data())
def test_what_is_bound_to_captures_is_bound_to_every_address(form: Form, pattern: Form, data: st.DataObject) -> None:
    found = bind(pattern, form)
    values = {part.name: tuple(data.draw(_values(part))) for part in form if isinstance(part, Capture)}
    address = [text for part in form for text in (values[part.name] if isinstance(part, Capture) else (part,))]
    if found is None:
        return
    concrete = bind(pattern, tuple(address))
    assert concrete is not None
    opened = {name: [text for part in parts for text in (values[part.name] if isinstance(part, Capture) else (part,))]
              for name, parts in found.items()}  # fmt: skip
    assert {name: list(parts) for name, parts in concrete.items()} == opened
    assert list(filled(pattern, concrete)) == address
    single = [part.name for part in pattern if isinstance(part, Capture) and not part.several]
    assert all(len(concrete[name]) == 1 and concrete[name] != ("",) for name in single)


def test_a_capture_takes_no_empty_segment_and_only_one() -> None:
    one, many = Capture("x"), Capture("y", several=True)
    assert bind((one,), ("a",)) == {"x": ("a",)}
    assert bind((one,), ("",)) is None
    assert bind((one,), (many,)) is None
    assert bind((many,), ("", one)) == {"y": ("", one)}


def _values(part: Capture) -> st.SearchStrategy[list[str]]:
    return (
        st.lists(texts, min_size=1, max_size=3)
        if part.several
        else st.lists(texts.filter(bool), min_size=1, max_size=1)
    )


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(texts, min_size=1, max_size=4))
def test_segments_are_those_of_the_kind(kind: Kind, parts: list[str]) -> None:
    name = joined(parts, kind)
    assert name.count(SEPARATORS[kind]) == len(parts) - 1
    assert list(segments(name, kind)) == parts
