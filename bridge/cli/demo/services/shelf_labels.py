"""ShelfLabelService: shows product updates on the labels in the shop's branches. A plain paho program."""

import argparse
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


def main() -> None:
    """Subscribe to an MQTT topic and print its messages."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--topic", required=True)
    arguments = parser.parse_args()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_connect = lambda client, *_: client.subscribe(arguments.topic, qos=1)
    client.on_subscribe = lambda *_: print("waiting for messages", flush=True)
    client.on_message = lambda client, data, message: print(f"received: {message.payload.decode()}", flush=True)
    broker = urlsplit(arguments.url)
    client.username_pw_set(broker.username, broker.password)
    client.connect(broker.hostname or "127.0.0.1", broker.port or 1883)
    client.loop_forever()


if __name__ == "__main__":
    main()
