"""MobileApp: adds an order to a Redis stream. A plain redis-py program."""

import argparse

import redis


def main() -> None:
    """Add one order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--order", default="order 3: two chairs")
    arguments = parser.parse_args()

    with redis.Redis.from_url(arguments.url) as client:
        client.xadd(arguments.stream, {"body": arguments.order, "region": "eu"})
        print(f"sent: {arguments.order}", flush=True)


if __name__ == "__main__":
    main()
