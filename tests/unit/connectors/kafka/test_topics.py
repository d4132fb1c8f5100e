"""Names of topics."""

import pytest

from connectors.kafka.topics import is_legal


@pytest.mark.parametrize("name", ["orders", "a.b_c-D.9", ".a", "...", "_a", "x" * 249])
def test_legal(name: str) -> None:
    assert is_legal(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "größe", "x" * 250, "__consumer_offsets", "a\n"])
def test_illegal(name: str) -> None:
    assert not is_legal(name)
