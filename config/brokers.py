"""`[brokers.NAME]`: where a broker is, how to log in, and how patient to be with it."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, SecretStr, Tag

from config.errors import ConfigError, Problem
from config.files import read_value
from config.tables import Table, one_or_list
from config.urls import BrokerUrl
from config.values import Kind, PositiveDuration


def _of_one_kind(url: BrokerUrl | list[BrokerUrl]) -> BrokerUrl | list[BrokerUrl]:
    if isinstance(url, list) and len({each.kind for each in url}) > 1:
        raise ValueError("the URLs are of different kinds of broker")
    return url


class BrokerSettings(Table):
    """`[brokers.NAME]`: one broker or cluster, and how patient to be with it."""

    url: Annotated[
        Annotated[BrokerUrl, Tag("<one>")] | Annotated[list[BrokerUrl], Field(min_length=1), Tag("<list>")],
        Discriminator(one_or_list),
        AfterValidator(_of_one_kind),
    ] = Field(
        description="amqp://HOST:PORT/VHOST, kafka://HOST:PORT,HOST:PORT, mqtt://HOST:PORT or "
        "redis://HOST:PORT/DATABASE; a list is tried in turn."
    )
    id: str | None = Field(
        None,
        min_length=1,
        description="What the loop guard calls the broker; the same in every bridge. Default: the id of a Kafka "
        "cluster, RabbitMQ's cluster name and virtual host, HOST:PORT of MQTT, HOST:PORT/DATABASE of Redis.",
    )
    username: str | None = Field(None, description="Overrides the URL's.")
    password: SecretStr | None = Field(None, description="Overrides the URL's; any character works here.")
    password_file: str | None = Field(None, description="A file that holds the password (a final newline is dropped).")
    heartbeat: PositiveDuration = Field(
        10.0, description="How often AMQP and MQTT ask whether the other side is there."
    )
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


def choose_broker(name: str | None, kind: Kind, kinds: Mapping[str, Kind | None]) -> str:
    """The name of the broker that a source or target of that kind means, with `broker` left out (None) too.

    `kinds` has the kind of every declared broker. Raises KeyError with a sentence for a person.
    """
    if name is not None:
        if name not in kinds:
            raise KeyError(f"there is no [brokers.{name}]{_known(name, kind, kinds)}")
        if kinds[name] != kind:
            raise KeyError(f"brokers.{name} is {kinds[name]}, not {kind}")
        return name
    candidates = [known for known, its_kind in kinds.items() if its_kind == kind]
    if len(candidates) != 1:
        count = "no" if not candidates else "more than one"
        raise KeyError(f"{count} {kind} broker is declared; name one with broker = …")
    return candidates[0]


def _known(name: str, kind: Kind, kinds: Mapping[str, Kind | None]) -> str:
    fitting = [known for known, its_kind in kinds.items() if its_kind == kind]
    close = difflib.get_close_matches(name, fitting, 1)
    if close:
        return f" (did you mean {close[0]}?)"
    return f" (of {kind} there is {', '.join(fitting)})" if fitting else ""


def _secret(path: Path) -> str:
    try:
        return read_value(path)
    except ValueError as error:
        raise ConfigError([Problem(str(path), "", f"the password {error}")]) from None
