"""Partitions as the Java client chooses them."""

import pytest
from aiokafka import partitioner as aiokafka_partitioner
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.partitioner import Partitioner, murmur2


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        # org.apache.kafka.common.utils.UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_hashes_are_those_of_the_java_client(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed % 2**32


@given(st.binary(max_size=600))
def test_hashes_are_those_of_aiokafka(key: bytes) -> None:
    assert murmur2(key) == aiokafka_partitioner.murmur2(key)


@given(st.lists(st.binary(max_size=3), max_size=40), st.integers(1, 50))
def test_the_memo_changes_nothing(keys: list[bytes], partitions: int) -> None:
    small = Partitioner(memo=2)
    assert [small.of_key(key, partitions) for key in keys] == [(murmur2(key) & 0x7FFFFFFF) % partitions for key in keys]


def test_null_keys_stay_together_for_one_send_and_spread_over_sends() -> None:
    partitioner = Partitioner()
    chosen: list[int] = []
    for _ in range(6):
        partitioner.next_turn()
        together = {partitioner.of_null([0, 2, 5]) for _ in range(10)}
        assert len(together) == 1
        chosen += together
    assert sorted(chosen) == [0, 0, 2, 2, 5, 5]
