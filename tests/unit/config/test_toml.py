"""The TOML that is written is what tomllib reads."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from config.toml import dumps, inline

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read_back(data: dict[str, Any]) -> None:
    assert tomllib.loads(dumps(data)) == data


def test_it_is_written_for_people() -> None:
    data = {
        "log": {"level": "info", "format": None},
        "routes": {
            "a": {"from": {"amqp": {"queue": 'q"', "arguments": {}}}, "enabled": True, "x.y": [1, 2.5]},
            "b": {"to": {"kafka": [{"topic": "t"}, {"topic": "u", "more": {"k": "v"}}]}},
        },
        "none": None,
    }
    assert dumps(data) == (
        '[log]\nlevel = "info"\n\n[routes.a]\nenabled = true\n"x.y" = [1, 2.5]\n\n[routes.a.from.amqp]\n'
        'queue = \'q"\'\narguments = {}\n\n[[routes.b.to.kafka]]\ntopic = "t"\n\n[[routes.b.to.kafka]]\ntopic = "u"\n\n'
        '[routes.b.to.kafka.more]\nk = "v"\n'
    )


def test_what_cannot_be_shown_is_escaped() -> None:
    text = "a\x1b\x85\u202e\U000e0001"
    assert inline(text) == '"a\\u001b\\u0085\\u202e\\U000e0001"'
    assert tomllib.loads(f"a = {inline(text)}") == {"a": text}
