"""StorefrontService: keeps the shop's pages fresh from a Redis stream. A plain redis-py program."""

import argparse
from typing import Any

import redis


def main() -> None:
    """Print the entries of a stream from the first on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--stream", required=True)
    arguments = parser.parse_args()

    client: Any = redis.Redis.from_url(arguments.url, decode_responses=True, socket_timeout=None)
    client.ping()
    print("waiting for entries", flush=True)
    last = "0"
    while True:
        for _, entries in client.xread({arguments.stream: last}, block=0):
            for entry, fields in entries:
                print(f"received: {fields['body']}", flush=True)
                last = entry


if __name__ == "__main__":
    main()
