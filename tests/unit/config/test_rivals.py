"""Routes that would take each other's messages."""

from pathlib import Path

import pytest

from tests.unit.config.configurations import BROKERS, MORE, loads, problems


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("mqtt = { topics = ['a'], client_id = 'c' }", "mqtt = { topics = ['b'], client_id = 'c' }",
         "FILE:14:31: routes.y.from.mqtt.client_id: client id c is that of routes.x.from.mqtt too, and each would "
         "end the other's connection; give this session another client_id"),
        ("mqtt = { topics = ['a'], client_id = 'fedbridge.b.y.source.node' }", "mqtt = { topics = ['b'] }",
         "FILE:14:6: routes.y.from.mqtt.client_id: client id fedbridge.b.y.source.node is that of "
         "routes.x.from.mqtt too, and each would end the other's connection; give this session another client_id"),
        ("redis = { streams = ['a', 's'], group = 'g' }", "redis = { streams = ['s'], group = 'g' }",
         "FILE:14:33: routes.y.from.redis.group: consumer node of group g reads stream s for "
         "routes.x.from.redis too, and each would take the other's entries; give this source another group, or to "
         "divide the entries another consumer"),
        ("redis = { streams = ['s'], group = 'fedbridge.b.y', consumer = 'node' }", "redis = { streams = ['s'] }",
         "FILE:14:6: routes.y.from.redis.group: consumer node of group fedbridge.b.y reads stream s for "
         "routes.x.from.redis too, and each would take the other's entries; give this source another group, or to "
         "divide the entries another consumer"),
    ],
)  # fmt: skip
def test_two_routes_that_would_take_each_others_messages(tmp_path: Path, one: str, other: str, told: str) -> None:
    bridge = "bridge = { name = 'b', instance = 'node' }\n"
    route = "[routes.{}]\nfrom.{}\nto.kafka.topic = 't'\n"
    text = f"{bridge}{MORE}{route.format('x', one)}{route.format('y', other)}"
    assert problems(tmp_path, text) == [told]
    assert problems(tmp_path, f"{text}window.messages = 0\n") == [
        told,
        "FILE:16:8: routes.y.window.messages: is 0, not 1 or more",
    ]
    loads(tmp_path, f"{text}enabled = false\n")


def test_each_of_many_rivals_is_told_once(tmp_path: Path) -> None:
    route = "[routes.{}]\nfrom.mqtt = {{ topics = ['a'], client_id = 'c' }}\nto.kafka.topic = 't'\n"
    told = problems(tmp_path, MORE + "".join(route.format(name) for name in "xyz"))
    assert [line.split(": ")[1] for line in told] == ["routes.y.from.mqtt.client_id", "routes.z.from.mqtt.client_id"]
    assert all("that of routes.x.from.mqtt too" in line for line in told)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mqtt = { topics = ['a'] }", "mqtt = { topics = ['a'] }"),
        ("mqtt = { topics = ['a'], client_id = 'c' }", "mqtt = { topics = ['a'], client_id = 'd' }"),
        ("redis = { streams = ['s'] }", "redis = { streams = ['s'] }"),
        ("redis = { streams = ['s'], group = 'g' }", "redis = { streams = ['t'], group = 'g' }"),
        ("redis = { streams = ['s'], group = 'g' }", "redis = { streams = ['s'], group = 'h' }"),
        ("redis = { streams = ['s'], group = 'g' }", "redis = { streams = ['s'], group = 'g', consumer = 'c' }"),
    ],
)
def test_two_routes_that_do_not(tmp_path: Path, one: str, other: str) -> None:
    loads(
        tmp_path,
        f"{MORE}[routes.x]\nfrom.{one}\nto.kafka.topic = 't'\n[routes.y]\nfrom.{other}\nto.kafka.topic = 't'\n",
    )


@pytest.mark.parametrize(
    ("urls", "source"),
    [
        (
            ("mqtt://localhost", "mqtt://localhost:1884"),
            "mqtt = { topics = ['t'], client_id = 'c', broker = 'BROKER' }",
        ),
        (("redis://localhost", "redis://localhost/1"), "redis = { streams = ['t'], group = 'g', broker = 'BROKER' }"),
    ],
)
def test_two_brokers_have_their_own_sessions_and_groups(tmp_path: Path, urls: tuple[str, str], source: str) -> None:
    text = BROKERS + "".join(f"[brokers.b{at}]\nurl = '{url}'\n" for at, url in enumerate(urls))
    for at in range(2):
        text += f"[routes.r{at}]\nfrom.{source.replace('BROKER', f'b{at}')}\nto.kafka.topic = 't'\n"
    loads(tmp_path, text)
    assert len(problems(tmp_path, text.replace(urls[1], urls[0]))) == 1


def test_the_session_of_a_target_may_have_the_name_of_a_source_too(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        f"bridge = {{ name = 'b', instance = 'node' }}\n{MORE}[routes.x]\nfrom.mqtt.topics = ['a']\n"
        "to.mqtt = [{ topic = 'b', name = 'other' }, { topic = 'c', name = 'source' }]\n"
        "[routes.y]\nfrom.mqtt = { topics = ['d'], client_id = 'fedbridge.b.x.other.node' }\nto.kafka.topic = 't'\n",
    )
    assert told == [
        "FILE:12:60: routes.x.to.mqtt[1].name: client id fedbridge.b.x.source.node is that of routes.x.from.mqtt too, "
        "and each would end the other's connection; give this target another name",
        "FILE:14:31: routes.y.from.mqtt.client_id: client id fedbridge.b.x.other.node is that of routes.x.to.mqtt[0] "
        "too, and each would end the other's connection; give this session another client_id",
    ]
