"""Whether a route may read what another one writes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.addresses import segments
from bridge.cli.feeds import feeds, meets
from bridge.cli.ways import Form, bind, reads, ways
from config.patterns import Capture
from tests.unit.config.configurations import MORE, loads

PARTS = st.sampled_from(["a", "b", Capture("x", several=False), Capture("y", several=True)])
FORMS = st.lists(PARTS, min_size=1, max_size=4).map(tuple)


@given(FORMS, FORMS)
def test_forms_meet_alike_both_ways_and_each_meets_itself(one: Form, other: Form) -> None:
    assert meets(one, one)
    assert meets(one, other) == meets(other, one)


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(tuple), FORMS)
def test_an_address_meets_what_it_is_bound_to(address: Form, form: Form) -> None:
    if sum(isinstance(part, Capture) and part.several for part in form) < 2:
        assert meets(address, form) == (bind(form, address) is not None)


WRITERS = [
    'from.mqtt = {{ topics = ["s/#"], match = "s/{{one}}/{{more...}}" }}\n{}',
    'from.mqtt = {{ topics = ["s/a/#", "+/b"] }}\n{}',
    'from.amqp = {{ exchange = "e", exchange_type = "topic", binding_keys = ["a.#", "s.*.b"] }}\n{}',
    'from.kafka = {{ topics = ["a", "s.a", "a_-2e_b"] }}\n{}',
    'from.redis = {{ streams = ["a", "s:a", "a/b"] }}\n{}',
]
PAIRS = [
    ('to.mqtt = { topic = "{address...}" }', "from.mqtt", ['topics = ["a/#"]', 'topics = ["+/a/+"]', 'topics = ["a"]']),
    ('to.mqtt = { topic = "t/x{address...}" }', "from.mqtt", ['topics = ["t/#"], match = "t/{n}/{m...}"']),
    (
        'to.kafka = { topic = "{address...}" }',
        "from.kafka",
        ['topics = ["s.a.a"]', 'topics = ["a"]', 'pattern = "s.*"'],
    ),
    ('to.redis = { stream = "r:{address...}" }', "from.redis", ['streams = ["r:s:a:a"]', 'streams = ["r:a"]']),
    (
        'to.amqp = { exchange = "f", routing_key = "{address...}.{address...}" }',
        "from.amqp",
        [
            'exchange = "f", exchange_type = "topic", binding_keys = ["a.#", "#.b"]',
            'exchange = "f", exchange_type = "topic", match = "s.{x...}"',
        ],
    ),
]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("target", "kind", "source"), [(to, kind, source) for to, kind, sources in PAIRS for source in sources]
)
def test_what_one_address_shows_is_not_denied(tmp_path: Path, writer: str, target: str, kind: str, source: str) -> None:
    if writer.startswith(kind):
        return  # such a route may be refused, since it reads what it writes
    back = 'to.redis = { stream = "end" }' if "redis" not in kind else 'to.kafka = { topic = "end" }'
    text = f"{MORE}[routes.one]\n{writer.format(target)}\n[routes.two]\n{kind} = {{ {source} }}\n{back}\n"
    settings = loads(tmp_path, text)
    (way,), (reader,) = ways("one", settings), ways("two", settings)
    made = [name for address in way.examples() if (name := way(address)) is not None]
    shown = [
        name
        for name in made
        if reads(reader.source, name) and bind(reader.matched, segments(name, reader.source.kind)) is not None
    ]
    if shown:
        assert feeds(way, reader, settings), shown
