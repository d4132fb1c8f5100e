"""Kiosk: publishes an order to an MQTT topic. A plain paho program."""

import argparse
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_PATIENCE = 30


def main() -> None:
    """Publish one order, and end once the broker has confirmed it; exit code 1 if it has not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--order", default="order 2: a desk")
    arguments = parser.parse_args()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    broker = urlsplit(arguments.url)
    client.username_pw_set(broker.username, broker.password)
    refused: list[ReasonCode] = []

    def note(_client: Any, _data: Any, _what: Any, reason: ReasonCode, _more: Any) -> None:
        if reason.is_failure:
            refused.append(reason)

    client.on_connect = client.on_publish = note
    client.connect(broker.hostname or "127.0.0.1", broker.port or 1883)
    client.loop_start()
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = [("region", "eu")]
    sent = client.publish(arguments.topic, arguments.order, qos=1, properties=properties)
    deadline = time.monotonic() + _PATIENCE
    while not (refused or sent.is_published() or time.monotonic() > deadline):
        sent.wait_for_publish(0.1)
    client.disconnect()
    client.loop_stop()
    if refused or not sent.is_published():
        sys.exit(f"not sent: {arguments.order}: {refused[0] if refused else f'no answer within {_PATIENCE} s'}")
    print(f"sent: {arguments.order}", flush=True)


if __name__ == "__main__":
    main()
