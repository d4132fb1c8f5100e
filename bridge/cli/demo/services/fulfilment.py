"""FulfilmentService: hears of the orders of one region through a queue of its own. A plain pika program."""

import argparse

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.spec import Basic, BasicProperties


def on_order(channel: BlockingChannel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
    """Print one order."""
    print(f"received: {body.decode()}", flush=True)


def main() -> None:
    """Print orders until the broker goes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    arguments = parser.parse_args()

    connection = pika.BlockingConnection(pika.URLParameters(arguments.url))
    channel = connection.channel()
    channel.exchange_declare(exchange="shop_orders", exchange_type="topic")
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "shop_orders", routing_key="order.eu")
    channel.basic_consume(queue, on_order, auto_ack=True)
    print("waiting for orders", flush=True)
    channel.start_consuming()


if __name__ == "__main__":
    main()
