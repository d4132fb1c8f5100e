"""`from.amqp` and `to.amqp`: what may be written of queues and exchanges."""

from typing import Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from config.arguments import QUEUE_TYPE, checked, refused
from config.patterns import pattern_for
from config.tables import Table
from config.templates import Template
from config.values import Kind, Name, Whole

ExchangeType = Literal["direct", "fanout", "topic", "headers"]
"""The types of exchange that every AMQP 0-9-1 broker has."""

Scalar = bool | int | float | str
"""A value of a binding's or a queue's arguments; TOML knows which it is."""

_MATCHES = ("all", "any", "all-with-x", "any-with-x")
_LONGEST = 255  # bytes of a short string, as AMQP calls what holds names and keys
_Written = TypeVar("_Written", str, Template)


def _short(value: _Written) -> _Written:
    size = len(_text(value).encode(errors="surrogateescape"))
    if size > _LONGEST:
        raise ValueError(f"has {size} bytes, AMQP allows {_LONGEST}")
    return value


def _one_line(value: _Written) -> _Written:
    if {"\n", "\r"} & set(_text(value)):
        raise ValueError("has a line break, which RabbitMQ leaves out of names")
    return value


def _text(value: str | Template) -> str:
    """What is there for every message."""
    return value if isinstance(value, str) else value.literal


_SHORT, _ONE_LINE = AfterValidator(_short), AfterValidator(_one_line)
_Key = Annotated[str, _SHORT]
_EntityName = Annotated[str, Field(min_length=1), _SHORT, _ONE_LINE]
_Arguments = dict[_Key, Scalar]


class AmqpSourceSettings(Table):
    """`from.amqp`: a queue, or an exchange through a queue of the bridge's own."""

    kind: ClassVar[Kind] = "amqp"

    broker: Name | None = Field(None, description="May be left out where one AMQP broker is declared.")
    queue: _EntityName | None = Field(
        None, description="Default with an exchange: fedbridge.BRIDGE.ROUTE, or a temporary name."
    )
    exchange: _EntityName | None = Field(None, description="The exchange whose messages are relayed.")
    exchange_type: ExchangeType | None = Field(None, description="What the exchange is.")
    exchange_durable: bool | None = Field(
        None, description="Stated: the exchange is created like this when it is missing. Else it is waited for."
    )
    binding_keys: list[_Key] = Field([], description="Default: everything of a fanout or topic exchange.")
    bindings: list[_Arguments] = Field(
        [], description="Of a headers exchange: one table of header arguments, with x-match, for each binding."
    )
    declare: bool | None = Field(
        None, description="Create a missing queue. Default: true with an exchange, false with a queue alone."
    )
    durable: bool = Field(True, description="Of a queue that is created: it survives a restart of the broker.")
    exclusive: bool = Field(
        False, description="A temporary queue of this connection: what is in it is lost with the connection."
    )
    auto_delete: bool = Field(False, description="Of a queue that is created: it is deleted with its last consumer.")
    arguments: Annotated[_Arguments, AfterValidator(checked)] = Field(
        {}, description="Of a queue that is created, such as x-queue-type."
    )
    prefetch: Annotated[Whole, Field(ge=1, le=65535)] | None = Field(None, description="Default: what fits the window.")
    match: Annotated[str, AfterValidator(pattern_for("amqp"))] | None = Field(
        None, description="A pattern, as sensors.{site}.{device...}; other routing keys go by on_error."
    )

    @property
    def declares(self) -> bool:
        """Whether a missing queue is created."""
        return self.exclusive or (self.exchange is not None if self.declare is None else self.declare)

    @property
    def keys(self) -> list[str]:
        """The binding keys, with the defaults of the exchange's type; none for a headers exchange."""
        if self.exchange_type == "headers":
            return []
        return self.binding_keys or (["#"] if self.exchange_type == "topic" else [""])

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.queue is None and self.exchange is None:
            raise ValueError("needs a queue or an exchange")
        if self.exchange is None:
            for key in ("exchange_type", "exchange_durable", "binding_keys", "bindings"):
                if getattr(self, key) not in (None, []):
                    raise ValueError(f"{key} without an exchange")
        elif self.exchange_type is None:
            raise ValueError("an exchange needs its exchange_type")
        self._check_bindings()
        self._check_queue()
        return self

    def _check_bindings(self) -> None:
        if self.exchange_type == "direct" and not self.binding_keys:
            raise ValueError("a direct exchange needs binding_keys")
        if self.exchange_type == "headers":
            if self.binding_keys:
                raise ValueError("a headers exchange has no binding_keys; write bindings")
            if not self.bindings:
                raise ValueError('a headers exchange needs bindings: [{ x-match = "all", region = "eu" }]')
            if any(binding.get("x-match", "all") not in _MATCHES for binding in self.bindings):
                raise ValueError(f"x-match is one of {', '.join(_MATCHES)}")
        elif self.bindings:
            raise ValueError("bindings are for headers exchanges; write binding_keys")

    def _check_queue(self) -> None:
        if self.exclusive and self.declare is False:
            raise ValueError("an exclusive queue is always declared: leave out declare, or exclusive")
        if not self.declares:
            for key in ("durable", "auto_delete", "arguments"):
                if key in self.model_fields_set:
                    raise ValueError(f"{key} is for a queue that is created; add declare = true")
        if self.exclusive:
            for key in ("durable", "auto_delete"):
                if key in self.model_fields_set:
                    raise ValueError(f"an exclusive queue ends with its connection; leave out {key}")
        self._check_type()

    def _check_type(self) -> None:
        type_ = self.arguments.get(QUEUE_TYPE)
        if type_ == "stream":
            text = "a stream keeps what it gave and has no acknowledgements; write classic or quorum"
            raise refused(("arguments", QUEUE_TYPE), type_, text)
        if type_ == "quorum":
            for key, never in (("exclusive", self.exclusive), ("auto_delete", self.auto_delete)):
                if never:
                    raise refused(("arguments", QUEUE_TYPE), type_, f"a quorum queue is never {key}; leave that out")
            if not self.durable:
                raise refused(("arguments", QUEUE_TYPE), type_, "a quorum queue is always durable; leave out durable")


class AmqpSinkSettings(Table):
    """`to.amqp`: an exchange."""

    kind: ClassVar[Kind] = "amqp"

    broker: Name | None = Field(None, description="May be left out where one AMQP broker is declared.")
    name: Name = Field("amqp", description="The target's name in logs and metrics.")
    exchange: Annotated[Template, _SHORT, _ONE_LINE] = Field(
        description='The exchange, a template; "" is the default exchange.'
    )
    routing_key: Annotated[Template, _SHORT] | None = Field(
        None, description="The routing key, a template. Default: the message's own if it came by AMQP, else empty."
    )
    exchange_type: ExchangeType | None = Field(None, description="What the exchange is.")
    exchange_durable: bool | None = Field(
        None, description="Stated: the exchange is created like this when it is missing. Else it is waited for."
    )
    persistent: bool | None = Field(
        None, description="Default: as the message says; one that says nothing is persistent."
    )
    max_in_flight: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="Messages unconfirmed at most. Default: the window."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.exchange_durable is not None and self.exchange_type is None:
            raise ValueError("exchange_durable creates a missing exchange, which needs its exchange_type")
        if not self.exchange.text and (self.exchange_type is not None or self.exchange_durable is not None):
            raise ValueError("the default exchange is always there: leave out exchange_type and exchange_durable")
        return self
