"""What a server's refusals and redis-py's exceptions mean: one test for each line of the table."""

from typing import Any, cast

import pytest
import redis.exceptions
from redis._parsers.base import BaseParser

from bridge.errors import Disconnected, RouteFault
from bridge.message import Outcome, Verdict
from connectors.redis.errors import MEANINGS, Refused, explained, fault_of, meaning_of, outcome_of

HOLD, REJECTED, RETRY = Verdict.HOLD, Verdict.REJECTED, Verdict.RETRY

REFUSALS = [
    # what the server says, kind, reason, verdict for a message to one of many streams, reason of the route's fault
    ("OOM command not allowed when used memory > 'maxmemory'.", "shortage", "out_of_memory", HOLD, None),
    ("READONLY You can't write against a read only replica.", "shortage", "read_only", HOLD, None),
    ("LOADING Redis is loading the dataset in memory", "shortage", "loading", HOLD, None),
    ("MISCONF Redis is configured to save RDB snapshots", "shortage", "not_persisted", HOLD, None),
    ("NOREPLICAS Not enough good replicas to write.", "shortage", "not_enough_replicas", HOLD, None),
    ("CLUSTERDOWN The cluster is down", "shortage", "cluster_down", HOLD, None),
    ("MASTERDOWN Link with MASTER is down", "shortage", "master_down", HOLD, None),
    ("TRYAGAIN Multiple keys request during rehashing of slot", "shortage", "try_again", HOLD, None),
    ("BUSY Redis is busy running a script.", "shortage", "busy", HOLD, None),
    ("WRONGPASS invalid username-password pair", "route", "authentication", HOLD, "authentication"),
    ("NOAUTH Authentication required.", "route", "authentication", HOLD, "authentication"),
    ("ERR AUTH <password> called without any password", "route", "authentication", HOLD, "authentication"),
    ("ERR max number of clients reached", "shortage", "too_many_clients", HOLD, None),
    ("DENIED Redis is running in protected mode", "route", "forbidden", HOLD, "forbidden"),
    ("NOPERM this user has no permissions to run the 'xadd' command", "route", "forbidden", HOLD, "forbidden"),
    ("NOPERM No permissions to access a key", "stream", "forbidden", REJECTED, "forbidden"),
    ("WRONGTYPE Operation against a key holding", "stream", "wrong_type", REJECTED, "conflict"),
    ("MOVED 3999 127.0.0.1:6381", "route", "conflict", HOLD, "conflict"),
    ("ASK 3999 127.0.0.1:6381", "route", "conflict", HOLD, "conflict"),
    ("CROSSSLOT Keys in request don't hash to the same slot", "route", "conflict", HOLD, "conflict"),
    ("ERR DB index is out of range", "route", "missing", HOLD, "missing"),
    ("ERR unknown command 'XAUTOCLAIM', with args", "route", "conflict", HOLD, "conflict"),
    ("ERR Elements are too large to be stored", "message", "too_large", REJECTED, None),
    ("NOGROUP No such key 's' or consumer group", "group", "group_lost", RETRY, None),
    ("UNBLOCKED the stream key no longer exists", "group", "group_lost", RETRY, None),
]
OTHERS = ["ERR something new", "EXECABORT", "BUSYGROUP Consumer Group name already exists", "", "oom lower case"]


def test_every_line_of_the_table_has_its_refusal() -> None:
    assert [meaning_of(Refused(text)) for text, *_ in REFUSALS] == [meaning for _, _, meaning in MEANINGS]


@pytest.mark.parametrize(("text", "kind", "reason", "verdict", "fault"), REFUSALS)
def test_a_refusal_means_the_same_to_routes_and_messages(
    text: str, kind: str, reason: str, verdict: Verdict, fault: str | None
) -> None:
    refused = Refused(text)
    meaning = meaning_of(refused)
    assert (meaning.kind, meaning.reason) == (kind, reason)
    error = fault_of(refused, "redis://host", "reading")
    assert isinstance(error, Disconnected if fault is None else RouteFault)
    assert error.reason == (fault or "error")
    assert str(error).startswith(f"redis://host: {text}, while reading")
    if fault is not None:
        assert meaning.advice
        assert str(error).endswith(meaning.advice)
    outcome = outcome_of(refused, "redis://host", "orders", fixed=False)
    assert outcome.verdict is verdict
    assert outcome.reason == (reason if verdict is not RETRY else "refused")
    assert outcome.detail == f"redis://host: stream orders: {text}"


@pytest.mark.parametrize("text", [text for text, kind, *_ in REFUSALS if kind == "stream"])
def test_what_is_wrong_with_the_only_stream_is_no_messages_fault(text: str) -> None:
    assert outcome_of(Refused(text), "redis://host", "orders", fixed=True).verdict is HOLD


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_not_known_may_pass(text: str) -> None:
    refused = Refused(text)
    assert meaning_of(refused).kind == "other"
    assert outcome_of(refused, "b", "s", fixed=True) == Outcome(RETRY, "refused", f"b: stream s: {refused.text}")
    assert isinstance(fault_of(refused, "b", "reading"), Disconnected)


def test_a_refusal_is_one_line() -> None:
    assert Refused("ERR a\r\n b").text == "ERR a b"
    assert repr(Refused("ERR a")) == "Refused('ERR a')"
    assert (Refused("").code, Refused("ERR").code) == ("", "ERR")


def _raised(text: str) -> Exception:
    """What redis-py raises for a refusal."""
    error: Exception = cast("Any", BaseParser).parse_error(text)
    return error


def _connecting(error: Exception, cause: Exception | None = None) -> RouteFault | Disconnected:
    error.__context__ = cause
    return explained(error, "redis://host", "connecting")


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("WRONGPASS invalid username-password pair", "authentication", "change username and password"),
        ("NOAUTH Authentication required.", "authentication", "state username and password"),
        (
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
            "configuration is correct?",
            "authentication",
            "remove username and password",
        ),
        ("ERR Client sent AUTH, but no password is set", "authentication", "remove username and password"),
        ("ERR invalid password", "authentication", "change username and password"),
        ("ERR DB index is out of range", "missing", "number of the database"),
        ("DENIED Redis is running in protected mode", "forbidden", "accept connections"),
    ],
)
def test_a_refused_login_is_a_fault_of_the_route(text: str, reason: str, words: str) -> None:
    error = _connecting(_raised(text))
    assert isinstance(error, RouteFault)
    assert error.reason == reason
    assert words in str(error)


@pytest.mark.parametrize(
    ("error", "cause", "reason"),
    [
        (redis.exceptions.ConnectionError("Error 111 connecting"), ConnectionRefusedError(), "refused"),
        (ConnectionRefusedError("no"), None, "refused"),
        (redis.exceptions.ConnectionError("Connection closed by server."), None, "lost"),
        (_raised("ERR max number of clients reached"), None, "lost"),
        (_raised("LOADING Redis is loading"), None, "lost"),
        (redis.exceptions.InvalidResponse("Protocol error"), None, "lost"),
        (redis.exceptions.TimeoutError("Timeout connecting to server"), None, "timeout"),
        (TimeoutError(), None, "timeout"),
        (OSError("network is unreachable"), None, "lost"),
    ],
)
def test_what_passes_is_a_lost_connection(error: Exception, cause: Exception | None, reason: str) -> None:
    found = _connecting(error, cause)
    assert isinstance(found, Disconnected)
    assert found.reason == reason
    assert str(found).startswith("redis://host: ")
    assert "connecting" in str(found)
