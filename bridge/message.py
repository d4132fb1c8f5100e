"""What crosses the bridge: messages, deliveries and the outcomes of sending them.

Everything here is an immutable value without behaviour of its own, cheap to make (NamedTuples and plain tuples: a
frozen dataclass of this size costs three times as much to build, and the relay builds one per message).
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias, TypedDict

Type: TypeAlias = Literal[
    "bool",
    "i8",
    "u8",
    "i16",
    "u16",
    "i32",
    "u32",
    "i64",
    "u64",
    "f32",
    "f64",
    "decimal",
    "string",
    "bytes",
    "timestamp",
    "table",
    "array",
    "void",
]
"""The type of a header value; also the word for it in the `fedbridge-types` companion header."""

Value: TypeAlias = bool | int | float | Decimal | str | bytes | tuple["Header", ...] | tuple["Element", ...] | None
"""A header value: bool; int (integers, and `timestamp` in seconds since 1970); float; Decimal; str (`string`), or bytes
where a `string` is not UTF-8; bytes; a tuple of headers (`table`); a tuple of elements (`array`); None (`void`)."""

Element: TypeAlias = tuple[Type, Value]
"""One element of an `array`: its type and its value."""

Header: TypeAlias = tuple[str, Type, Value]
"""One header: name, type and value. A plain tuple, because a message has several and each is built on the hot path."""

Receipt: TypeAlias = object
"""What a source gives with a delivery and takes back in `settle`; opaque to the core, it carries the source's epoch."""


class Properties(TypedDict, total=False):
    """The standard properties of a message, by AMQP's names; absent is not the same as empty.

    Text that is not UTF-8 is held with surrogate escapes, so that encoding it again gives the same bytes.
    """

    content_type: str
    content_encoding: str
    delivery_mode: int
    """2 is persistent, 1 is transient."""
    priority: int
    correlation_id: str
    reply_to: str
    expiration: str
    message_id: str
    timestamp: int
    """Milliseconds since 1970. Not bounded: a publisher may have put anything there."""
    type: str
    user_id: str
    app_id: str
    cluster_id: str


class Message(NamedTuple):
    """One message, free of the protocol it came by.

    `body` of None is a tombstone and not the empty body. `address` is the routing key (AMQP), topic (Kafka, MQTT) or
    stream (Redis) it was read from; `exchange` is AMQP's alone. `headers` keep order and repeats.
    """

    body: bytes | None
    uid: str
    address: str = ""
    exchange: str | None = None
    key: bytes | None = None
    properties: Properties = {}  # noqa: RUF012 - never written to: a message is a value
    headers: Sequence[Header] = ()
    path: str = ""
    """The places it was read from, the last one included, as `bridge.paths` writes them; empty if nobody looks."""


class Undecodable(NamedTuple):
    """Input that could not be decoded, as a value: the next message is not held up by it.

    `raw` are the undecoded properties and headers as the broker sent them, `reason` is from a closed set (a metric
    label), `detail` says what was wrong and where.
    """

    raw: bytes
    body: bytes
    reason: str
    detail: str
    address: str = ""
    exchange: str | None = None


class Delivery(NamedTuple):
    """A message on loan from a source, and the receipt that settles it.

    `size` is in bytes, body and properties together, as the window counts them. `redelivered` is the broker's word for
    "this may have been given before".
    """

    message: Message | Undecodable
    receipt: Receipt
    size: int
    redelivered: bool = False


class Verdict(Enum):
    """What a sink says of one message it was given (DESIGN section 3)."""

    DELIVERED = "delivered"
    """The broker has confirmed it."""
    HOLD = "hold"
    """The broker lacks a resource; never counts against the message."""
    RETRY = "retry"
    """The broker refused this message and may take it later; counts to `retry.refusals`."""
    UNKNOWN = "unknown"
    """Sent, and no answer came: the sink is opened anew and the message sent again with the same uid."""
    REJECTED = "rejected"
    """Never: returned, too large, unencodable, forbidden."""
    FILTERED = "filtered"
    """Not sent, and rightly so: the route does not want it, or it would go round in a loop."""


class Outcome(NamedTuple):
    """A verdict with its reason (from a closed set: it is a metric label) and a detail for a person."""

    verdict: Verdict
    reason: str = ""
    detail: str = ""


DELIVERED = Outcome(Verdict.DELIVERED)
"""The one outcome that needs no words; sinks use this very object, so that a batch of it is counted by identity."""

UNROUTABLE = "unroutable"
"""The reason of a message that its exchange has no binding for: what that means is the route's to say."""
