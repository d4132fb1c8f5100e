"""Broker URLs: what they mean, and that nothing shows a password."""

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.urls import BrokerUrl

hosts = st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True) | st.just("::1")
addresses = st.tuples(hosts, st.integers(1, 65535))
credentials = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def written(url: BrokerUrl) -> str:
    """The URL with its credentials."""
    if url.username is None:
        return url.shown
    login = quote(url.username, safe="") + ("" if url.password is None else ":" + quote(url.password, safe=""))
    return url.shown.replace("://", f"://{login}@", 1)


urls = st.builds(
    BrokerUrl, st.just("amqp"), st.tuples(addresses), st.text(min_size=1, max_size=12), credentials, credentials
) | st.one_of(
    st.builds(BrokerUrl, st.just("kafka"), st.lists(addresses, min_size=1, max_size=4).map(tuple), st.just("")),
    st.builds(BrokerUrl, st.just("mqtt"), st.tuples(addresses), st.just(""), credentials, credentials),
    st.builds(
        BrokerUrl, st.just("redis"), st.tuples(addresses), st.integers(0, 999_999).map(str), credentials, credentials
    ),
)


@given(urls)
def test_what_is_written_is_read(url: BrokerUrl) -> None:
    if url.username is None:
        url = BrokerUrl(url.kind, url.addresses, url.path)
    assert BrokerUrl.parse(written(url)) == url
    assert BrokerUrl.parse(url.shown) == BrokerUrl(url.kind, url.addresses, url.path)


@given(st.text(st.sampled_from("amqpkf:/@,?#%[]12.") | st.characters(), max_size=30), st.booleans())
@example("://", False)
@example("u:%ff@h", True)
def test_any_text_parses_or_is_a_value_error(text: str, with_scheme: bool) -> None:
    try:
        url = BrokerUrl.parse(f"amqp://{text}" if with_scheme else text)
    except ValueError:
        return
    assert BrokerUrl.parse(url.shown).addresses == url.addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("amqp://localhost", BrokerUrl("amqp", (("localhost", 5672),), "/")),
        ("amqp://localhost/", BrokerUrl("amqp", (("localhost", 5672),), "/")),
        ("amqp://localhost/%2F", BrokerUrl("amqp", (("localhost", 5672),), "/")),
        ("AMQP://u:p%40w@[::1]:1/shop", BrokerUrl("amqp", (("::1", 1),), "shop", "u", "p@w")),
        ("amqp://u@h/a%2Fb", BrokerUrl("amqp", (("h", 5672),), "a/b", "u")),
        ("amqp://u:@h", BrokerUrl("amqp", (("h", 5672),), "/", "u", "")),
        ("kafka://a,b:9093", BrokerUrl("kafka", (("a", 9092), ("b", 9093)))),
        ("mqtt://u:p@h", BrokerUrl("mqtt", (("h", 1883),), "", "u", "p")),
        ("mqtt://h:1884/", BrokerUrl("mqtt", (("h", 1884),))),
        ("redis://h", BrokerUrl("redis", (("h", 6379),), "0")),
        ("redis://:p@h:1/", BrokerUrl("redis", (("h", 1),), "0", None, "p")),
        ("redis://u:p@[::1]/15", BrokerUrl("redis", (("::1", 6379),), "15", "u", "p")),
    ],
)
def test_the_forms(text: str, expected: BrokerUrl) -> None:
    assert BrokerUrl.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("localhost:5672", "not a broker's URL; write amqp://"),
        ("amqps://h", r"TLS \(amqps\) does not work yet"),
        ("mqtts://h", r"TLS \(mqtts\) does not work yet; use mqtt://"),
        ("rediss://h", r"TLS \(rediss\) does not work yet; use redis://"),
        ("nats://h", "not the scheme of a broker that works yet; write"),
        ("valkey://h", r"not the scheme of a broker that works yet \(did you mean redis\?\); write"),
        ("mqqt://h", r"not the scheme of a broker that works yet \(did you mean mqtt\?\); write"),
        ("ampq://h", r"not the scheme of a broker that works yet \(did you mean amqp\?\); write"),
        ("amqp://", "needs a host"),
        ("amqp://h:x", "a port is a number from 1 to 65535"),
        ("amqp://h:0", "a port is a number from 1 to 65535"),
        ("amqp://h:65536", "a port is a number from 1 to 65535"),
        ("amqp://h:5672?heartbeat=5", r"takes no \?options"),
        ("amqp://a,b", "amqp:// takes one address; write a list of URLs"),
        ("mqtt://a,b", "mqtt:// takes one address; write a list of URLs"),
        ("kafka://a/b", "kafka:// ends after its address"),
        ("mqtt://a/b", "mqtt:// ends after its address"),
        ("redis://a/b", "a Redis URL has the number of a database"),
        ("redis://a/-1", "a Redis URL has the number of a database"),
        ("redis://a/0/1", "a Redis URL has the number of a database"),
        ("amqp://a b", "no spaces"),
        ("amqp://a_b^c", "a host name holds"),
        ("amqp://h/%ff", "not UTF-8"),
    ],
)
def test_what_is_wrong_is_said(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        BrokerUrl.parse(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
@example("/5672")
@example("/@")
def test_no_password_is_ever_shown(rest: str) -> None:
    password = f"SECRET{rest}SECRET"
    for text in (f"amqp://user:{password}@host/", f"amqp://user:5672/{password}@host/", f"kafka://u:{password}@h"):
        assert "SECRET" not in _shown(text)


def _shown(text: str) -> str:
    try:
        url = BrokerUrl.parse(text)
    except ValueError as error:
        return str(error)
    return f"{url} {url!r} {url.shown}"
