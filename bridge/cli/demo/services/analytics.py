"""AnalyticsService: reads product updates from a Kafka topic of its own. A plain aiokafka program."""

import argparse
import asyncio

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def main() -> None:
    """Create the topic where it is missing and print its records from the first on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    arguments = parser.parse_args()

    admin = AIOKafkaAdminClient(bootstrap_servers=arguments.bootstrap)
    await admin.start()
    if arguments.topic not in await admin.list_topics():
        await admin.create_topics([NewTopic(arguments.topic, num_partitions=1, replication_factor=1)])
    await admin.close()

    async with AIOKafkaConsumer(
        arguments.topic, bootstrap_servers=arguments.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        print("waiting for records", flush=True)
        async for record in consumer:
            print(f"received: {record.value.decode()}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
