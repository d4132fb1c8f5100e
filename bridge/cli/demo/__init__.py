"""The demo and the real brokers that it and the tests run against: provisioned, started and ended by the project.

`install` makes the brokers' files available, `rabbitmq`, `kafka`, `mosquitto` and `redis` each run one broker,
`brokers` all of them, `kept` knows what was left running on purpose. `story` is what the demo shows, `cast` who plays
in it, `report` what came of it, `command` the command line of it.
"""
