"""MQTT 5 and 3.1.1: topics, read and written through sessions of paho-mqtt."""
