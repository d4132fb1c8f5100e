"""Log lines: their fields, what is held back, and that nothing breaks a line."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bridge.logs import LIBRARIES, configure
from config.settings import LogSettings


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, libraries = logging.getLogger(), [logging.getLogger(name) for name in LIBRARIES]
    handlers, level, levels = root.handlers[:], root.level, [logger.level for logger in libraries]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger, before in zip(libraries, levels, strict=True):
        logger.setLevel(before)
    structlog.reset_defaults()


def written(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="json"))
    structlog.get_logger().info("route started", route="orders", count=3, path="\x1b[31m\x9b")
    line = written(capsys)
    record = json.loads(line)
    assert list(record)[:3] == ["ts", "level", "event"]
    assert record["ts"].endswith("Z")
    del record["ts"]
    assert record == {"level": "info", "event": "route started", "route": "orders", "count": 3, "path": "\x1b[31m\x9b"}
    assert "\x1b" not in line
    assert "\x9b" not in line


def test_what_orjson_cannot_write_is_json_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="json"))
    structlog.get_logger().info("hello", huge=1 << 70, text="\udcff")
    record = json.loads(written(capsys))
    assert (record["huge"], record["text"]) == (1 << 70, "\udcff")


def test_logfmt_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="logfmt"))
    structlog.get_logger().warning("lost it", reason="a b\nlevel=info", up=False)
    line = written(capsys)
    assert line.count("\n") == 1
    assert line.split(" ", 1)[1] == 'level=warning event="lost it" reason="a b\\nlevel=info" up=false\n'


def test_console_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="console"))
    structlog.get_logger().info("hello\n\x1b[2J", route="orders")
    line = written(capsys)
    assert line.count("\n") == 1
    assert "route=orders" in line
    assert "\x1b" not in line


def test_the_default_is_json_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings())
    structlog.get_logger().info("hello")
    assert json.loads(written(capsys))["event"] == "hello"


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(level="warning"))
    structlog.get_logger().info("hello")
    assert written(capsys) == ""


@pytest.mark.parametrize("name", ["aio_pika", "aiormq.connection", "aiokafka.consumer", "asyncio"])
def test_libraries_are_held_back(capsys: pytest.CaptureFixture[str], name: str) -> None:
    configure(LogSettings(level="info", format="json"))
    logging.getLogger(name).error("handled and told by the bridge itself")
    assert written(capsys) == ""
    logging.getLogger(name).critical("the end of %s", "it")
    assert json.loads(written(capsys)) | {"ts": ""} == {
        "ts": "", "level": "critical", "event": "the end of it", "logger": name
    }  # fmt: skip
    configure(LogSettings(level="debug", format="json"))
    logging.getLogger(name).debug("payload")
    logging.getLogger(name).info("payload")
    assert written(capsys) == ""
    logging.getLogger(name).warning("hm")
    assert json.loads(written(capsys))["level"] == "warning"


def test_configuring_again_does_not_double_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="logfmt"))
    configure(LogSettings(format="json"))
    logging.getLogger("other").error("once")
    assert json.loads(written(capsys))["event"] == "once"


def test_an_exception_is_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="json"))
    try:
        raise ValueError("x")
    except ValueError:
        structlog.get_logger().exception("bug")
    assert "ValueError: x" in json.loads(written(capsys))["exception"]


@given(
    st.sampled_from(["json", "logfmt", "console"]), st.text() | st.binary() | st.integers() | st.floats() | st.none()
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_value_is_one_line(capsys: pytest.CaptureFixture[str], form: Any, value: object) -> None:
    configure(LogSettings(format=form))
    structlog.get_logger().info("event", value=value, surrogate="\udcff")
    line = written(capsys)
    assert line.splitlines() == [line.removesuffix("\n")]
    line.encode()
