"""Partitions as the Java client chooses them."""

import pytest
from aiokafka import partitioner as aiokafka_partitioner
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.partitioner import Partitioner, murmur2, murmur2_all

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "hashed"), JAVA.items())
def test_hashes_are_those_of_the_java_client(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed % 2**32
    assert murmur2_all([key] * 40) == [hashed % 2**32] * 40


@given(st.binary(max_size=600))
def test_hashes_are_those_of_aiokafka(key: bytes) -> None:
    assert murmur2(key) == aiokafka_partitioner.murmur2(key)


@given(st.integers(0, 70).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size), max_size=40)))
def test_keys_of_one_length_are_hashed_together_as_alone(keys: list[bytes]) -> None:
    assert murmur2_all(keys) == [murmur2(key) for key in keys]


@given(st.lists(st.binary(max_size=5), max_size=100))
def test_keys_of_all_lengths_are_hashed_together_as_alone(keys: list[bytes]) -> None:
    assert murmur2_all(keys) == [murmur2(key) for key in keys]


def test_no_lane_spills_into_the_next() -> None:
    keys = [bytes([low, high] * 10) for low in (0, 1, 127, 128, 255) for high in (0, 128, 255)]
    assert murmur2_all(keys) == [murmur2(key) for key in keys]


@given(st.lists(st.none() | st.binary(max_size=3), max_size=40), st.integers(1, 50))
def test_a_key_has_its_partition_whether_it_is_available_or_not(keys: list[bytes | None], partitions: int) -> None:
    null = partitions - 1
    expected = [null if key is None else (murmur2(key) & 0x7FFFFFFF) % partitions for key in keys]
    assert Partitioner().choose(keys, partitions, [null]) == expected


def test_null_keys_stay_together_for_one_send_and_spread_over_sends() -> None:
    partitioner = Partitioner()
    chosen: list[int] = []
    for _ in range(6):
        partitioner.next_turn()
        together = set(partitioner.choose([None] * 10, 6, [0, 2, 5]))
        assert len(together) == 1
        chosen += together
    assert sorted(chosen) == [0, 0, 2, 2, 5, 5]
