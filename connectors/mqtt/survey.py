"""What the routes of a configuration need at an MQTT broker, looked up without changing anything there.

The look has a session and a client id of its own, so that no route's session is taken over. Subscriptions are asked for
one by one and given back at once; those that are shared are asked for as if they were not, since a member of a share
takes messages away from the others. What a user may publish no broker tells before a message.
"""

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from bridge.errors import RouteFault
from bridge.findings import End, Finding, Tell
from config.brokers import BrokerSettings
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from connectors.mqtt import reasons
from connectors.mqtt.connection import connected
from connectors.mqtt.past import Past
from connectors.mqtt.session import Session
from connectors.mqtt.terms import MOST, Terms

_NOTHING_RETAINED: Final = 2  # Retain Handling (MQTT 5, section 3.8.3.1)
_FEW: Final = 100  # messages in flight, with which a target waits for its broker most of the time


async def survey(broker: BrokerSettings, ends: Sequence[End], tell: Tell) -> None:
    """Connect, and tell of every end what it finds: in the order given, each finding as soon as it is known.

    Takes at most `connect_timeout` and then `broker_timeout` for each topic filter. Raises RouteFault (authentication,
    forbidden, conflict) and Disconnected, also when some findings have been told.
    """
    async with connected(broker, Terms(f"fedbridge-check-{secrets.token_hex(4)}", clean=True), Past()) as session:
        session.stirred = session.tap.publishes.clear  # what comes for a subscription that is only looked for
        user = broker.login()[0] or "a client without a user name"
        for end in ends:
            tell(end, _login(session, user))
            if isinstance(end.settings, MqttSourceSettings):
                async for finding in _source(session, end, end.settings, user):
                    tell(end, finding)
            elif isinstance(end.settings, MqttSinkSettings):
                for finding in _sink(session, end, end.settings):
                    tell(end, finding)


def _login(session: Session, user: str) -> Finding:
    limits = session.limits
    if session.version < 5:
        return Finding(
            "ok",
            f"{user} may connect, with MQTT 3.1.1: properties and headers do not cross, a refused message is lost "
            "without a word, and two bridges of one instance end each other's connection for ever",
            ("let the broker speak MQTT 5, if that is too little",),
        )
    said = [f"takes {limits.receive_maximum} unconfirmed messages"] if limits.receive_maximum < MOST else []
    said += [f"takes packets of at most {limits.packet} bytes"] if limits.packet is not None else []
    said += [f"has no QoS above {limits.maximum_qos}"] if limits.maximum_qos < 2 else []
    said += ["retains nothing"] if not limits.retain else []
    return Finding("ok", f"{user} may connect, with MQTT 5" + (f"; the broker {', '.join(said)}" if said else ""))


async def _source(session: Session, end: End, settings: MqttSourceSettings, user: str) -> AsyncIterator[Finding]:
    if settings.qos > session.limits.maximum_qos:
        remedy = f"write {end.key}.qos = 0, at which messages may be lost, or use another broker"
        yield Finding("conflict", "the broker grants QoS 0 only, and the route wants 1", (remedy,))
    if settings.share is not None and not session.limits.shared:
        yield Finding("conflict", "the broker has no shared subscriptions", (f"take {end.key}.share out",))
    for topic in settings.topics:
        if not session.limits.wildcards and ("+" in topic or "#" in topic):
            text = f"the broker has no subscriptions with wildcards, and topic filter {topic} is one"
            yield Finding("conflict", text, (f"name topics without + and # in {end.key}.topics",))
        else:
            yield await _subscribable(session, topic, user)


async def _subscribable(session: Session, topic: str, user: str) -> Finding:
    code = next(iter(await session.subscribe([topic], 0, _NOTHING_RETAINED)), reasons.FAILURE)
    if code < reasons.FAILURE:
        session.unsubscribe([topic])
        return Finding("ok", f"topic filter {topic} is granted; which of its topics may be read shows when they come")
    error = reasons.refused_subscription(session.broker, code, topic, version=session.version)
    text = f"{user} may not subscribe to topic filter {topic}: {reasons.words(code)}"
    if not isinstance(error, RouteFault):
        return Finding("unknown", text)
    if error.reason == "forbidden":
        return Finding("forbidden", text, (f"let {user} subscribe to {topic}, and read what it matches",))
    return Finding("conflict", text, (reasons.advice(code),))


def _sink(session: Session, end: End, settings: MqttSinkSettings) -> Iterator[Finding]:
    limits = session.limits
    if settings.qos > limits.maximum_qos:
        remedy = f"write {end.key}.qos = 0, which nobody confirms, or use another broker"
        yield Finding("conflict", "the broker takes QoS 0 only, and the route wants 1", (remedy,))
    if not limits.retain and settings.retain is not False:
        lost = "" if settings.retain else ": messages that ask for it are published without"
        remedy = f"write {end.key}.retain = false"
        yield Finding("conflict" if settings.retain else "ok", f"the broker retains nothing{lost}", (remedy,))
    if settings.qos and limits.receive_maximum < _FEW:
        few = f"the broker takes {limits.receive_maximum} unconfirmed messages, which makes the route slow"
        yield Finding("ok", few, ("raise that limit; Mosquitto: max_inflight_messages 1000 in its configuration",))
    which = "which one depends on the message, and " if settings.topic.fixed is None else ""
    yield Finding("unknown", f"topic {settings.topic}: {which}whether it may be published to shows with a message")
