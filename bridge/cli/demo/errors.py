"""What the demo says when it cannot go on."""


class Unavailable(Exception):
    """Something the demo or the tests need is missing, or did not do what was waited for.

    The text is for a person: what was missing or waited for, and what to do or which log to read.
    """
