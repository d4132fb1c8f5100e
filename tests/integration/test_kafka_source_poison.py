"""What other producers and broken disks put into a topic: none of it costs another record or partition anything.

The library's own way of reading loses what it has of healthy partitions then (research/reliability.md K1, K12).
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bridge.cli.demo.kafka import Kafka
from bridge.message import Delivery, Undecodable
from tests.conftest import MakeTopic
from tests.integration.kafka_source import (
    Group,
    MakeGroup,
    committed,
    counted,
    create,
    message,
    publish,
    take_and_settle,
    write,
)
from tests.unit.connectors.kafka.records import ATTRIBUTES, LENGTH, batch, signed, valued, with_body

PARTITIONS = 3
BAD = b"bad" + b"." * 500


def wrong_checksum(data: bytearray) -> bytearray:
    """A bit that the disk has turned."""
    at = data.index(BAD)
    data[at] ^= 1
    return data


def unknown_codec(data: bytearray) -> bytearray:
    """As if compressed by a codec of the future: brokers of today do not take it."""
    struct.pack_into(">h", data, ATTRIBUTES, 7)
    return signed(data)


@pytest.mark.parametrize(
    ("spoil", "reason", "said"), [(wrong_checksum, "bad_crc", "checksum"), (unknown_codec, "bad_batch", "codec")]
)
async def test_a_batch_that_cannot_be_read_costs_its_neighbours_and_other_partitions_nothing(
    own_kafka: Kafka, unique: str, spoil: Callable[[bytearray], bytearray], reason: str, said: str
) -> None:
    await create(own_kafka.bootstrap, unique, PARTITIONS)
    for partition in range(PARTITIONS):
        for bodies in (counted(0, 10), [BAD] if partition == 1 else counted(10, 20), counted(20, 30)):  # a batch each
            await publish(own_kafka.bootstrap, unique, bodies, partition, linger_ms=20)
    await asyncio.to_thread(own_kafka.stop)
    _spoil(own_kafka.folder, f"{unique}-1", spoil)
    await asyncio.to_thread(own_kafka.start)
    async with Group(own_kafka.url, unique, {"topics": [unique]}).member() as source:
        found = await take_and_settle(source, 81, limit=7)
    for partition in range(PARTITIONS):
        own = [one for one in found if place(one) == partition]
        good = [*counted(0, 10), *counted(20, 30)] if partition == 1 else counted(0, 30)
        assert [one.message.body for one in own if not isinstance(one.message, Undecodable)] == good
    (bad,) = [one.message for one in found if isinstance(one.message, Undecodable)]
    own = [one for one in found if place(one) == 1]
    assert own[10].message is bad, "it has its place in the order"
    assert (bad.reason, bad.address) == (reason, unique)
    assert said in bad.detail
    assert "partition 1, offsets 10 to 10" in bad.detail
    assert b"......" in bad.body, "as it is in the log"
    ends = [await committed(own_kafka.bootstrap, unique, unique, partition) for partition in range(PARTITIONS)]
    assert ends == [30, 21, 30]


async def test_a_header_name_that_is_not_utf8_costs_its_neighbours_and_other_partitions_nothing(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup, unique: str
) -> None:
    topic = await kafka_topic(2)
    named = batch(0, [(b"k", b"bad", [("header-name", b"value")])])
    named = with_body(named, bytes(named[61:]).replace(b"header-name", b"header-\xffame"))
    for data in (valued(0, *counted(0, 10)), named, valued(0, *counted(10, 20))):
        await write(kafka_bootstrap, topic, 1, bytes(data))
    await publish(kafka_bootstrap, topic, counted(100, 120), 0)
    async with group(topics=[topic]).member() as source:
        found = await take_and_settle(source, 41, limit=7)
    assert bodies(found, 0) == counted(100, 120)
    assert bodies(found, 1) == [*counted(0, 10), b"bad", *counted(10, 20)]
    (bad,) = [message(one) for one in found if one.message.body == b"bad"]
    assert list(bad.headers) == [("header-\udcffame", "string", "value")]
    assert [await committed(kafka_bootstrap, unique, topic, partition) for partition in (0, 1)] == [20, 21]


def bodies(found: Sequence[Delivery], partition: int) -> list[bytes | None]:
    return [one.message.body for one in found if place(one) == partition]


def place(delivery: Delivery) -> int:
    """The partition that a delivery came from."""
    if isinstance(delivery.message, Undecodable):
        return int(delivery.message.detail.split("partition ")[1].split(",")[0])
    return int(message(delivery).uid.split("/")[2])


def _spoil(folder: Path, partition: str, spoil: Callable[[bytearray], bytearray]) -> None:
    """Change the bad batch in the log of a broker that is stopped."""
    (log,) = folder.glob(f"**/{partition}/*.log")
    data = bytearray(log.read_bytes())
    at = 0
    while True:
        end = at + 12 + int(struct.unpack_from(">i", data, at + LENGTH)[0])
        if BAD in data[at:end]:
            data[at:end] = spoil(data[at:end])
            log.write_bytes(data)
            return
        at = end
