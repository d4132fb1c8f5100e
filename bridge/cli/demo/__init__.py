"""The demo and the real brokers that it and the tests run against: provisioned, started and ended by the project.

`install` makes RabbitMQ's and Kafka's files available, `rabbitmq` and `kafka` each run one broker, `brokers` both,
`kept` knows what was left running on purpose, `story` is what the demo shows, `command` the command line of it.
"""
