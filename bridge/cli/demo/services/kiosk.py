"""Kiosk: publishes an order to an MQTT topic. A plain paho program."""

import argparse
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def main() -> None:
    """Publish one order, and end once the broker has confirmed it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--order", default="order 2: a desk")
    arguments = parser.parse_args()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    broker = urlsplit(arguments.url)
    client.username_pw_set(broker.username, broker.password)
    client.connect(broker.hostname or "127.0.0.1", broker.port or 1883)
    client.loop_start()
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = [("region", "eu")]
    client.publish(arguments.topic, arguments.order, qos=1, properties=properties).wait_for_publish(30)
    print(f"sent: {arguments.order}", flush=True)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
