"""The errors that cross module borders, and what each makes the caller do.

Connectors translate their library's exceptions into these at the edge; no foreign exception leaves a connector.
Configuration has its own error, `config.ConfigError`.
"""


class FedbridgeError(Exception):
    """The base of all errors of the bridge; never raised itself."""


class Disconnected(FedbridgeError):
    """A connection could not be made or was lost: transient.

    The caller closes what was open, backs off and opens again, for ever. `reason` is from a closed set, a metric label:
    refused, lost, timeout, cancelled, unknown_outcome, error. The text is for a person: what happened, at which broker.
    """

    def __init__(self, text: str, reason: str = "lost") -> None:
        super().__init__(text)
        self.reason = reason


class RouteFault(FedbridgeError):
    """The route cannot work as it is configured: permanent until somebody changes something.

    The supervisor puts the route in `failed` with this text and probes slowly, while other routes run. `reason` is from
    a closed set: authentication, forbidden, missing, conflict, locked, taken_over. Where it is `final` nothing is tried
    again: that would do harm, as to take a session back from another client that has taken it.
    """

    def __init__(self, text: str, reason: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.reason = reason
        self.final = final


class Unmappable(FedbridgeError):
    """This one message cannot be mapped to its target; it goes by the route's `on_error`, the next one flows.

    `reason` is from a closed set, a metric label: missing_field, bad_topic, too_deep, too_large, unencodable,
    bad_value, bad_filter.
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason
