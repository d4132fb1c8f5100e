"""ProductCatalogService: tells the shop's other services about product updates. A plain pika program."""

import argparse

import pika


def main() -> None:
    """Publish the updates and end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--prefix", default="update")
    arguments = parser.parse_args()

    connection = pika.BlockingConnection(pika.URLParameters(arguments.url))
    channel = connection.channel()
    channel.exchange_declare(exchange="product_updates", exchange_type="fanout")
    for number in range(1, arguments.count + 1):
        message = f"{arguments.prefix} {number}"
        channel.basic_publish(exchange="product_updates", routing_key="", body=message.encode())
        print(f"sent: {message}", flush=True)
    connection.close()


if __name__ == "__main__":
    main()
