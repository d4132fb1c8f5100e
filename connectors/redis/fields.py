"""The names of the fields of an entry, and the numbers in them.

An entry is a flat sequence of names and values, bytes, in which names may repeat. A header has the prefix `h:`, so that
none is taken for the body, the key or a property (research/mapping.md 4.3).
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from bridge.marks import Dialect
from bridge.names import EXCHANGE, NULL, PATH, PROPERTY_NAMES, ROUTING_KEY, TYPES, UID

Fields: TypeAlias = Sequence[bytes]
"""Names and values in turn, in the order of the entry."""

BODY: Final = "body"
"""Where the sink puts the body; a source may be told another name."""

KEY_FIELD: Final = b"key"
UID_FIELD: Final = UID.encode()
PATH_FIELD: Final = PATH.encode()
TYPES_FIELD: Final = TYPES.encode()
NULL_FIELD: Final = NULL.encode()
TIMESTAMP_FIELD: Final = PROPERTY_NAMES["timestamp"].encode()
EXCHANGE_FIELD: Final = EXCHANGE.encode()
ROUTING_KEY_FIELD: Final = ROUTING_KEY.encode()
HEADER: Final = b"h:"
"""What the name of a header's field begins with."""

DIALECT: Final = Dialect(raw=True, null=False, claimed=frozenset())
"""What an entry tells of its headers' types; by their prefix no name of theirs means anything else."""

TRUE: Final = b"true"
PROPERTY_FIELDS: Final[Mapping[bytes, str]] = {field.encode(): name for name, field in PROPERTY_NAMES.items()}
"""The property that each of these fields is."""
