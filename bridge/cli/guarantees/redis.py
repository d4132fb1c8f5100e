"""What there is to say of Redis's streams: a group remembers who has what, and Redis is as durable as it is set up."""

from collections.abc import Iterator

from bridge.cli.guarantees.view import Fact, View, several
from config.redis import RedisSinkSettings, RedisSourceSettings
from config.values import format_duration

_NO_BODY = {
    "json": "is relayed with its fields as a JSON object for a body",
    "empty": "is relayed with an empty body, and its fields as headers",
    "dead_letter": "cannot be delivered: as on_error says",
}


def reads(source: RedisSourceSettings, view: View) -> str:
    """What is read, and how."""
    group, consumer = source.group or view.own.group, source.consumer or view.own.consumer
    return f"{several(source.streams, 'stream')} as consumer {consumer} of group {group}"


def writes(target: RedisSinkSettings) -> str:
    """Where messages are written."""
    return f"stream {target.stream}" + (
        "" if target.max_length is None else f", about {target.max_length} entries kept"
    )


def reading(source: RedisSourceSettings, view: View) -> Iterator[Fact]:
    """What is promised of the entries of streams."""
    yield "delivery", view.promise("acknowledged")
    why = "a crash or lost connection, or when another consumer takes entries over"
    again = (
        "what comes again has the same fedbridge-uid; a crash or failover of Redis itself brings again all that was "
        "acknowledged since it last saved or replicated that, however much it is"
    )
    yield "duplicates", view.duplicates(why, again)
    yield (
        "group",
        f"what another consumer has not touched for {format_duration(source.claim_idle)} is taken over; each replica "
        "needs a consumer's name of its own",
    )
    yield "start", f"{source.start}: a group that is created begins {_begin(source.start)}"
    yield "no_body", f'{source.no_body}: an entry without a field "{source.body}" {_NO_BODY[source.no_body]}'
    yield (
        "trimmed",
        "what is trimmed or deleted before it was read is LOST in silence, while it was pending LOST and counted as "
        "trimmed; a stream or group that goes while the bridge runs is made again, read from its beginning, and "
        "counted as group_lost",
    )


def _begin(start: str) -> str:
    if start == "$":
        return "at the end: what is there before is not relayed"
    return "with all that is there" if start in ("0", "0-0") else f"after entry {start}"


def writing(target: RedisSinkSettings) -> Iterator[Fact]:
    """What is to be known of a stream that is written to."""
    if target.max_length is not None:
        yield "trimmed", f"about {target.max_length} entries are kept: the oldest go, read by its groups or not"
    yield (
        "durable",
        "as Redis is set up: confirmed means in its memory; without appendonly a restart loses it, with appendfsync "
        "everysec a crash the last second, a failover what the replica had not got",
    )
