"""Whose member of a group a consumer is, and what is left there of the one that had its name before.

A static member that comes back is given its old partitions without a rebalance, even if it wants other topics now: the
coordinator compares assignors' names only (seen on 3.9.1: aiokafka then fails at each attempt, since it is given
partitions that it did not ask for). So a former member that wanted something else is taken out of the group first.
"""

import asyncio
import re
from collections.abc import Iterable, Set
from typing import Any, NamedTuple

from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.group import LeaveGroupRequest

_AGAIN = 0.1  # seconds


class Membership(NamedTuple):
    """Whose member the consumer is, and of what: `pattern` matches whole names of topics."""

    client_id: str
    group: str
    instance: str
    pattern: re.Pattern[str]


async def leave_if_changed(client: Any, member: Membership) -> None:
    """Take the former member of this name out of the group, if its topics are not those of this one.

    `client` is an AIOKafkaClient that knows all topics. Raises KafkaError. Not bounded by itself.
    """
    coordinator = await _coordinator(client, member.group)
    request = DescribeGroupsRequest([member.group])
    answer = await client.send(coordinator, request, group=ConnectionGroup.COORDINATION)
    members = answer.groups[0][5]
    topics = {topic for topic in client.cluster.topics() if member.pattern.match(topic)}
    for member_id, client_id, _, wanted, given in members:
        if client_id == member.client_id and is_changed(wanted, given, topics, alone=len(members) == 1):
            leave = LeaveGroupRequest(member.group, member_id)
            await client.send(coordinator, leave, group=ConnectionGroup.COORDINATION)


async def _coordinator(client: Any, group: str) -> Any:
    """Find the group's coordinator; a cluster that has never had a group makes one at this very request."""
    while True:
        try:
            return await client.coordinator_lookup(CoordinationType.GROUP, group)
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
            await asyncio.sleep(_AGAIN)


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
