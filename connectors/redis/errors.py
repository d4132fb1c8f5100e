"""What a server's refusals and redis-py's exceptions mean: the one edge that they do not cross.

One table, after the error classes of research/reliability.md 3.2. A refusal begins with a word in capitals, its code
("Simple errors" in the RESP specification).
"""

from typing import Final, Literal, NamedTuple, TypeAlias

from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bridge.errors import Disconnected, RouteFault
from bridge.message import Outcome, Verdict


class Refused:
    """The refusal of one command, in the server's words."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())

    def __repr__(self) -> str:
        return f"Refused({self.text!r})"

    @property
    def code(self) -> str:
        """Its first word."""
        return self.text.partition(" ")[0]


Kind: TypeAlias = Literal["shortage", "route", "stream", "message", "group", "other"]
"""What is refused: everything for now, everything of the route, one stream, one message, a group that is gone."""


class Meaning(NamedTuple):
    """What a refusal means: what is refused, the reason (a metric label, or a RouteFault's), and what to do."""

    kind: Kind
    reason: str
    advice: str = ""


_NO_CLUSTER: Final = "this is a Redis Cluster, which is not supported: name a server of its own"
_OTHER: Final = Meaning("other", "refused")

MEANINGS: Final[tuple[tuple[str, str, Meaning], ...]] = (
    # code, words in the text, meaning; the first line that fits counts
    ("OOM", "", Meaning("shortage", "out_of_memory")),
    ("READONLY", "", Meaning("shortage", "read_only")),
    ("LOADING", "", Meaning("shortage", "loading")),
    ("MISCONF", "", Meaning("shortage", "not_persisted")),
    ("NOREPLICAS", "", Meaning("shortage", "not_enough_replicas")),
    ("CLUSTERDOWN", "", Meaning("shortage", "cluster_down")),
    ("MASTERDOWN", "", Meaning("shortage", "master_down")),
    ("TRYAGAIN", "", Meaning("shortage", "try_again")),
    ("BUSY", "", Meaning("shortage", "busy")),
    ("WRONGPASS", "", Meaning("route", "authentication", "change username and password")),
    ("NOAUTH", "", Meaning("route", "authentication", "state username and password")),
    ("ERR", "AUTH", Meaning("route", "authentication", "remove username and password, or set them at the server")),
    ("ERR", "max number of clients", Meaning("shortage", "too_many_clients")),
    ("DENIED", "", Meaning("route", "forbidden", "let the server accept connections from here")),
    ("NOPERM", "the '", Meaning("route", "forbidden", "grant the user the command (ACL SETUSER)")),
    ("NOPERM", "", Meaning("stream", "forbidden", "grant the user the stream (ACL SETUSER), or name another one")),
    ("WRONGTYPE", "", Meaning("stream", "wrong_type", "the key is no stream: name another one, or delete it")),
    ("MOVED", "", Meaning("route", "conflict", _NO_CLUSTER)),
    ("ASK", "", Meaning("route", "conflict", _NO_CLUSTER)),
    ("CROSSSLOT", "", Meaning("route", "conflict", _NO_CLUSTER)),
    ("ERR", "DB index", Meaning("route", "missing", "change the number of the database in the URL")),
    ("ERR", "unknown command", Meaning("route", "conflict", "Redis 6.2 or later is needed, with this command")),
    ("ERR", "too large to be stored", Meaning("message", "too_large")),
    ("NOGROUP", "", Meaning("group", "group_lost")),
    ("UNBLOCKED", "", Meaning("group", "group_lost")),
)
"""What each refusal means. One that is not here refuses one command, and might not do so another time."""


def meaning_of(refused: Refused) -> Meaning:
    """Look a refusal up."""
    code, text = refused.code, refused.text
    return next((meaning for known, words, meaning in MEANINGS if known == code and words in text), _OTHER)


def fault_of(refused: Refused, broker: str, doing: str) -> RouteFault | Disconnected:
    """What a refusal is to the route: RouteFault where only a person can help, else Disconnected.

    `doing` completes "while …" in the text.
    """
    meaning = meaning_of(refused)
    if meaning.kind in {"route", "stream"}:
        reason = "conflict" if meaning.reason == "wrong_type" else meaning.reason
        return RouteFault(f"{broker}: {refused.text}, while {doing}: {meaning.advice}", reason)
    return Disconnected(f"{broker}: {refused.text}, while {doing}", "error")


def outcome_of(refused: Refused, broker: str, stream: str, *, fixed: bool) -> Outcome:
    """What a refusal says of a message to a stream, which is that of every message of the target if it is `fixed`.

    What refuses all of them is HOLD, since none is to blame: it goes with a fault of the route.
    """
    kind, reason, _ = meaning_of(refused)
    detail = f"{broker}: stream {stream}: {refused.text}"
    if kind in {"shortage", "route"} or (fixed and kind == "stream"):
        return Outcome(Verdict.HOLD, reason, detail)
    if kind in {"stream", "message"}:
        return Outcome(Verdict.REJECTED, reason, detail)
    return Outcome(Verdict.RETRY, _OTHER.reason, detail)


def explained(error: BaseException, broker: str, doing: str) -> RouteFault | Disconnected:
    """Make the bridge's error of one that redis-py or the system raised."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, RedisError):
        code = error.status_code
        refused = Refused(said if code is None else f"{code} {said}")
        if isinstance(error, AuthenticationError) and meaning_of(refused).kind != "route":
            refused = Refused(f"WRONGPASS {said}")
        fault = fault_of(refused, broker, doing)
        if isinstance(fault, RouteFault):
            return fault
    if isinstance(error, TimeoutError | RedisTimeoutError):
        return Disconnected(f"{broker}: no answer in time while {doing}", "timeout")
    refusal = isinstance(error, ConnectionRefusedError) or isinstance(error.__context__, ConnectionRefusedError)
    return Disconnected(f"{broker}: {said}, while {doing}", "refused" if refusal else "lost")
