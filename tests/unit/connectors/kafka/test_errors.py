"""aiokafka's errors as the bridge's."""

import pytest
from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    CorruptRecordException,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    KafkaStorageError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    PolicyViolationError,
    ProducerClosed,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownError,
    for_code,
)

from bridge.errors import Disconnected, RouteFault
from bridge.message import Verdict
from connectors.kafka import hooks
from connectors.kafka.errors import REFUSALS, outcome_of, refusal_of, translated


@pytest.mark.parametrize(
    ("error", "verdict", "reason"),
    [
        (MessageSizeTooLargeError(), Verdict.REJECTED, "too_large"),
        (RecordListTooLargeError(), Verdict.REJECTED, "too_large"),
        (InvalidTimestampError(), Verdict.REJECTED, "invalid_timestamp"),
        (CorruptRecordException(), Verdict.REJECTED, "invalid_record"),
        (PolicyViolationError(), Verdict.REJECTED, "policy"),
        (InvalidTopicError(), Verdict.REJECTED, "bad_topic"),
        (TopicAuthorizationFailedError("t"), Verdict.REJECTED, "forbidden"),
        (NotEnoughReplicasError(), Verdict.HOLD, "not_enough_replicas"),
        (OutOfOrderSequenceNumber(), Verdict.RETRY, "refused"),
        (UnknownError(), Verdict.RETRY, "refused"),
    ],
)
def test_refusals(error: BrokerResponseError, verdict: Verdict, reason: str) -> None:
    refusal = refusal_of(error)
    assert refusal is not None
    outcome = outcome_of(error, refusal, "orders")
    assert (outcome.verdict, outcome.reason) == (verdict, reason)
    assert "orders" in outcome.detail


@pytest.mark.parametrize(
    "error",
    [
        KafkaConnectionError("gone"),
        KafkaTimeoutError(),
        NotLeaderForPartitionError(),
        KafkaStorageError(),
        NotEnoughReplicasAfterAppendError(),
        ProducerClosed(),
        KafkaError("Unexpected error during batch delivery"),
    ],
)
def test_what_is_no_answer_leaves_the_outcome_unknown(error: KafkaError) -> None:
    assert refusal_of(error) is None


def test_codes_aiokafka_does_not_know_are_taught() -> None:
    hooks.teach_codes()
    for code in (hooks.INVALID_RECORD, hooks.THROTTLING_QUOTA_EXCEEDED):
        assert refusal_of(for_code(code)()) == REFUSALS[code]


@pytest.mark.parametrize(
    ("raised", "reason"),
    [(TimeoutError(), "timeout"), (KafkaConnectionError("gone"), "lost"), (ConnectionResetError(104, "reset"), "lost")],
)
def test_no_foreign_exception_leaves(raised: Exception, reason: str) -> None:
    with (
        pytest.raises(Disconnected, match=r"^kafka://a:1: .+ while sending$") as caught,
        translated("kafka://a:1", "sending"),
    ):
        raise raised
    assert caught.value.reason == reason


def test_a_missing_permission_is_the_routes_fault() -> None:
    with pytest.raises(RouteFault, match="grant the permission") as caught, translated("kafka://a:1", "connecting"):
        raise ClusterAuthorizationFailedError
    assert caught.value.reason == "forbidden"
