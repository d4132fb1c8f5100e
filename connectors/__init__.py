"""The systems that fedbridge speaks to, one package each, and how to write another.

A connector is two functions, `open_source(broker, settings, place)` and `open_sink(...)`: async context managers that
give the `Source` and `Sink` of `bridge.ports`, connected. The contract is in the docstrings there, and in the suite of
tests/contract, which every connector runs. The files of a package have the same names everywhere:

- `codec.py`: the system's messages to and from `bridge.message.Message`. Pure, both ways, fuzzed: whatever a broker
  sends is a Message or an Undecodable, and what the system cannot hold is Unmappable. Keep every property and type.
- `tap.py`, where the library's way costs an object or a task for each message: a parser without I/O for the hot bytes.
  The library keeps connecting, login, topology, heartbeats and closing.
- `rehearsal.py`: what a target would get of a message, by the encoder and the decoder, for `fedbridge test`. Pure.
- `source.py` and `sink.py`: the ports. Batches only: nothing is awaited, counted or logged for one message.
- `errors.py`: where the library's exceptions become Disconnected (transient: the supervisor opens again) or RouteFault
  (permanent: a person has to change something, and the text says what). No other exception leaves a connector.

Rules that are easy to break: nothing reconnects inside; every wait for a broker's reply has a limit, and waiting for
messages or room has none; `settle` never raises or waits; a receipt carries the epoch of its connection, and one of
another epoch is dropped. Connectors do not import each other, and the settings models live in `config.settings`.
"""
