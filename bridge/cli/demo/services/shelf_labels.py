"""ShelfLabelService: shows product updates on the labels in the shop's branches. A plain paho program."""

import argparse
import sys
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode


def main() -> None:
    """Subscribe to an MQTT topic and print its messages; exit code 1 if the broker refuses."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--topic", required=True)
    arguments = parser.parse_args()

    def subscribe(client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        if reason.is_failure:
            sys.exit(f"not connected: {reason}")
        client.subscribe(arguments.topic, qos=1)

    def subscribed(_client: Any, _data: Any, _id: int, reasons: list[ReasonCode], _more: Any) -> None:
        if reasons[0].is_failure:
            sys.exit(f"not subscribed to {arguments.topic}: {reasons[0]}")
        print("waiting for messages", flush=True)

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_connect = subscribe
    client.on_subscribe = subscribed
    client.on_message = lambda client, data, message: print(f"received: {message.payload.decode()}", flush=True)
    broker = urlsplit(arguments.url)
    client.username_pw_set(broker.username, broker.password)
    client.connect(broker.hostname or "127.0.0.1", broker.port or 1883)
    client.loop_forever()


if __name__ == "__main__":
    main()
