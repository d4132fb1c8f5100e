"""Which topics a source reads: pure. A list is a pattern too, since a consumer that names topics may create them."""

import re
from collections.abc import Collection, Sequence


class Wanted:
    """The topics of a source: named, or all whose whole name matches a pattern and does not begin with two underscores.

    `expression` matches whole names with `match`.
    """

    def __init__(self, topics: Sequence[str] | None, pattern: str | None) -> None:
        self._topics = topics
        self._pattern = pattern
        names = "|".join(re.escape(topic) for topic in topics or ())
        self.expression = re.compile(rf"(?:{names})\Z" if topics else rf"(?!__)(?:{pattern})\Z")

    def missing(self, known: Collection[str]) -> list[str]:
        """The named topics that are not among `known`."""
        return [topic for topic in self._topics or () if topic not in known]

    def waiting(self, known: Collection[str]) -> str | None:
        """What is missing among `known`, for a person, or None."""
        if missing := self.missing(known):
            return f"topic {', '.join(missing)}"
        if self._pattern is not None and not any(self.expression.match(topic) for topic in known):
            return f"a topic that matches {self._pattern}"
        return None
