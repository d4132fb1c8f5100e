"""What a route guarantees, and why: the lines that `fedbridge check` prints of it. Pure.

route.py puts them together, rules.py says what a route changes and leaves out; amqp.py, kafka.py, mqtt.py and redis.py
say what is peculiar to each system, with the same functions: `reads` and `writes` give the words for a source and a
target, `reading` and `writing` the facts about them.
"""

from bridge.cli.guarantees.route import block

__all__ = ["block"]
