"""InventoryService: hears of product updates through a queue of its own. A plain pika program."""

import argparse

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.spec import Basic, BasicProperties


def on_update(channel: BlockingChannel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
    """Print one update."""
    print(f"received: {body.decode()}", flush=True)


def main() -> None:
    """Print updates until the broker goes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    arguments = parser.parse_args()

    connection = pika.BlockingConnection(pika.URLParameters(arguments.url))
    channel = connection.channel()
    channel.exchange_declare(exchange="product_updates", exchange_type="fanout")
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "product_updates")
    channel.basic_consume(queue, on_update, auto_ack=True)
    print("waiting for updates", flush=True)
    channel.start_consuming()


if __name__ == "__main__":
    main()
