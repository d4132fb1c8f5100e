"""What a consumer group's coordinator says of the group, asked around a consumer that has not joined it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.group import LeaveGroupRequest

_AGAIN = 0.1  # seconds


class Member(NamedTuple):
    """A member as its group knows it; `wanted` and `given` are its subscription and its assignment, encoded."""

    member_id: str
    client_id: str
    host: str
    wanted: bytes
    given: bytes


async def members(client: Any, group: str) -> Sequence[Member]:
    """Give the members of a group; `client` is an AIOKafkaClient. Raises KafkaError. Not bounded by itself."""
    answer = await _ask(client, group, DescribeGroupsRequest([group]), lambda answer: answer.groups[0][0])
    return [Member(*member) for member in answer.groups[0][5]]


async def has_commits(client: Any, group: str) -> bool:
    """Whether a group has an offset of any partition; as `members`."""
    answer = await _ask(client, group, OffsetFetchRequest(group, None), lambda answer: answer.error_code)
    return bool(answer.topics)


async def remove(client: Any, group: str, member: Member) -> None:
    """Take a member out of a group; as `members`."""
    await _ask(client, group, LeaveGroupRequest(group, member.member_id), lambda answer: 0)


async def _ask(client: Any, group: str, request: Any, code_of: Callable[[Any], int]) -> Any:
    """Ask the coordinator; a cluster that has never had a group makes one at this very request."""
    while True:
        try:
            coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
            answer = await client.send(coordinator, request, group=ConnectionGroup.COORDINATION)
            if code := code_of(answer):
                raise for_code(code)(group)
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError):
            await asyncio.sleep(_AGAIN)
        else:
            return answer
