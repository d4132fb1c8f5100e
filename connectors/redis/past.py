"""What a source remembers from one opening to the next, made anew after every loss."""

from collections import Counter


class Past:
    """The memory of a source, made once for as long as the bridge runs."""

    def __init__(self) -> None:
        self.grouped: set[str] = set()
        """The streams that had the group: where it is missing afterwards, it was lost."""
        self.untold: Counter[str] = Counter()
        """How many entries are gone of which nobody has been told, by reason."""
