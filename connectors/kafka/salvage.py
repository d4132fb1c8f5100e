"""Finding the records for which Kafka refused a whole batch (research/reliability.md K3, K6).

A broker refuses a batch, not a record, and an idempotent producer's sequence is broken by it. So the batch is sent anew
by a producer without sequences, halved where it is refused again, one piece at a time, until each record was taken or
refused alone: at most 2 log2(n) requests for one bad record among n.
"""

from collections.abc import Callable, Sequence

from aiokafka.errors import KafkaError

from bridge.errors import Disconnected
from bridge.message import DELIVERED, Outcome
from connectors.kafka import hooks
from connectors.kafka.codec import Record
from connectors.kafka.errors import outcome_of, refusal_of, text_of
from connectors.kafka.producer import Producer

Judge = Callable[[int, Outcome], None]
"""Takes the position of a record and its outcome."""

_ANY_SIZE = 1 << 30  # the records fitted into one batch before


async def salvage(  # noqa: PLR0917 - the parts of one job
    producer: Producer,
    topic: str,
    partition: int,
    records: Sequence[tuple[int, Record]],
    judge: Judge,
    answered: Callable[[], None],
) -> None:
    """Send the records of one refused batch, in order, through a producer that is not idempotent.

    `judge` is called for each, once it is confirmed or refused; `answered` is called for every answer of the broker.
    Raises Disconnected when there is none: then the records that were not judged may have arrived or not.
    """
    pieces = [(0, len(records))]
    while pieces:
        start, stop = pieces.pop()
        error = await _refused(producer, topic, partition, [record for _, record in records[start:stop]])
        answered()
        if error is None:
            for position, _ in records[start:stop]:
                judge(position, DELIVERED)
            continue
        refusal = refusal_of(error)
        if refusal is None:
            raise Disconnected(f"no answer for records sent to topic {topic}: {text_of(error)}", "unknown_outcome")
        if refusal.of_topic or stop - start == 1:
            outcome = outcome_of(error, refusal, topic)
            for position, _ in records[start:stop]:
                judge(position, outcome)
        else:
            middle = (start + stop) // 2
            pieces += [(middle, stop), (start, middle)]


async def _refused(producer: Producer, topic: str, partition: int, records: Sequence[Record]) -> KafkaError | None:
    builder = hooks.new_builder(_ANY_SIZE)
    append = hooks.append_to(builder)
    for offset, (key, value, timestamp, headers) in enumerate(records):
        append(offset, timestamp, key, value, headers)
    hooks.close(builder, len(records))
    future = await producer.submit(builder, topic, partition)
    try:
        await future
    except KafkaError as error:
        return error
    return None
