"""Prints how many messages a queue holds. A plain pika program, as an operator would write it."""

import argparse

import pika


def main() -> None:
    """Look the queue up and print its count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--queue", required=True)
    arguments = parser.parse_args()

    connection = pika.BlockingConnection(pika.URLParameters(arguments.url))
    queue = connection.channel().queue_declare(arguments.queue, passive=True)
    print(queue.method.message_count)
    connection.close()


if __name__ == "__main__":
    main()
