"""The settings of the bridge as frozen models: what may be written in TOML, and what each key means.

These models only say what is valid; `config.load` reads files and the environment into them and turns what is wrong
into errors with positions. Every key is described, since the JSON schema and the documentation are made from here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    model_validator,
)

from config.errors import ConfigError, Problem
from config.files import read_value
from config.templates import Template
from config.urls import BrokerUrl
from config.values import Duration, Kind, Listen, LoopbackListen, Name, PositiveDuration, PositiveSize, Whole


def _shape(value: object) -> str:
    """Choose between one and a list of it by the shape of the input, so that an error is told once, not for both."""
    return "<list>" if isinstance(value, list | tuple) else "<one>"


def _of_one_kind(url: BrokerUrl | list[BrokerUrl]) -> BrokerUrl | list[BrokerUrl]:
    if isinstance(url, list) and len({each.kind for each in url}) > 1:
        raise ValueError("the URLs are of different kinds of broker")
    return url


class _Table(BaseModel):
    """A table of the file: frozen, and a key nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)


class BridgeSettings(_Table):
    """`[bridge]`: who this bridge is."""

    name: Name = Field("fedbridge", description="Shared by replicas; part of queue and group names.")
    instance: str = Field("", description="One for each replica, stable: part of client ids. Default: the host name.")
    drain_timeout: Duration = Field(30.0, description="How long SIGTERM waits for what is in flight.")


class LogSettings(_Table):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The lowest level that is written.")
    format: Literal["json", "logfmt", "console"] | None = Field(
        None, description="Default: console on a terminal, else json."
    )


class AdminSettings(_Table):
    """`[admin]`: the HTTP listeners for metrics and probes."""

    listen: LoopbackListen = Field("127.0.0.1:9464", description="HOST:PORT for probes and metrics; loopback only.")
    metrics_listen: Listen | None = Field(None, description="HOST:PORT for metrics and probes alone, on any address.")


class BrokerSettings(_Table):
    """`[brokers.NAME]`: one broker or cluster, and how patient to be with it."""

    url: Annotated[
        Annotated[BrokerUrl, Tag("<one>")] | Annotated[list[BrokerUrl], Field(min_length=1), Tag("<list>")],
        Discriminator(_shape),
        AfterValidator(_of_one_kind),
    ] = Field(description="amqp://HOST:PORT/VHOST or kafka://HOST:PORT,HOST:PORT; a list is tried in turn.")
    username: str | None = Field(None, description="Overrides the URL's.")
    password: SecretStr | None = Field(None, description="Overrides the URL's; any character works here.")
    password_file: str | None = Field(None, description="A file that holds the password (a final newline is dropped).")
    heartbeat: PositiveDuration = Field(10.0, description="AMQP heartbeat; a dead peer is noticed after three.")
    connect_timeout: PositiveDuration = Field(10.0, description="How long one attempt to connect may take.")
    broker_timeout: PositiveDuration = Field(30.0, description="How long any reply of the broker may take.")

    @property
    def urls(self) -> tuple[BrokerUrl, ...]:
        """The URLs, one or more."""
        return tuple(self.url) if isinstance(self.url, list) else (self.url,)

    @property
    def kind(self) -> Kind:
        """The kind of the broker, by the scheme of its URLs."""
        return self.urls[0].kind

    @property
    def shown(self) -> str:
        """The URLs as a person may see them: without credentials."""
        return ", ".join(url.shown for url in self.urls)

    @property
    def authenticates(self) -> bool:
        """Whether a user name or a password is stated anywhere."""
        own = (self.username, self.password, self.password_file)
        return any(part is not None for part in (*own, *(p for url in self.urls for p in (url.username, url.password))))

    def login(self) -> tuple[str | None, str | None]:
        """The user name and the password: `password`, else `password_file`, else the URL's (the first that has any).

        Reads the file at each call, so that a rotated password is used at the next connection. Raises ConfigError,
        naming the file, when it cannot be read.
        """
        url = next((url for url in self.urls if url.username is not None or url.password is not None), self.urls[0])
        username = url.username if self.username is None else self.username
        if self.password is not None:
            return username, self.password.get_secret_value()
        if self.password_file is not None:
            return username, _secret(Path(self.password_file))
        return username, url.password


class WindowSettings(_Table):
    """`window = { messages, bytes }`: what a route may hold unsettled."""

    messages: Whole = Field(4000, ge=1, le=65535, description="Messages in hand at most; AMQP's prefetch follows.")
    bytes: PositiveSize = Field(ByteSize(32 * 1024 * 1024), description="Bytes in hand at most.")


class RetrySettings(_Table):
    """`retry = { initial, max, refusals }`: how a sink's refusals are tried again."""

    initial: PositiveDuration = Field(0.2, description="The first wait; each further one doubles.")
    max: PositiveDuration = Field(30.0, description="The longest wait.")
    refusals: Whole = Field(5, ge=0, description="How often a broker may refuse one message before on_error.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.initial > self.max:
            raise ValueError("initial is above max")
        return self


class AmqpSourceSettings(_Table):
    """`from.amqp`: a queue, or an exchange through a queue of the bridge's own."""

    broker: Name | None = Field(None, description="May be left out where one AMQP broker is declared.")
    queue: str | None = Field(None, min_length=1, description="Default with an exchange: fedbridge.BRIDGE.ROUTE.")
    exchange: str | None = Field(None, min_length=1, description="The exchange whose messages are relayed.")
    exchange_type: Literal["direct", "fanout", "topic"] | None = Field(None, description="What the exchange is.")
    exchange_durable: bool | None = Field(
        None, description="Stated: the exchange is created like this when it is missing. Else it is waited for."
    )
    binding_keys: list[str] = Field([], description="Default: everything of a fanout or topic exchange.")
    declare: bool | None = Field(
        None, description="Create a missing queue. Default: true with an exchange, false with a queue alone."
    )
    prefetch: Annotated[Whole, Field(ge=1, le=65535)] | None = Field(None, description="Default: what fits the window.")

    @property
    def declares(self) -> bool:
        """Whether a missing queue is created."""
        return self.exchange is not None if self.declare is None else self.declare

    @property
    def keys(self) -> list[str]:
        """The binding keys, with the defaults of the exchange's type."""
        return self.binding_keys or (["#"] if self.exchange_type == "topic" else [""])

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.queue is None and self.exchange is None:
            raise ValueError("needs a queue or an exchange")
        if self.exchange is None:
            for key in ("exchange_type", "exchange_durable"):
                if getattr(self, key) is not None:
                    raise ValueError(f"{key} without an exchange")
            if self.binding_keys:
                raise ValueError("binding_keys without an exchange")
        if self.exchange is not None and self.exchange_type is None:
            raise ValueError("an exchange needs its exchange_type")
        if self.exchange_type == "direct" and not self.binding_keys:
            raise ValueError("a direct exchange needs binding_keys")
        return self


class KafkaSinkSettings(_Table):
    """`to.kafka`: a topic."""

    broker: Name | None = Field(None, description="May be left out where one Kafka broker is declared.")
    name: Name = Field("kafka", description="The target's name in logs and metrics.")
    topic: Template = Field(description="The topic, a template.")
    key: Template | None = Field(None, description="The record's key, a template. Default: the message's own key.")
    create: bool = Field(False, description="Create a missing topic with the cluster's defaults.")
    max_in_flight: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="Messages unconfirmed at most. Default: the window."
    )


class FromTable(_Table):
    """`from`: the one source of a route."""

    amqp: AmqpSourceSettings | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.amqp is None:
            raise ValueError("a route has one source: from.amqp")
        return self

    @property
    def settings(self) -> AmqpSourceSettings:
        """The settings of the one source."""
        assert self.amqp is not None  # noqa: S101 - `_one` has seen to it
        return self.amqp

    @property
    def kind(self) -> Kind:
        """The kind of the one source."""
        return "amqp"


class ToTable(_Table):
    """`to`: the targets of a route, one or more."""

    kafka: (
        Annotated[
            Annotated[KafkaSinkSettings, Tag("<one>")] | Annotated[list[KafkaSinkSettings], Tag("<list>")],
            Discriminator(_shape),
        ]
        | None
    ) = Field(None, description="One Kafka topic, or a list of tables for several.")

    @property
    def settings(self) -> tuple[KafkaSinkSettings, ...]:
        """The settings of all targets, in the order of the file."""
        if self.kafka is None:
            return ()
        return tuple(self.kafka) if isinstance(self.kafka, list) else (self.kafka,)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.settings:
            raise ValueError("a route has at least one target: to.kafka")
        names = [target.name for target in self.settings]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two targets are named {twice[0]}; give each a name of its own")
        return self


OnError = Literal["dead_letter", "stop", "drop"]
"""What happens to a message that cannot be delivered for good."""


class RouteSettings(_Table):
    """`[routes.NAME]`: one source, its targets, and what to do when a message will not go."""

    enabled: bool = Field(True, description="False: the route is known but not run.")
    source: FromTable = Field(alias="from", description="The source.")
    targets: ToTable = Field(alias="to", description="The targets.")
    window: WindowSettings = Field(WindowSettings(), description="What the route may hold unsettled.")
    on_error: OnError = Field(
        "dead_letter", description="Until dead letters exist, dead_letter stops the route as stop does."
    )
    retry: RetrySettings = Field(RetrySettings(), description="How refusals are tried again.")


class Settings(_Table):
    """The whole configuration."""

    bridge: BridgeSettings = BridgeSettings()
    log: LogSettings = LogSettings()
    admin: AdminSettings = AdminSettings()
    brokers: dict[Name, BrokerSettings] = {}
    routes: dict[Name, RouteSettings] = {}

    def broker_name(self, name: str | None, kind: Kind) -> str:
        """The name itself, or that of the only broker of that kind; raises KeyError with a sentence for a person."""
        return choose_broker(name, kind, {known: broker.kind for known, broker in self.brokers.items()})

    def broker(self, name: str | None, kind: Kind) -> BrokerSettings:
        """The broker of that name, or the only one of that kind; raises KeyError with a sentence for a person."""
        return self.brokers[self.broker_name(name, kind)]


def choose_broker(name: str | None, kind: Kind, kinds: Mapping[str, Kind | None]) -> str:
    """The name of the broker that a source or target of that kind means, with `broker` left out (None) too.

    `kinds` has the kind of every declared broker. Raises KeyError with a sentence for a person.
    """
    if name is not None:
        if name not in kinds:
            raise KeyError(f"there is no [brokers.{name}]")
        if kinds[name] != kind:
            raise KeyError(f"brokers.{name} is {kinds[name]}, not {kind}")
        return name
    candidates = [known for known, its_kind in kinds.items() if its_kind == kind]
    if len(candidates) != 1:
        count = "no" if not candidates else "more than one"
        raise KeyError(f"{count} {kind} broker is declared; name one with broker = …")
    return candidates[0]


def _secret(path: Path) -> str:
    try:
        return read_value(path)
    except ValueError as error:
        raise ConfigError([Problem(str(path), "", f"the password {error}")]) from None
