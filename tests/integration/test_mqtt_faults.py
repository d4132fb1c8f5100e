"""The MQTT connector when brokers die, refuse, fall silent or talk nonsense."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from bridge.cli.demo.install import Files
from bridge.cli.demo.mosquitto import Mosquitto
from bridge.errors import Disconnected, FedbridgeError, RouteFault
from bridge.message import DELIVERED, Outcome, Verdict
from connectors.mqtt import Past
from connectors.mqtt.source import MqttSource
from tests import mqtt
from tests.integration.mqtt_topics import (
    PATIENCE,
    Peer,
    Topics,
    bodies,
    connack,
    messages,
    mosquitto,
    nothing_more,
    numbered,
    playing,
    publish,
    send,
    settle,
    take,
    take_and_settle,
    work_off,
)
from tests.proxy import swallowing


@pytest.fixture
def topics(own_mosquitto: Mosquitto, unique: str) -> Topics:
    return Topics(own_mosquitto.url, unique)


async def failure(
    opening: contextlib.AbstractAsyncContextManager[object], patience: float = PATIENCE
) -> FedbridgeError:
    """What opening something, or having it open, ends with."""
    with pytest.raises(FedbridgeError) as error:
        async with asyncio.timeout(patience), opening:
            await asyncio.Event().wait()
    return error.value


async def test_a_killed_broker_has_the_session_and_what_was_not_acknowledged(
    topics: Topics, own_mosquitto: Mosquitto
) -> None:
    past = Past()
    missed: list[tuple[str, int]] = []
    with pytest.raises(Disconnected) as loss:  # noqa: PT012 - the loss ends the context
        async with topics.source(past) as source:
            await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(20))
            found = await take(source, 20)
            settle(source, found[:8])
            await source.flush()
            await asyncio.sleep(0.1)  # Mosquitto saves in the next turn of its loop
            own_mosquitto.kill()
            await asyncio.Event().wait()
    assert loss.value.reason == "lost"
    settle(source, found)  # never raises
    for call in (source.receive(1), source.flush()):
        with pytest.raises(Disconnected):
            await call
    assert isinstance(await failure(topics.source(past)), Disconnected)
    await asyncio.to_thread(own_mosquitto.start)
    async with topics.source(past) as source:
        source.on_missed(lambda *what: missed.append(what))
        again = await take_and_settle(source, 12)
        assert bodies(again) == numbered(12, 8)
        assert all(each.redelivered for each in again)
        await nothing_more(source)
    assert missed == []


async def test_a_broker_that_forgets_its_sessions_is_told_of(broker_files: Files, unique: str) -> None:
    with mosquitto(broker_files, "persistence false") as broker:
        topics, past = Topics(broker.url, unique), Past()
        missed: list[tuple[str, int]] = []
        async with topics.source(past):
            pass
        await asyncio.to_thread(broker.restart)
        async with topics.source(past) as source:
            source.on_missed(lambda *what: missed.append(what))
    assert missed == [("session_lost", 1)]


async def test_a_loss_is_remembered_until_somebody_can_be_told() -> None:
    """The second connection has no session and is lost before it is subscribed."""
    missed: list[tuple[str, int]] = []

    def broker(present: bool, *codes: int) -> Callable[[Peer], Awaitable[None]]:
        async def script(peer: Peer) -> None:
            await peer.accepts(present=present)
            if codes:
                await peer.grants(*codes)
            else:
                raise EOFError

        return script

    past = Past()
    async with playing(broker(False, 1), broker(False), broker(True, 1)) as url:
        topics = Topics(url, "t")
        async with topics.source(past):
            pass
        assert isinstance(await failure(topics.source(past)), Disconnected)
        async with topics.source(past) as source:
            source.on_missed(lambda *what: missed.append(what))
            source.on_missed(lambda *what: missed.append(what))
    assert missed == [("session_lost", 1)]


async def test_a_sink_whose_broker_is_killed_leaves_no_message_without_an_outcome(
    topics: Topics, own_mosquitto: Mosquitto
) -> None:
    futures = []
    with pytest.raises(Disconnected):  # noqa: PT012 - the loss ends the context
        async with topics.sink() as sink:
            assert await send(sink, messages(10)) == [DELIVERED] * 10
            own_mosquitto.kill()
            with contextlib.suppress(Disconnected):
                futures += [await sink.send(messages(5, 10)), await sink.send(messages(5, 15))]
            await asyncio.Event().wait()
    for future in futures:
        assert {outcome.verdict for outcome in future.result()} == {Verdict.UNKNOWN}
    with pytest.raises(Disconnected):
        await sink.room()
    with pytest.raises(Disconnected):
        await sink.send(messages(1))
    await asyncio.to_thread(own_mosquitto.start)
    async with topics.sink() as sink:
        assert await send(sink, messages(10)) == [DELIVERED] * 10


async def test_swallowed_answers_leave_everything_unknown_in_time_and_once(mqtt_url: str, unique: str) -> None:
    topics = Topics(mqtt_url, unique)
    with topics.reader() as reader, swallowing(mqtt_url) as proxy:
        beyond = Topics(proxy.url, unique)
        started = time.monotonic()
        with pytest.raises(Disconnected) as loss:  # noqa: PT012 - the loss ends the context
            async with beyond.sink(broker={"broker_timeout": "1s", "heartbeat": "30s"}) as sink:
                assert await send(sink, messages(3)) == [DELIVERED] * 3
                proxy.swallow()
                future = await sink.send(messages(5, 3))
                await asyncio.Event().wait()
        assert loss.value.reason == "timeout"
        assert 1 <= time.monotonic() - started < 10
        assert future.result() == [Outcome(Verdict.UNKNOWN, "timeout", str(loss.value))] * 5
        proxy.stop()
        async with beyond.sink() as sink:
            assert await send(sink, messages(5, 3)) == [DELIVERED] * 5
        found = [message.body for message in await asyncio.to_thread(reader.take)]
        assert found == [*numbered(3), *numbered(5, 3), *numbered(5, 3)], "each unknown message is doubled at most"


@pytest.mark.parametrize("direction", ["source", "sink"])
async def test_a_broker_that_falls_silent_is_noticed_by_its_missing_signs_of_life(
    mqtt_url: str, unique: str, direction: str
) -> None:
    with swallowing(mqtt_url) as proxy:
        topics = Topics(proxy.url, unique)
        opening = topics.source if direction == "source" else topics.sink
        started = time.monotonic()
        with pytest.raises(Disconnected, match="no sign of life") as loss:  # noqa: PT012 - the loss ends the context
            async with opening(broker={"heartbeat": "1s"}):
                proxy.swallow()
                await asyncio.Event().wait()
        assert loss.value.reason == "timeout"
        assert time.monotonic() - started < 10


async def test_a_flush_that_nobody_answers_ends_in_time(mqtt_url: str, unique: str) -> None:
    with swallowing(mqtt_url) as proxy:
        async with Topics(proxy.url, unique).source(broker={"broker_timeout": "500ms"}) as source:
            proxy.swallow()
            with pytest.raises(Disconnected, match="acknowledgements") as error:
                await source.flush()
            assert error.value.reason == "timeout"
            proxy.stop()


async def test_a_broker_that_does_not_answer_a_connection_is_given_up_in_time(mqtt_url: str, unique: str) -> None:
    with swallowing(mqtt_url) as proxy:
        proxy.swallow()
        for opening in (Topics(proxy.url, unique).source, Topics(proxy.url, unique).sink):
            started = time.monotonic()
            error = await failure(opening(broker={"connect_timeout": "500ms"}))
            assert isinstance(error, Disconnected)
            assert error.reason == "timeout"
            assert time.monotonic() - started < 5


async def test_urls_are_tried_in_turn(mqtt_url: str, unique: str) -> None:
    async def other(peer: Peer) -> None:
        await peer.gives(b"SSH-2.0-server\r\n")

    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with playing(other) as ssh:
            silence = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
            urls = ["mqtt://127.0.0.1:1", "mqtt://no-such-host.invalid", silence, ssh, mqtt_url]
            topics = Topics(mqtt_url, unique)
            async with topics.sink(broker={"url": urls, "connect_timeout": "500ms"}) as sink:
                assert await send(sink, messages(1)) == [DELIVERED]
            for url, reason in zip(urls[:-1], ("refused", "lost", "timeout", "error"), strict=True):
                error = await failure(
                    topics.sink(broker={"url": ["mqtt://127.0.0.1:1", url], "connect_timeout": "500ms"})
                )
                assert isinstance(error, Disconnected)
                assert error.reason == reason
                assert str(error).startswith(url), "the last one's failure is told"


@pytest.mark.parametrize("direction", ["source", "sink"])
async def test_a_takeover_that_the_broker_tells_of_is_final(direction: str) -> None:
    async def broker(peer: Peer) -> None:
        await peer.accepts()
        if direction == "source":
            await peer.grants(1)
        await peer.gives(mqtt.packet(mqtt.DISCONNECT, b"\x8e"))

    async with playing(broker) as url:
        topics = Topics(url, "t")
        error = await failure(topics.source() if direction == "source" else topics.sink())
    assert isinstance(error, RouteFault)
    assert (error.reason, error.final) == ("taken_over", True)
    assert ("t-source" if direction == "source" else "fedbridge.test.t.mqtt.one") in str(error)
    assert "instance" in str(error)


@pytest.mark.parametrize("direction", ["source", "sink"])
async def test_two_of_one_id_do_not_fight_for_ever_where_the_broker_does_not_tell(
    mqtt_url: str, unique: str, direction: str
) -> None:
    """Mosquitto before 2.0.15 closes the old connection without a word."""
    topics = Topics(mqtt_url, unique)
    ends: list[FedbridgeError] = []

    async def replica() -> None:
        past = Past()
        while not ends:
            try:
                async with topics.source(past) if direction == "source" else topics.sink(past):
                    await asyncio.Event().wait()
            except Disconnected:
                await asyncio.sleep(0.05)
            except RouteFault as fault:
                ends.append(fault)

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        replicas = [tasks.create_task(replica(), name=f"replica {number}") for number in range(2)]
        await asyncio.wait(replicas, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.3)
        assert sorted(replica.done() for replica in replicas) == [False, True], "one has it for itself"
        for left in replicas:
            left.cancel()
    (fault,) = ends
    assert isinstance(fault, RouteFault)
    assert (fault.reason, fault.final) == ("taken_over", False)
    assert "another client" in str(fault)


async def test_a_refused_login_is_a_fault_and_no_password_is_told(
    broker_files: Files, unique: str, tmp_path: Path
) -> None:
    with mosquitto(broker_files, "allow_anonymous false") as broker:
        topics = Topics(broker.url, unique)
        for login in ({}, {"username": "u", "password": "s3cret"}, {"password": "s3cret"}):
            error = await failure(topics.source(broker=login))
            assert isinstance(error, RouteFault)
            assert (error.reason, error.final) == ("authentication", False)
            assert "s3cret" not in str(error)
            assert str(error).startswith(f"{broker.url}: not authorized to connect")
        error = await failure(topics.sink(broker={"password_file": str(tmp_path / "none")}))
        assert isinstance(error, RouteFault)
        assert error.reason == "authentication"
        assert str(tmp_path / "none") in str(error)


async def test_a_login_is_what_the_broker_is_given(unique: str) -> None:
    seen: list[bytes] = []

    async def broker(peer: Peer) -> None:
        seen.append(await peer.accepts())

    login = {"username": "größe", "password": "p:w"}
    async with playing(broker) as url, Topics(url, unique).sink(broker=login):
        pass
    assert seen[0].endswith(mqtt.text("größe") + mqtt.text("p:w"))
    assert seen[0][7] & 0xC0 == 0xC0


@pytest.mark.parametrize(
    ("code", "reason"),
    [(0x85, "conflict"), (0x86, "authentication"), (0x8A, "forbidden"), (0x88, "refused"), (0x97, "refused")],
)
async def test_a_refused_connection_is_what_its_code_says(code: int, reason: str) -> None:
    async def broker(peer: Peer) -> None:
        await peer.packet(mqtt.CONNECT)
        await peer.gives(connack(code, b"\x1f" + mqtt.text("its own words")))

    async with playing(broker) as url:
        error = await failure(Topics(url, "t").source())
    assert isinstance(error, RouteFault | Disconnected)
    assert error.reason == reason
    assert "its own words" in str(error)


async def test_a_broker_of_no_known_version_says_so() -> None:
    async def broker(peer: Peer) -> None:
        await peer.packet(mqtt.CONNECT)
        await peer.gives(b"\x20\x02\x00\x01")

    async with playing(broker) as url:
        error = await failure(Topics(url, "t").source())
    assert isinstance(error, Disconnected)
    assert (str(error), error.reason) == (f"{url}: it speaks neither MQTT 5 nor 3.1.1", "refused")


async def test_what_ends_each_connection_without_a_word_is_asked_in_both_versions_and_told_of() -> None:
    levels: list[int] = []

    async def broker(peer: Peer) -> None:
        levels.append((await peer.packet(mqtt.CONNECT))[6])
        raise EOFError

    async with playing(broker) as url:
        error = await failure(Topics(url, "t").sink())
    assert isinstance(error, Disconnected)
    assert error.reason == "lost"
    assert "without a word when asked for MQTT 5, and when asked for 3.1.1" in str(error)
    assert levels == [5, 4]


async def test_a_broker_that_has_spoken_mqtt_5_is_never_asked_for_less() -> None:
    """It may be about to stop: properties would be lost until the next connection."""
    levels: list[int] = []

    async def accepting(peer: Peer) -> None:
        levels.append((await peer.accepts())[6])

    async def leaving(peer: Peer) -> None:
        levels.append((await peer.packet(mqtt.CONNECT))[6])
        raise EOFError

    past = Past()
    async with playing(accepting, leaving) as url:
        topics = Topics(url, "t")
        async with topics.sink(past):
            pass
        assert isinstance(await failure(topics.sink(past)), Disconnected)
    assert levels == [5, 5]


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ((1, 0x87), "forbidden"),
        ((0x8F, 1), "conflict"),
        ((1, 0x9E), "conflict"),
        ((1, 0x80), "refused"),
        ((1, 0x97), "refused"),
        ((0, 1), "conflict"),
        ((1,), "error"),
        ((1, 1, 1), "error"),
    ],
)
async def test_a_subscription_that_is_not_granted_is_what_its_code_says(codes: tuple[int, ...], reason: str) -> None:
    async def broker(peer: Peer) -> None:
        await peer.accepts()
        subscribe = await peer.grants(*codes)
        assert subscribe[2:] == b"\0" + mqtt.text("a/#") + b"\x19" + mqtt.text("b") + b"\x19"

    async with playing(broker) as url:
        error = await failure(Topics(url, "t").source(topics=["a/#", "b"]))
    assert isinstance(error, RouteFault | Disconnected)
    assert error.reason == reason
    assert ("not MQTT" if reason == "error" else "a/#" if codes[0] != 1 else "to b") in str(error)


@pytest.mark.parametrize(
    ("nonsense", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not MQTT: a packet that begins with 0x48"),
        (b"\x36\x05\x00\x01t\x00\x01", "not MQTT: a PUBLISH of QoS 3"),
        (b"\x30\xff\xff\xff\xff\xff", "not MQTT: a length of more than four bytes"),
        (b"\x90\x00", "not MQTT"),
    ],
)
@pytest.mark.parametrize("early", [True, False])
async def test_what_is_not_mqtt_is_one_clear_error(nonsense: bytes, words: str, early: bool) -> None:
    async def broker(peer: Peer) -> None:
        await peer.packet(mqtt.CONNECT)
        await peer.gives(*([] if early else [connack(0)]), nonsense)

    async with playing(broker) as url:
        for opening in (Topics(url, "t").source, Topics(url, "t").sink):
            error = await failure(opening())
            assert isinstance(error, Disconnected)
            assert error.reason == "error"
            assert str(error).startswith(f"{url}: {words}")


async def test_what_came_before_the_nonsense_is_not_lost_at_quality_0() -> None:
    opened = asyncio.Event()

    async def broker(peer: Peer) -> None:
        await peer.accepts()
        await peer.grants(0)
        await opened.wait()
        packets = [b"\x30\x04\x00\x01t\x00", b"\x30\x05\x00\x01t\x00x", b"\xff\x00"]
        await peer.gives(*packets)

    found: list[bytes | None] = []
    async with playing(broker) as url:
        with pytest.raises(Disconnected, match="not MQTT"):  # noqa: PT012 - the loss ends the context
            async with Topics(url, "t").source(qos=0) as source:
                opened.set()
                found = bodies(await take(source, 2))
                await asyncio.Event().wait()
        assert found == [b"", b"x"]


async def test_undecodable_messages_are_values_and_their_neighbours_come() -> None:
    async def broker(peer: Peer) -> None:
        await peer.accepts()
        await peer.grants(1)
        await peer.gives(
            mqtt.publish("a", b"1", 1),
            mqtt.packet(mqtt.PUBLISH, b"\x00\x01\xff\x00\x02\x00body", 2),
            mqtt.packet(mqtt.PUBLISH, b"\x00\x01a\x00\x03\x05abc", 2),
            mqtt.publish("a", b"2", 4),
        )
        acks = [await peer.packet(mqtt.PUBACK) for _ in range(4)]
        assert acks == [number.to_bytes(2) for number in (1, 2, 3, 4)]
        await peer.packet(mqtt.PINGREQ)
        await peer.gives(mqtt.packet(mqtt.PINGRESP, b""))

    async with playing(broker) as url, Topics(url, "t").source() as source:
        found = await take(source, 4)
        assert [getattr(each.message, "reason", "") for each in found] == ["", "bad_topic", "bad_properties", ""]
        settle(source, found)
        await source.flush()


async def test_acknowledgements_go_out_in_the_order_of_receipt_and_only_for_the_settled_prefix() -> None:
    order: list[int] = []

    async def broker(peer: Peer) -> None:
        await peer.accepts()
        await peer.grants(1)
        await peer.gives(*(mqtt.publish("a", b"%d" % mid, mid) for mid in (7, 3, 9, 1)))
        for _ in range(4):
            order.append(int.from_bytes(await peer.packet(mqtt.PUBACK)))
            if order == [7, 3]:  # an identifier that is free again may name another message at once
                await peer.gives(mqtt.publish("a", b"again", 7))
        order.append(int.from_bytes(await peer.packet(mqtt.PUBACK)))
        await peer.packet(mqtt.PINGREQ)
        await peer.gives(mqtt.packet(mqtt.PINGRESP, b""))

    async with playing(broker) as url, Topics(url, "t").source() as source:
        found = await take(source, 4)
        settle(source, found[2:])
        settle(source, found[1:2])
        await asyncio.sleep(0.05)
        assert order == []
        settle(source, found[:1])
        again = await take(source, 1)
        settle(source, found)  # settled before: the identifier 7 is another message's now
        await asyncio.sleep(0.05)
        assert order == [7, 3, 9, 1]
        settle(source, again)
        await source.flush()
        assert order == [7, 3, 9, 1, 7]


async def test_no_more_than_the_window_is_given_before_the_broker_has_surely_read_what_was_acknowledged() -> None:
    acknowledged, answer = asyncio.Event(), asyncio.Event()

    async def broker(peer: Peer) -> None:
        await peer.accepts()
        await peer.grants(1)
        await peer.gives(*(mqtt.publish("a", b"%d" % mid, mid) for mid in range(1, 21)))  # above Receive Maximum
        for kind in [mqtt.PUBACK] * 2 + [mqtt.PINGREQ] + [mqtt.PUBACK] * 6:
            await peer.packet(kind)
        acknowledged.set()
        await answer.wait()
        await peer.gives(mqtt.packet(mqtt.PINGRESP, b""))
        await peer.packet(mqtt.PINGREQ)  # behind the other six

    async with playing(broker) as url, Topics(url, "t").source(messages=8) as source:
        first = await take(source, 8)
        settle(source, first[:2])
        settle(source, first[2:])
        await acknowledged.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await source.receive(20)
        answer.set()
        assert bodies(await source.receive(20)) == [b"9", b"10"]


async def test_a_connection_that_breaks_repeats_no_more_than_the_window(broker_files: Files, unique: str) -> None:
    """Mosquitto 2.0.11 sends all that waits once it reads acknowledgements, and may never read the last of them."""
    every = numbered(20_000)
    with mosquitto(broker_files) as server:
        topics = Topics(server.url, unique)
        async with topics.source():
            pass
        await asyncio.to_thread(fill, topics, every)
        relayed = await cut(topics, after=3000)
        left = await asyncio.to_thread(topics.left)
    assert left == every[len(every) - len(left) :]
    repeated = len(left) + len(relayed) - len(every)
    print(f"{repeated} of {len(relayed)} come again")
    assert 0 <= repeated <= 100


async def cut(topics: Topics, after: int) -> list[bytes | None]:
    """Relay with a window of 100, and break the connection off behind so many messages."""
    relayed: list[bytes | None] = []
    with pytest.raises(Disconnected, match="cut"):  # noqa: PT012 - the loss ends the context
        async with topics.source(messages=100) as source:
            assert isinstance(source, MqttSource)
            while len(relayed) < after:
                found = await source.receive(25)
                settle(source, found)
                relayed += bodies(found)
            source._session.drop()
            source._session.lose(Disconnected("cut"))
            await asyncio.Event().wait()
    return relayed


def fill(topics: Topics, bodies: Sequence[bytes]) -> None:
    """Publish many messages; blocks."""
    with mqtt.Session(topics.url, f"{topics.name}-writer", clean=True) as session:
        session.publish(mqtt.publish(f"{topics.name}/t", body, 1 + mid) for mid, body in enumerate(bodies))


async def test_a_shared_subscription_that_a_broker_has_not_is_a_fault() -> None:
    async def broker(peer: Peer) -> None:
        await peer.accepts()
        subscribe = await peer.grants(0x9E)
        assert subscribe[3:] == mqtt.text("$share/group/a") + b"\x19"

    async with playing(broker) as url:
        error = await failure(Topics(url, "t").source(topics=["a"], share="group"))
    assert isinstance(error, RouteFault)
    assert error.reason == "conflict"


async def test_a_broker_that_keeps_no_session_makes_a_source_that_redelivers_nothing() -> None:
    async def broker(peer: Peer) -> None:
        connect = await peer.accepts(b"\x11\x00\x00\x00\x00")
        assert connect[6:] == b"\x05\x00\x00\x0a\x08\x11\x00\x00\x0e\x10\x21\x00\x64" + mqtt.text("t-source")
        await peer.grants(1)
        await peer.gives(mqtt.publish("a", b"only here", 1))

    async with playing(broker) as url, Topics(url, "t").source(session_expiry="1h", messages=100) as source:
        assert not source.redelivers
        assert bodies(await take(source, 1)) == [b"only here"]


async def test_what_was_read_ahead_is_handed_out_before_the_loss_where_it_does_not_come_again() -> None:
    opened = asyncio.Event()

    async def broker(peer: Peer) -> None:
        await peer.accepts()
        await peer.grants(0)
        await opened.wait()
        await peer.gives(*(b"\x30\x05\x00\x01t\x00%d" % number for number in range(9)))
        raise EOFError

    found: list[bytes | None] = []
    async with playing(broker) as url:
        with pytest.raises(Disconnected):  # noqa: PT012 - the loss ends the context
            async with Topics(url, "t").source(qos=0) as source:
                assert isinstance(source, MqttSource)
                opened.set()
                while source._session.loss is None:  # noqa: ASYNC110 - the loss has come before anything is taken
                    await asyncio.sleep(0.01)
                found = bodies(await take(source, 4))
                found += bodies(await take(source, 5))
                await source.receive(1)
        assert found == numbered(9)


async def test_a_message_for_which_the_broker_ends_the_connection_is_found_and_refused() -> None:
    """M4: sent again and again it would hold up everything behind it for ever."""
    connections = 0

    async def broker(peer: Peer) -> None:
        nonlocal connections
        connections += 1
        await peer.accepts()
        while True:
            message = mqtt.published(mqtt.Packet(mqtt.PUBLISH, 2, await peer.packet(mqtt.PUBLISH)))
            if message.body in {b"3", b"6"}:
                await peer.gives(mqtt.packet(mqtt.DISCONNECT, b"\x81"))
                raise EOFError
            await peer.gives(mqtt.packet(mqtt.PUBACK, message.packet_id.to_bytes(2)))

    past = Past()
    async with playing(broker) as url:
        topics = Topics(url, "t")
        final = await work_off(lambda: topics.sink(past), messages(9))
    assert [outcome.reason for _, outcome in sorted(final.items())] == [*[""] * 3, "refused", "", "", "refused", "", ""]
    assert final["uid-3"].verdict is Verdict.REJECTED
    assert "malformed packet (0x81)" in final["uid-3"].detail
    assert connections == 5, "two for each culprit, and one for the rest"


async def test_a_message_for_which_the_broker_ends_the_connection_without_a_word_is_refused_in_the_end() -> None:
    """So does Mosquitto for what it calls malformed; nothing behind such a message may wait for ever."""

    async def broker(peer: Peer) -> None:
        await peer.accepts()
        while True:
            message = mqtt.published(mqtt.Packet(mqtt.PUBLISH, 2, await peer.packet(mqtt.PUBLISH)))
            if message.body == b"40":
                raise EOFError
            await peer.gives(mqtt.packet(mqtt.PUBACK, message.packet_id.to_bytes(2)))

    past = Past()
    async with playing(broker) as url:
        topics = Topics(url, "t")
        final = await work_off(lambda: topics.sink(past), messages(100))
    refused = final.pop("uid-40")
    assert (refused.verdict, refused.reason) == (Verdict.RETRY, "refused")
    assert "nothing but this message" in refused.detail
    assert list(final.values()) == [DELIVERED] * 99


async def test_a_broker_that_ends_the_connection_as_not_authorized_may_mean_one_message() -> None:
    """Without one on its way it is the route that may not do something."""

    async def broker(peer: Peer) -> None:
        await peer.accepts()
        while True:
            message = mqtt.published(mqtt.Packet(mqtt.PUBLISH, 2, await peer.packet(mqtt.PUBLISH)))
            if message.body == b"3":
                await peer.gives(mqtt.packet(mqtt.DISCONNECT, b"\x87"))
                raise EOFError
            await peer.gives(mqtt.packet(mqtt.PUBACK, message.packet_id.to_bytes(2)))

    async def hostile(peer: Peer) -> None:
        await peer.accepts()
        await peer.gives(mqtt.packet(mqtt.DISCONNECT, b"\x87"))

    past = Past()
    async with playing(broker) as url:
        topics = Topics(url, "t")
        with pytest.raises(Disconnected, match="not authorized") as loss:  # noqa: PT012 - the loss ends the context
            async with topics.sink(past) as sink:
                await sink.send(messages(9))
                await asyncio.Event().wait()
        assert loss.value.reason == "error"
        final = await work_off(lambda: topics.sink(past), messages(6, 3))
    assert [outcome.reason for _, outcome in sorted(final.items())] == ["forbidden", *[""] * 5]
    assert final["uid-3"].verdict is Verdict.REJECTED
    async with playing(hostile) as url:
        fault = await failure(Topics(url, "t").sink())
    assert isinstance(fault, RouteFault)
    assert fault.reason == "forbidden"


async def test_after_a_connection_without_any_answer_messages_go_one_by_one_until_they_are_confirmed() -> None:
    async def broker(answers: int, peer: Peer) -> None:
        await peer.accepts()
        for number in range(8):
            message = mqtt.published(mqtt.Packet(mqtt.PUBLISH, 2, await peer.packet(mqtt.PUBLISH)))
            if number >= answers:
                raise EOFError
            await peer.gives(mqtt.packet(mqtt.PUBACK, message.packet_id.to_bytes(2)))

    async def room(past: Past, topics: Topics, count: int) -> int:
        with contextlib.suppress(Disconnected):
            async with topics.sink(past, messages=100) as sink:
                room = await sink.room()
                future = await sink.send(messages(count))
                await asyncio.wait({future})
                await asyncio.Event().wait()
        return room

    past = Past()
    async with playing(partial(broker, 1), partial(broker, 0), partial(broker, 2), partial(broker, 0)) as url:
        topics = Topics(url, "t")
        assert await room(past, topics, 3) == 50
        assert await room(past, topics, 3) == 50, "there was an answer, and the connection was lost for another reason"
        assert await room(past, topics, 3) == 1, "there was none"
        assert await room(past, topics, 1) == 1, "two of the three have been confirmed, one may be the culprit"
