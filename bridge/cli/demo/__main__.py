"""`python -m bridge.cli.demo`: the demo with the options that a developer needs."""

from typing import Annotated

import typer

from bridge.cli.demo.command import demo


def main(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything up and print the addresses.")] = False,
    messages: Annotated[int, typer.Option(min=1, help="How many updates are published at first.")] = 20,
    brokers_only: Annotated[
        bool, typer.Option("--brokers-only", help="Start the brokers in the background and print their addresses.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End what --keep or --brokers-only left up.")] = False,
) -> None:
    """Run the founding story on real brokers: RabbitMQ to Kafka, shown step by step."""
    demo(keep=keep, messages=messages, brokers_only=brokers_only, stop=stop)


if __name__ == "__main__":
    typer.run(main)
