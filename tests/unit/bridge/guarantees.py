"""A route, and the lines that `fedbridge check` prints of it."""

from pathlib import Path

from bridge.cli.guarantees import block
from config import load

ON_ERROR = (
    "  on_error   dead_letter: as long as there is no store for dead letters, a message that cannot be delivered "
    "stops the route and stays unacknowledged"
)
OVERTAKEN = "a refused message may be overtaken by those in flight (max_in_flight = 1 prevents it)"
RETENTION = (
    "a message's timestamp is its record's, and the topic's retention.ms counts from there: what is older than that "
    "is deleted soon after it was delivered, read or not, and so LOST; message.timestamp.type = LogAppendTime at the "
    'topic prevents it, or map.remove = ["timestamp"] here'
)
"""What `limits` says of a target that is Kafka."""
BROKERS = """
[bridge]
instance = "node"
[brokers.rabbit]
url = "amqp://me:SECRET@localhost"
[brokers.main]
url = "kafka://a,b"
[brokers.mosquitto]
url = "mqtt://me:SECRET@localhost"
[brokers.redis]
url = "redis://:SECRET@localhost"
[routes.x]
"""


def lines(tmp_path: Path, route: str) -> list[str]:
    """What is said of a route."""
    file = tmp_path / "fedbridge.toml"
    file.write_text(BROKERS + route)
    settings = load(file, {})
    return list(block("x", settings.routes["x"], settings))


def facts(told: list[str], label: str) -> list[str]:
    """What stands behind a label."""
    return [line[13:] for line in told if line.startswith(f"  {label} ")]
