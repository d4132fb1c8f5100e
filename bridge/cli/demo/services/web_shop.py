"""WebShop: writes an order to a Kafka topic. A plain aiokafka program."""

import argparse
import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def main() -> None:
    """Create the topic where it is missing and write one order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--order", default="order 1: three lamps")
    arguments = parser.parse_args()

    admin = AIOKafkaAdminClient(bootstrap_servers=arguments.bootstrap)
    await admin.start()
    if arguments.topic not in await admin.list_topics():
        await admin.create_topics([NewTopic(arguments.topic, num_partitions=1, replication_factor=1)])
    await admin.close()

    async with AIOKafkaProducer(bootstrap_servers=arguments.bootstrap, acks="all") as producer:
        await producer.send_and_wait(arguments.topic, arguments.order.encode(), headers=[("region", b"eu")])
        print(f"sent: {arguments.order}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
