"""Where aiokafka's exceptions become the bridge's, and what a broker's refusal says of a message.

One table, after the error classes of research/reliability.md 3.2. Codes are those of the Kafka protocol ("Error Codes"
in its guide): aiokafka has no class for some of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from bridge.errors import Disconnected, RouteFault
from bridge.message import Outcome, Verdict


class Refusal(NamedTuple):
    """What an error code says: verdict, reason (a metric label), and whether it is about the topic and not a record."""

    verdict: Verdict
    reason: str
    of_topic: bool = False


REFUSALS = {
    2: Refusal(Verdict.REJECTED, "invalid_record"),  # CORRUPT_MESSAGE
    10: Refusal(Verdict.REJECTED, "too_large"),  # MESSAGE_TOO_LARGE
    17: Refusal(Verdict.REJECTED, "bad_topic", of_topic=True),  # INVALID_TOPIC_EXCEPTION
    18: Refusal(Verdict.REJECTED, "too_large"),  # RECORD_LIST_TOO_LARGE
    19: Refusal(Verdict.HOLD, "not_enough_replicas", of_topic=True),  # NOT_ENOUGH_REPLICAS, not appended
    29: Refusal(Verdict.REJECTED, "forbidden", of_topic=True),  # TOPIC_AUTHORIZATION_FAILED
    31: Refusal(Verdict.REJECTED, "forbidden", of_topic=True),  # CLUSTER_AUTHORIZATION_FAILED
    32: Refusal(Verdict.REJECTED, "invalid_timestamp"),  # INVALID_TIMESTAMP
    43: Refusal(Verdict.REJECTED, "unsupported", of_topic=True),  # UNSUPPORTED_FOR_MESSAGE_FORMAT
    44: Refusal(Verdict.REJECTED, "policy"),  # POLICY_VIOLATION
    87: Refusal(Verdict.REJECTED, "invalid_record"),  # INVALID_RECORD: null key into a compacted topic, a failed schema
    89: Refusal(Verdict.HOLD, "quota", of_topic=True),  # THROTTLING_QUOTA_EXCEEDED
}
"""What the broker's answer to a record means for it. A code that is not here is RETRY, reason refused."""

SHORTAGES = {
    19: "enough in-sync replicas",  # NOT_ENOUGH_REPLICAS, not appended
    20: "enough in-sync replicas",  # NOT_ENOUGH_REPLICAS_AFTER_APPEND
}
"""Answers of a broker that is there and lacks something, and what it lacks. aiokafka sends an idempotent producer's
batch again until it is taken, and nothing doubles: its sequence is the same each time."""

_OTHER = Refusal(Verdict.RETRY, "refused")


def refusal_of(error: BaseException) -> Refusal | None:
    """What a failed batch's error says of its records; None if it is no answer, so that their outcome is unknown.

    Errors that aiokafka retries have been retried to their end when they come here: of those only "not enough
    replicas" and quotas are an answer.
    """
    if not isinstance(error, BrokerResponseError):
        return None
    known = REFUSALS.get(error.errno)
    return known or (None if error.retriable else _OTHER)


def outcome_of(error: BaseException, refusal: Refusal, topic: str) -> Outcome:
    """The outcome of a record that the broker refused."""
    return Outcome(refusal.verdict, refusal.reason, f"Kafka refuses it for topic {topic}: {text_of(error)}")


def text_of(error: BaseException) -> str:
    """What the library or the system said, in one line; the name of the error where it said nothing."""
    said = getattr(error, "description", None) if isinstance(error, BrokerResponseError) else str(error)
    return " ".join(str(said or type(error).__name__).split())


@contextmanager
def translated(broker: str, doing: str) -> Iterator[None]:
    """Turn what the library or the system raises inside into the bridge's; `doing` completes "while …" in the text.

    RouteFault (forbidden) where the broker refuses a permission, else Disconnected.
    """
    try:
        yield
    except TimeoutError as error:
        raise Disconnected(f"{broker}: no answer in time while {doing}", "timeout") from error
    except (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError) as error:
        raise RouteFault(f"{broker} does not permit it, while {doing}: grant the permission", "forbidden") from error
    except (KafkaError, OSError) as error:
        raise Disconnected(f"{broker}: {text_of(error)}, while {doing}") from error
