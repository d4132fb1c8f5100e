"""The settings of the bridge as frozen models: what may be written in TOML, and what each key means.

These models only say what is valid; `config.load` reads files and the environment into them and turns what is wrong
into errors with positions. Every key is described, since the JSON schema and the documentation are made from here.
"""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, ByteSize, ConfigDict, Discriminator, Field, Tag, model_validator

from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.brokers import BrokerSettings, choose_broker
from config.conditions import checked
from config.kafka import KafkaSinkSettings, KafkaSourceSettings
from config.mapping import MapSettings
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from config.redis import RedisSinkSettings, RedisSourceSettings
from config.tables import Table, one_or_list
from config.values import Duration, Kind, Listen, LoopbackListen, Name, PositiveDuration, PositiveSize, Whole

SourceSettings = AmqpSourceSettings | KafkaSourceSettings | MqttSourceSettings | RedisSourceSettings
"""What a route reads."""

SinkSettings = AmqpSinkSettings | KafkaSinkSettings | MqttSinkSettings | RedisSinkSettings
"""What a route writes to."""

_Sink = TypeVar("_Sink")
_OneOrMore = Annotated[
    Annotated[_Sink, Tag("<one>")] | Annotated[list[_Sink], Tag("<list>")], Discriminator(one_or_list)
]


class BridgeSettings(Table):
    """`[bridge]`: who this bridge is."""

    name: Name = Field("fedbridge", description="Shared by replicas; part of queue and group names.")
    instance: str = Field("", description="One for each replica, stable: part of client ids. Default: the host name.")
    drain_timeout: Duration = Field(30.0, description="How long SIGTERM waits for what is in flight.")


class LogSettings(Table):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The lowest level that is written.")
    format: Literal["json", "logfmt", "console"] | None = Field(
        None, description="Default: console on a terminal, else json."
    )


class AdminSettings(Table):
    """`[admin]`: the HTTP listeners for metrics and probes."""

    listen: LoopbackListen = Field("127.0.0.1:9464", description="HOST:PORT for probes and metrics; loopback only.")
    metrics_listen: Listen | None = Field(None, description="HOST:PORT for metrics and probes alone, on any address.")


class WindowSettings(Table):
    """`window = { messages, bytes }`: what a route may hold unsettled."""

    messages: Whole = Field(4000, ge=1, le=65535, description="Messages in hand at most; AMQP's prefetch follows.")
    bytes: PositiveSize = Field(ByteSize(32 * 1024 * 1024), description="Bytes in hand at most.")


class RetrySettings(Table):
    """`retry = { initial, max, refusals }`: how a sink's refusals are tried again."""

    initial: PositiveDuration = Field(0.2, description="The first wait; each further one doubles.")
    max: PositiveDuration = Field(30.0, description="The longest wait.")
    refusals: Whole = Field(5, ge=0, description="How often a broker may refuse one message before on_error.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.initial > self.max:
            raise ValueError("initial is above max")
        return self


class FromTable(Table):
    """`from`: the one source of a route."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    amqp: AmqpSourceSettings | None = Field(None, description="A queue or an exchange of RabbitMQ.")
    kafka: KafkaSourceSettings | None = Field(None, description="Topics of Kafka.")
    mqtt: MqttSourceSettings | None = Field(None, description="Topics of MQTT.")
    redis: RedisSourceSettings | None = Field(None, description="Streams of Redis.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self._stated) != 1:
            raise ValueError("a route has one source: from.amqp, from.kafka, from.mqtt or from.redis")
        return self

    @property
    def _stated(self) -> list[SourceSettings]:
        return [source for source in (self.amqp, self.kafka, self.mqtt, self.redis) if source is not None]

    @property
    def settings(self) -> SourceSettings:
        """The settings of the one source."""
        return self._stated[0]


class ToTable(Table):
    """`to`: the targets of a route, one or more."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    amqp: _OneOrMore[AmqpSinkSettings] | None = Field(
        None, description="One exchange of RabbitMQ, or a list of tables for several."
    )
    kafka: _OneOrMore[KafkaSinkSettings] | None = Field(
        None, description="One Kafka topic, or a list of tables for several."
    )
    mqtt: _OneOrMore[MqttSinkSettings] | None = Field(
        None, description="One MQTT topic, or a list of tables for several."
    )
    redis: _OneOrMore[RedisSinkSettings] | None = Field(
        None, description="One Redis stream, or a list of tables for several."
    )

    @property
    def settings(self) -> tuple[SinkSettings, ...]:
        """The settings of all targets, kind by kind, in the order of the file."""
        return (*_listed(self.amqp), *_listed(self.kafka), *_listed(self.mqtt), *_listed(self.redis))

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.settings:
            raise ValueError("a route has at least one target: to.amqp, to.kafka, to.mqtt or to.redis")
        names = [target.name for target in self.settings]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two targets are named {twice[0]}; give each a name of its own")
        return self


def _listed(targets: _Sink | list[_Sink] | None) -> list[_Sink]:
    return [] if targets is None else targets if isinstance(targets, list) else [targets]


OnError = Literal["dead_letter", "stop", "drop"]
"""What happens to a message that cannot be delivered for good."""

Unroutable = Literal["dead_letter", "hold", "drop"]
"""What happens to a message that an AMQP exchange has no binding for; dead_letter is the route's on_error."""


class RouteSettings(Table):
    """`[routes.NAME]`: one source, its targets, and what to do when a message will not go."""

    enabled: bool = Field(True, description="False: the route is known but not run.")
    source: FromTable = Field(alias="from", description="The source.")
    targets: ToTable = Field(alias="to", description="The targets.")
    window: WindowSettings = Field(WindowSettings(), description="What the route may hold unsettled.")
    on_error: OnError = Field(
        "dead_letter", description="Until dead letters exist, dead_letter stops the route as stop does."
    )
    unroutable: Unroutable = Field(
        "dead_letter", description="A message that an AMQP exchange has no binding for; dead_letter goes by on_error."
    )
    trust: bool = Field(True, description="False: what messages bring from other bridges, fedbridge-…, is dropped.")
    max_hops: Whole = Field(8, ge=1, description="How many places a message may have been read from; more is an error.")
    retry: RetrySettings = Field(RetrySettings(), description="How refusals are tried again.")
    filter: Annotated[str, AfterValidator(checked)] | None = Field(
        None, description="A condition in CEL: a message for which it is false is not relayed. Default: all are."
    )
    map: MapSettings = Field(MapSettings(), description="Rules that change what is relayed.")


class Settings(Table):
    """The whole configuration."""

    bridge: BridgeSettings = Field(BridgeSettings(), description="Who this bridge is.")
    log: LogSettings = Field(LogSettings(), description="What is logged, and how.")
    admin: AdminSettings = Field(AdminSettings(), description="The HTTP listeners for metrics and probes.")
    brokers: dict[Name, BrokerSettings] = Field({}, description="The brokers, by names that routes use.")
    routes: dict[Name, RouteSettings] = Field({}, description="The routes, by name.")

    def broker_name(self, name: str | None, kind: Kind) -> str:
        """The name itself, or that of the only broker of that kind; raises KeyError with a sentence for a person."""
        return choose_broker(name, kind, {known: broker.kind for known, broker in self.brokers.items()})

    def broker(self, name: str | None, kind: Kind) -> BrokerSettings:
        """The broker of that name, or the only one of that kind; raises KeyError with a sentence for a person."""
        return self.brokers[self.broker_name(name, kind)]
