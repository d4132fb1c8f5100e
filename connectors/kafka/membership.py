"""Whose member of a group a consumer is, and what is left there of the one that had its name before.

To join as a static member takes the name from whoever has it. A new process may: its bridge was killed and restarted,
and the group keeps the dead one's place. One that is told that its name is gone looks before it joins again: the group
may just have forgotten it. Else another bridge of that name lives, and taking the name back would be the first of many
times, at each of which what the other has in hand comes again.

A static member that comes back is given its old partitions without a rebalance, even if it wants other topics now: the
coordinator compares assignors' names only (seen on 3.9.1: aiokafka then fails at each attempt, since it is given
partitions that it did not ask for). So a former member that wanted something else is taken out of the group first.
"""

import re
from collections.abc import Iterable, Set
from typing import Any, NamedTuple

from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.structs import TopicPartition

from connectors.kafka import groups


class Claim:
    """A bridge's claim to the name of its member, over all of the source's connections; a new process has a new one."""

    def __init__(self) -> None:
        self.lost = False
        """Another bridge has taken the name: it is not taken back while the group knows a member of that name."""


class Membership(NamedTuple):
    """Whose member the consumer is, and of what: `pattern` matches whole names of topics.

    `name` is its group.instance.id, which the bridge's `instance` makes another one for each replica.
    """

    group: str
    name: str
    instance: str
    pattern: re.Pattern[str]
    claim: Claim

    @property
    def client_id(self) -> str:
        """The id of its client: who else has it in this group has the name."""
        return f"fedbridge.{self.name}"


class NameTaken(Exception):
    """Another bridge is the member of this name; `where` is its address as the group has it, if it was asked."""

    def __init__(self, where: str = "") -> None:
        super().__init__(where)
        self.where = where


async def make_way(client: Any, member: Membership) -> None:
    """Take the former member of this name out of the group, if its topics are not those of this one.

    `client` is an AIOKafkaClient that knows all topics. Raises NameTaken if the claim was lost and the name is still
    another's; KafkaError. Not bounded by itself.
    """
    if member.claim.lost:
        await make_sure(client, member)
        member.claim.lost = False
    members = await groups.members(client, member.group)
    topics = {topic for topic in client.cluster.topics() if member.pattern.match(topic)}
    for one in members:
        if one.client_id == member.client_id and is_changed(one.wanted, one.given, topics, alone=len(members) == 1):
            await groups.remove(client, member.group, one)


async def make_sure(client: Any, member: Membership) -> None:
    """See that nobody in the group has this member's name, which it had and has no more.

    Raises NameTaken, KafkaError. Not bounded by itself.
    """
    for one in await groups.members(client, member.group):
        if one.client_id == member.client_id:
            raise NameTaken(one.host.removeprefix("/"))


async def of_new_group(client: Any, member: Membership) -> frozenset[TopicPartition]:
    """Give the partitions that there are for this member, if its group is new: it has never committed anything.

    Raises KafkaError. Not bounded by itself.
    """
    if await groups.has_commits(client, member.group):
        return frozenset()
    topics = {topic for topic in client.cluster.topics() if member.pattern.match(topic)}
    return frozenset(
        TopicPartition(topic, place) for topic in topics for place in client.cluster.partitions_for_topic(topic) or ()
    )


def is_changed(wanted: bytes, given: bytes, topics: Set[str], *, alone: bool) -> bool:
    """Whether a member's subscription or its assignment, as the group has them, does not suit these topics.

    One that is alone in its group has them all. What cannot be read does not suit.
    """
    try:
        subscribed = set(ConsumerProtocol.METADATA.decode(wanted).subscription)
        assigned: Iterable[Any] = ConsumerProtocol.ASSIGNMENT.decode(given).assignment
        read = {topic for topic, partitions in assigned if partitions}
    except (ValueError, TypeError):
        return True
    return subscribed != topics or not read <= topics or (alone and read != topics)
