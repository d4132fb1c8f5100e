"""The core of fedbridge: it relays between brokers and knows no protocol.

    broker A -> source.receive -> [Delivery(Message, receipt)] -> relay -> mapping -> lane -> sink.send -> broker B
    broker A <- source.settle  <- receipts of what every sink has taken <- batch <- lane <- Outcome per message

One route is one `Relay` (relay.py): it receives batches within the route's window, maps them (mapping.py) and hands
each to one `Lane` per sink (lane.py), which keeps several submissions in flight and works off refusals, silence and
lost connections without giving up the order. A `Batch` (batch.py) keeps the book: when every sink has said its last
word on every message, the relay settles them at the source. Nothing on this way awaits, counts or logs per message.

Sources and sinks are connectors (ports.py says what they must do); an open one is a connected one. `Route`, in
supervisor.py, opens them, each in a task of its own, and opens them again with backoff when they are lost; the relay
lives on in between. errors.py says what each failure makes the caller do. metrics.py defines every metric, admin/
serves them with the probes, cli/ holds the commands, and wiring.py alone knows both the core and the connectors.

Imports point one way, from cli down to message, errors and config; `lint-imports` enforces it (pyproject.toml).
"""
